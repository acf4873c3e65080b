package serverless_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app/serverless"
)

// value reads a manifest in which the environment variable VAR is an expression,
// and returns what VAR becomes.
func value(t *testing.T, expression string) (string, error) {
	t.Helper()
	a, err := read(t, map[string]string{
		"serverless.yml": `service: shop
useDotenv: true
params:
  default: {size: small, color: red}
  test: {size: large, nothing: null}
provider: {name: aws, runtime: nodejs20.x, environment: {VAR: ` + expression + `}}
functions: {hello: {handler: hello.handler}}
custom:
  name: value
  number: 12
  half: 1.50
  flag: false
  none: null
  list: [a, {b: c}]
  map: {x: 1, y: "${self:custom.name}"}
  which: name
  indirect: ${self:custom.${self:custom.which}}
  file: ${file(config/${sls:stage}.yml)}
  loop: ${self:custom.loop2}
  loop2: a ${self:custom.loop}
  itself: {inner: "${self:custom.itself}"}
`,
		"config/test.yml": "a: {b: from file, c: '${self:custom.name}!'}\nlist: [1, 2]\n",
		"data.json":       `{"k": [true, {"deep": "json"}]}`,
		"note.txt":        "plain ${self:custom.number}",
		"bad.yml":         "a: 1\na: 2\n",
		"code.js":         "module.exports = 1",
		".env":            "FROM_DOTENV=default\n",
		".env.test":       "FROM_DOTENV=stage\nBOTH=dotenv\n",
	}, serverless.Options{
		Stage: "test", Params: map[string]string{"color": "blue", "given": "1", "ssm:/given": "secret", "import:Exported": "imported", "git:sha1": "abc", "opt:region": "eu-west-1"}, Opts: map[string]string{"flavor": "sweet"},
		Env: env(map[string]string{"SET": "on", "EMPTY": "", "BOTH": "process", "YES": "TRUE", "DOLLAR": "${self:service}"}),
	})
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(a.Functions[0].Config.Environment)
	return strings.TrimSuffix(strings.TrimPrefix(string(b), `{"VAR":`), "}"), err
}

func TestVariables(t *testing.T) {
	for expression, want := range map[string]string{
		"${self:custom.name}":                                   `"value"`,
		"pre-${self:custom.name}-${self:custom.number}":         `"pre-value-12"`,
		"${self:custom.half}":                                   `"1.5"`,
		"${self:custom.flag}":                                   `"false"`,
		"${self:custom.list.1.b}":                               `"c"`,
		"${self:custom.map.y}":                                  `"value"`,
		"${self:custom.indirect}":                               `"value"`,
		"${self:custom.${self:custom.which}}":                   `"value"`,
		"${self:custom.file.a.c}":                               `"value!"`,
		"${self:service}-${opt:stage, self:provider.stage}":     `"shop-test"`,
		"${self:provider.stage}":                                `"dev"`,
		"${self:provider.region}":                               `"us-east-1"`,
		"${opt:flavor}":                                         `"sweet"`,
		"${opt:none, 'default'}":                                `"default"`,
		`"${opt:none, \"double\"}"`:                             `"double"`,
		"${opt:none, 12}":                                       `"12"`,
		"${opt:none, true}":                                     `"true"`,
		"${opt:none, ''}":                                       `""`,
		"${opt:none, env:SET}":                                  `"on"`,
		"${opt:none, env:NOPE, self:custom.none, 'last'}":       `"last"`,
		"${opt:none, self:custom.nope.deeper, param:size}":      `"large"`,
		"${env:EMPTY, 'empty is none'}":                         `"empty is none"`,
		"${env:FROM_DOTENV}":                                    `"stage"`,
		"${env:BOTH}":                                           `"process"`,
		"${env:DOLLAR}":                                         `"${self:service}"`,
		"${param:size}":                                         `"large"`,
		"${param:color}":                                        `"blue"`,
		"${param:given}":                                        `"1"`,
		"${param:nothing, 'x'}":                                 `"x"`,
		"${sls:stage}":                                          `"test"`,
		"${aws:region}:${aws:accountId}":                        `"us-east-1:000000000000"`,
		"${file(config/test.yml):a.b}":                          `"from file"`,
		"${file(./config/${opt:stage}.yml):a.c}":                `"value!"`,
		"${file(\"data.json\"):k.1.deep}":                       `"json"`,
		"${file(note.txt)}":                                     `"plain 12"`,
		"${file(none.yml):a, 'no file'}":                        `"no file"`,
		"${file(config/test.yml):nope, 'no key'}":               `"no key"`,
		"${strToBool(${env:YES})}":                              `"true"`,
		"${strToBool(${opt:none, 'false'})}":                    `"false"`,
		"${strToBool(0)}":                                       `"false"`,
		"!Sub '${AWS::Region}/${self:custom.name}'":             `"us-east-1/value"`,
		"a $ b ${ c $$ {d} ${E} ${e} ${e.f}":                    `"a $ b ${ c $$ {d} ${E} ${e} ${e.f}"`,
		"'\\${self:custom.name}'":                               `"${self:custom.name}"`,
		"${ssm:/given}-${git:sha1}":                             `"secret-abc"`,
		"${opt:region}":                                         `"eu-west-1"`,
		"!ImportValue Exported":                                 `"imported"`,
		"${ssm:/a/b, 'instead'}":                                `"instead"`,
		"${cf:other.Output, self:custom.name}":                  `"value"`,
		"{'Fn::Join': ['-', '${file(config/test.yml):list}']}":  `"1-2"`,
		"{'Fn::Select': [0, '${self:custom.list}']}":            `"a"`,
		"${self:custom.map.${opt:none, 'x'}}":                   `"1"`,
		"${self:custom.map.${opt:none, self:custom.nope, 'x'}}": `"1"`,
		"${self:custom.none}${opt:none, ''}":                    ``,
	} {
		if strings.HasPrefix(expression, "${self:custom.none}") {
			continue // a problem, see below
		}
		if strings.ContainsAny(expression[:1], "$ap") {
			expression = "'" + strings.ReplaceAll(expression, "'", "''") + "'"
		}
		got, err := value(t, expression)
		if err != nil || unhtml(got) != want {
			t.Errorf("%s = %s, want %s (%v)", expression, got, want, err)
		}
	}
}

func unhtml(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

func TestVariableProblems(t *testing.T) {
	for expression, says := range map[string][]string{
		"${self:custom.nane}":               {"serverless.yml:6:64: cannot resolve ${self:custom.nane}: there is no custom.nane in the file", `did you mean "name"`, "${self:custom.nane, 'value'}"},
		"x-${env:NOPE}":                     {"serverless.yml:6:66:", "environment variable NOPE is not set"},
		"${opt:none}":                       {"the option --none was not given: give its value with --param 'opt:none=VALUE' (or give a default"},
		"${self:custom.tabels.dev.name}":    {"there is no custom.tabels in the file"},
		"${self:custom.map.w.z}":            {"there is no custom.map.w in the file"},
		"${opt:none, env:NOPE}":             {"the option --none was not given: give its value with --param 'opt:none=VALUE'; the environment variable NOPE is not set"},
		"${param:sise}":                     {"no parameter sise for the stage test", `did you mean "size"`, "--param sise=VALUE"},
		"${sefl:custom.name}":               {`no kind of variable called "sefl"`, `did you mean "self"`},
		"${ssm:/a/b}":                       {"AWS Systems Manager", "--param 'ssm:/a/b=VALUE'"},
		"${sls:stages}":                     {"sls:stage and sls:instanceId only"},
		"${aws:zone}":                       {"aws:region and aws:accountId only"},
		"${file(none.yml)}":                 {"there is no file none.yml"},
		"${file(bad.yml):a}":                {"bad.yml:2:1", "a second time"},
		"${file(code.js):a}":                {"code.js is a program", "code.yml"},
		"${file(config)}":                   {"cannot read the file config"},
		"${strToBool(maybe)}":               {"true, false, 1 or 0"},
		"a ${self:custom.map} b":            {"${self:custom.map} is a map (serverless.yml:15:8), which cannot be put into a text"},
		"${self:custom.list}":               {"VAR in environment of provider must be a text", "not a list"},
		"${self:custom.loop}":               {"circular", "${self:custom.loop} (serverless.yml:6:64) -> ${self:custom.loop2} (serverless.yml:19:9) -> ${self:custom.loop} (serverless.yml:20:12)"},
		"${self:custom.itself.inner.inner}": {"serverless.yml:21:11: circular", "contains itself"},
		"${self:custom.name":                {"serverless.yml:6:64", "is not closed with }"},
		"${file(config/test.yml:a}":         {"is not closed with )"},
		"${opt:stage, dev}":                 {"put quotes around a text, 'dev'"},
		"${env:A:-b}":                       {"a second colon", "'default'"},
		"${opt:stage,}":                     {"a value is missing"},
		"${self:custom.${name}}":            {"begins no variable"},
		"${opt:a, 'b}":                      {"the quote", "is not closed"},
	} {
		_, err := value(t, "'"+strings.ReplaceAll(expression, "'", "''")+"'")
		for _, want := range says {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n got %v\nwant %s", expression, err, want)
			}
		}
	}
}

// A text that doubles forty times must not become a terabyte, nor a map.
func TestVariableBombs(t *testing.T) {
	texts, maps := "  t0: xxxxxxxxxx\n", "  m0: [x, x, x]\n"
	for i := 1; i <= 40; i++ {
		texts += fmt.Sprintf("  t%d: ${self:custom.t%d}${self:custom.t%d}\n", i, i-1, i-1)
		maps += fmt.Sprintf("  m%d: ['${self:custom.m%d}', '${self:custom.m%d}']\n", i, i-1, i-1)
	}
	for name, c := range map[string]struct{ custom, use, says string }{
		"text": {texts, "${self:custom.t40}", "larger than 1 MB"},
		"map":  {maps, "${self:custom.m40}", "more than 200000 values"},
		"deep": {"  d: {d: '${self:custom.d}'}\n", "${self:custom.d}", "circular"},
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest("provider: {name: aws, runtime: nodejs20.x, environment: {VAR: '" + c.use + "'}}\ncustom:\n" + c.custom)}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
}

func TestWhatNothingNeedsMayBeWrong(t *testing.T) {
	a := ok(t, "custom: {bucket: '${ssm:/bucket}', other: '${env:NOPE}'}\n", nil, serverless.Options{})
	if w := warnings(a); !strings.Contains(w, "serverless.yml:6:19: cannot resolve ${ssm:/bucket}") || !strings.Contains(w, "nothing that is deployed needs it") {
		t.Errorf("warnings:\n%s", w)
	}
}

func TestWholeSectionsFromFiles(t *testing.T) {
	a := ok(t, `
service: shop
provider: ${file(provider.json)}
functions:
  - ${file(functions.yml):first}
  - ${file(functions.yml):second}
custom: ${file(custom.yml)}
resources:
  - ${file(resources.yml)}
  - Outputs: {Name: {Value: !Ref Table}}
package: ${self:custom.packing}
`, map[string]string{
		"provider.json": `{"name": "aws", "runtime": "python3.11", "stage": "${self:custom.stage}"}`,
		"custom.yml":    "stage: prod\npacking: {patterns: ['!*.yml', '!*.js*']}\nevents: [{httpApi: 'GET /a'}]\n",
		"functions.yml": "first: {a: {handler: a.f, events: '${self:custom.events}'}}\nsecond: {b: '${file(b.yml)}'}\n",
		"b.yml":         "handler: a.f\nevents:\n  - ${file(event.json)}\n",
		"event.json":    `{"httpApi": {"method": "get", "path": "/b"}}`,
		"resources.yml": "Resources: {Table: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: '${sls:stage}-t'}}}\n",
		"a.py":          "",
	}, serverless.Options{})
	if a.Stage != "prod" || len(a.Functions) != 2 || a.Functions[1].At.String() != "functions.yml:2:10" || a.Functions[0].Config.Runtime != "python3.11" {
		t.Errorf("%+v", a.Functions)
	}
	if len(a.APIs) != 1 || len(a.APIs[0].Routes) != 2 || a.Outputs[0].Value != "prod-t" || a.Unserved[0].At.String() != "resources.yml:1" {
		t.Errorf("%+v %+v %+v", a.APIs, a.Outputs, a.Unserved)
	}
	if len(a.Manifest) != 7 {
		t.Errorf("read from %q", a.Manifest)
	}
}
