package cfn_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

const template = `
Parameters: {Size: {Type: String, Default: small}, Bare: {Type: String}}
Mappings: {Sizes: {small: {mb: 128}}}
Conditions:
  Prod: !Equals [!Ref Size, large]
  Dev: !Not [!Condition Prod]
  Both: !And [!Condition Dev, !Equals [a, a]]
  Loop: !Or [!Condition Loop, !Condition Prod]
Resources:
  Table: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: !Sub '${AWS::StackName}-users'}}
  Plain: {Type: 'AWS::DynamoDB::Table'}
  Bucket: {Type: 'AWS::S3::Bucket'}
  Queue: {Type: 'AWS::SQS::Queue', Properties: {QueueName: jobs}}
  Topic: {Type: 'AWS::SNS::Topic', Properties: {TopicName: news}}
  Role: {Type: 'AWS::IAM::Role', Properties: {RoleName: worker}}
  Param: {Type: 'AWS::SSM::Parameter', Properties: {Name: /a/b, Value: v}}
  Cluster: {Type: 'AWS::ECS::Cluster', Properties: {ClusterName: main}}
  A: {Type: 'AWS::SNS::Topic', Properties: {TopicName: !Ref B}}
  B: {Type: 'AWS::SNS::Topic', Properties: {TopicName: !Ref A}}
`

func scope(t *testing.T) *cfn.Scope {
	t.Helper()
	root, err := doc.ParseYAML("template.yml", []byte(template))
	if err != nil {
		t.Fatal(err)
	}
	m := root.Map()
	s := &cfn.Scope{
		Target: app.Target{Account: "000000000000", Region: "us-east-1", Endpoints: pinfold.Endpoints{API: "http://127.0.0.1:4566"}},
		Stack:  "shop-dev", Resources: map[string]cfn.Resource{},
		Parameters: m.Get("Parameters"), Mappings: m.Get("Mappings"), Conditions: m.Get("Conditions"),
		Made: func(id, attribute string) (string, bool) {
			v, ok := map[string]string{"HelloLambdaFunction": "shop-dev-hello", "HelloLambdaFunction.Arn": "arn:hello"}[strings.TrimSuffix(id+"."+attribute, ".")]
			return v, ok
		},
		MadeIDs: []string{"HelloLambdaFunction"},
	}
	for _, k := range m.Get("Resources").Map().Keys {
		r := m.Get("Resources").Map().Get(k.Name).Map()
		typ, _ := r.Get("Type").Text()
		s.Resources[k.Name] = cfn.Resource{ID: k.Name, Type: typ, Properties: r.Get("Properties"), At: k.At}
	}
	return s
}

func TestEval(t *testing.T) {
	for expression, want := range map[string]string{
		"!Ref AWS::Region":                           `"us-east-1"`,
		"!Ref AWS::NoValue":                          `null`,
		"{a: !Ref 'AWS::NoValue', b: 1}":             `{"b":1}`,
		"!Ref Size":                                  `"small"`,
		"!Ref Table":                                 `"shop-dev-users"`,
		"!GetAtt Table.Arn":                          `"arn:aws:dynamodb:us-east-1:000000000000:table/shop-dev-users"`,
		"!Ref Plain":                                 `"shop-dev-Plain-2V2F4JY575YX"`,
		"!GetAtt [Bucket, Arn]":                      `"arn:aws:s3:::shop-dev-bucket-FIXED"`,
		"!Ref Queue":                                 `"http://127.0.0.1:4566/000000000000/jobs"`,
		"!GetAtt Queue.Arn":                          `"arn:aws:sqs:us-east-1:000000000000:jobs"`,
		"!Ref Topic":                                 `"arn:aws:sns:us-east-1:000000000000:news"`,
		"!GetAtt Role.Arn":                           `"arn:aws:iam::000000000000:role/worker"`,
		"!GetAtt Param.Value":                        `"v"`,
		"!Ref Cluster":                               `"main"`,
		"!GetAtt Cluster.Arn":                        `"arn:aws:ecs:us-east-1:000000000000:cluster/main"`,
		"!GetAtt Cluster.Endpoint.Port":              `"unserved:Cluster.Endpoint.Port"`,
		"!Ref HelloLambdaFunction":                   `"shop-dev-hello"`,
		"{'Fn::GetAtt': [HelloLambdaFunction, Arn]}": `"arn:hello"`,
		"!Sub '${Table}/${!x}/${Table.Arn}'":         `"shop-dev-users/${x}/arn:aws:dynamodb:us-east-1:000000000000:table/shop-dev-users"`,
		"!Sub ['${a}-${AWS::AccountId}', {a: !Ref Size}]": `"small-000000000000"`,
		"!Join ['-', [a, !Ref Size, 3]]":                  `"a-small-3"`,
		"!Join ['-', !Split ['.', a.b]]":                  `"a-b"`,
		"!Select [1, !Split ['.', a.b.c]]":                `"b"`,
		"!Select ['0', [x, y]]":                           `"x"`,
		"!If [Prod, 1, !If [Both, 2, 3]]":                 `2`,
		"!FindInMap [Sizes, !Ref Size, mb]":               `128`,
		"!Base64 hello":                                   `"aGVsbG8="`,
		"!Select [2, !GetAZs '']":                         `"us-east-1c"`,
		"!ToJsonString {a: !Ref Size}":                    `"{\"a\":\"small\"}"`,
		"!Length [1, 2]":                                  `2`,
		"{Effect: Allow, Condition: {Bool: {x: true}}}":   `{"Effect":"Allow","Condition":{"Bool":{"x":true}}}`,
	} {
		n, err := doc.ParseYAML("x.yml", []byte("v: "+expression))
		if err != nil {
			t.Fatal(err)
		}
		got, err := scope(t).Eval(n.Map().Get("v"))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		b, _ := json.Marshal(got)
		if strings.HasSuffix(want, `FIXED"`) {
			if prefix := strings.TrimSuffix(want, `FIXED"`); !strings.HasPrefix(string(b), prefix) || strings.ToLower(string(b)) != string(b) {
				t.Errorf("%s = %s, want %s", expression, b, want)
			}
			continue
		}
		if string(b) != want {
			t.Errorf("%s = %s, want %s", expression, b, want)
		}
	}
}

func TestEvalProblems(t *testing.T) {
	for expression, says := range map[string]string{
		"!Ref Tabel":                       `did you mean "Table"?`,
		"!Ref AWS::Nope":                   "no pseudo parameter",
		"!Ref Bare":                        "no Default",
		"!Ref [a]":                         "Ref needs the name",
		"!Ref A":                           "depends on itself: A -> B -> A",
		"!GetAtt Table":                    "a resource and an attribute",
		"!GetAtt [!Ref 'AWS::NoValue', x]": "a resource and an attribute",
		"!GetAtt HelloLambdaFunction.Nope": "no attribute Nope",
		"!Sub '${Table'":                   "not closed",
		"!Sub {a: b}":                      "Fn::Sub needs a text",
		"!Join [a]":                        "list of 2 values",
		"!Join [a, b]":                     "list of texts",
		"!Join [a, [[b]]]":                 "texts only",
		"!Select [5, [a]]":                 "no place in a list of 1",
		"!Split ['', a]":                   "needs a separator",
		"!If [Nope, 1, 2]":                 "no condition Nope",
		"!If [Loop, 1, 2]":                 "depends on itself: Loop -> Loop",
		"!FindInMap [Sizes, big, mb]":      "no big in Mappings",
		"!ImportValue x":                   "--param 'import:x=VALUE'",
		"!Cidr [a, b, c]":                  "cannot be evaluated",
	} {
		n, err := doc.ParseYAML("x.yml", []byte("v: "+expression))
		if err != nil {
			t.Fatal(err)
		}
		_, err = scope(t).Eval(n.Map().Get("v"))
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), ".yml:") {
			t.Errorf("%s: %v, want a place and %q", expression, err, says)
		}
	}
}

func FuzzEval(f *testing.F) {
	for _, seed := range []string{"!Ref Table", "!Sub ['${a}', {a: 1}]", "{'Fn::Join': ['', [!GetAtt Queue.Arn]]}", "!If [Dev, !Ref 'AWS::NoValue', []]", "!GetAtt []", "{Ref: }", "!Sub '${}${!}${.}${AWS::Region}'", "!Not [!And [a]]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		n, err := doc.ParseYAML("x.yml", []byte("v: "+expression))
		if err != nil {
			return
		}
		s := scope(t)
		if v, err := s.Eval(n.Map().Get("v")); err == nil {
			if _, err := json.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
	})
}
