package serverless_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

func routes(a *app.Application, kind pinfold.APIKind) []string {
	var all []string
	for _, api := range a.APIs {
		if api.Kind == kind {
			for _, r := range api.Routes {
				all = append(all, r.Method+" "+r.Path)
			}
		}
	}
	return all
}

// event is a manifest with one function and one event.
func event(e string) string {
	return "functions:\n  hello:\n    handler: hello.handler\n    events:\n      - " + e + "\n"
}

func TestHTTPEventsInEveryNotation(t *testing.T) {
	for e, want := range map[string]string{
		"httpApi: GET /x":                                    "http GET /x",
		"httpApi: 'GET /x/{id}'":                             "http GET /x/{id}",
		"httpApi: post /x/{proxy+}":                          "http POST /x/{proxy+}",
		"httpApi: '*'":                                       "http ANY $default",
		"httpApi: {path: '*'}":                               "http ANY $default",
		"httpApi: {path: '*', method: '*'}":                  "http ANY $default",
		"httpApi: {path: /x, method: '*'}":                   "http ANY /x",
		"httpApi: '* /x'":                                    "http ANY /x",
		"httpApi: {path: GET /x}":                            "http GET /x",
		"httpApi: {method: delete, path: /x/}":               "http DELETE /x/",
		"httpApi: {method: any, path: /}":                    "http ANY /",
		"{httpApi: {method: '${opt:m, ''get''}', path: /v}}": "http GET /v",
		"http: GET users":                                    "rest GET /users",
		"http: 'GET users/{id}'":                             "rest GET /users/{id}",
		"http: POST /users/":                                 "rest POST /users",
		"http: any {proxy+}":                                 "rest ANY /{proxy+}",
		"http: GET /":                                        "rest GET /",
		"http: {path: users, method: get}":                   "rest GET /users",
		"http: {path: POST /users/login}":                    "rest POST /users/login",
		"http: {path: '', method: get}":                      "rest GET /",
		"http: {path: /, method: ANY}":                       "rest ANY /",
		"http: {path: 'a/{b}/c', method: '*', async: false}": "rest ANY /a/{b}/c",
	} {
		a := ok(t, event(e), nil, serverless.Options{})
		if len(a.APIs) != 1 || len(a.APIs[0].Routes) != 1 {
			t.Errorf("%s: %+v", e, a.APIs)
			continue
		}
		api, r := a.APIs[0], a.APIs[0].Routes[0]
		if got := fmt.Sprintf("%s %s %s", api.Kind, r.Method, r.Path); got != want {
			t.Errorf("%s = %s, want %s", e, got, want)
		}
		if payload := map[pinfold.APIKind]string{pinfold.HTTPAPI: "2.0", pinfold.RESTAPI: "1.0"}[api.Kind]; r.Payload != payload || r.Target.Name != "shop-dev-hello" {
			t.Errorf("%s: %+v", e, r)
		}
		if api.ID != pinfold.APIID(target.Account, target.Region, "shop", "dev", api.Kind) || api.App != "shop/dev" || api.Name != "dev-shop" {
			t.Errorf("%s: %+v", e, api)
		}
	}
}

func TestHTTPEventProblems(t *testing.T) {
	for e, says := range map[string]string{
		"httpApi: GET x":                       "must have a path that begins with /: write /x",
		"httpApi: /x":                          "has no method: write GET /x",
		"httpApi: GET":                         "has no path: write GET /path",
		"httpApi: GTE /x":                      `must be one of ANY, GET, POST, PUT, PATCH, OPTIONS, HEAD, DELETE; did you mean "GET"`,
		"httpApi: {path: /x}":                  "has no method",
		"httpApi: {}":                          "neither method nor path",
		"httpApi: {method: GET, path: POST /}": "names a method twice",
		"httpApi: [GET, /x]":                   "not a list",
		"httpApi:":                             "not nothing",
		"httpApi: GET /x/{a+}/b":               "let it be the last part",
		"httpApi: GET /x/a{b}":                 "a parameter takes a whole part",
		"httpApi: {path: '*', method: GET}":    "must have a path that begins with /",
		"httpApi: GET /x y":                    "too many words",
		"http: {path: '*', method: get}":       "write {proxy+}",
		"http: {path: x}":                      "has no method",
		"htpp: GET /x":                         `did you mean "http"`,
		"{http: null, path: x, method: get}":   `"path" stands beside it: indent`,
		"{sqs: a, sns: b}":                     "begin each event with",
		"[a]":                                  "must be",
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest(event(e))}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "serverless.yml:7:") {
			t.Errorf("%s:\n got %v\nwant %s", e, err, says)
		}
	}
}

func TestTwoFunctionsOnOneRoute(t *testing.T) {
	_, err := read(t, map[string]string{"serverless.yml": manifest(`functions:
  a: {handler: hello.handler, events: [{httpApi: 'GET /x/{id}'}, {httpApi: 'GET /x/{id}'}]}
  b:
    handler: hello.handler
    events:
      - httpApi: GET /x/{name}
      - http: GET /x/{id}
`)}, serverless.Options{})
	if err == nil || !strings.Contains(err.Error(), "serverless.yml:8:9: two functions on one route: GET /x/{id} leads to a (line 4) and GET /x/{name} to b (line 8)") || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("%v", err)
	}
}

func TestHTTPAPISettings(t *testing.T) {
	a := ok(t, `
provider:
  name: aws
  runtime: nodejs20.x
  timeout: 60
  httpApi: {payload: 1.0, name: mine, timeout: 10, cors: true}
functions:
  a: {handler: hello.handler, httpApi: {payload: '2.0'}, events: [{httpApi: GET /a}]}
  b: {handler: hello.handler, timeout: 3, events: [{httpApi: {method: post, path: /b, timeout: 5}}]}
`, nil, serverless.Options{})
	api := a.APIs[0]
	if api.Name != "mine" || api.Routes[0].Payload != "2.0" || api.Routes[1].Payload != "1.0" || api.Routes[0].TimeoutMS != 10000 || api.Routes[1].TimeoutMS != 5000 {
		t.Errorf("%+v", api)
	}
	if !slices.Equal(api.CORS.AllowMethods, []string{"OPTIONS", "GET", "POST"}) || !slices.Equal(api.CORS.AllowOrigins, []string{"*"}) || len(api.CORS.AllowHeaders) != 7 {
		t.Errorf("CORS %+v", api.CORS)
	}
	if w := warnings(a); !strings.Contains(w, "the function a may run 60 s, but an HTTP API answers for it after 30 s") || strings.Contains(w, "function b may") {
		t.Errorf("warnings:\n%s", w)
	}
	a = ok(t, `
provider: {name: aws, runtime: nodejs20.x, httpApi: {cors: {allowedOrigins: 'https://x.org', allowedMethods: [GET], allowCredentials: true, maxAge: 60, exposedResponseHeaders: [E]}, shouldStartNameWithService: true}}
`+event("httpApi: '*'"), nil, serverless.Options{})
	if c := a.APIs[0].CORS; c.AllowOrigins[0] != "https://x.org" || c.AllowMethods[0] != "GET" || !c.AllowCredentials || c.MaxAge != 60 || c.ExposeHeaders[0] != "E" || a.APIs[0].Name != "shop-dev" {
		t.Errorf("%+v %s", c, a.APIs[0].Name)
	}
}

func TestRESTAPISettings(t *testing.T) {
	a := ok(t, `
provider:
  name: aws
  runtime: nodejs20.x
  apiName: mine
  apiGateway:
    apiKeys: [one, {name: two, value: secretsecretsecretsecret}, {free: [three, {value: v}]}, {name: off, enabled: false}]
    binaryMediaTypes: ['image/*']
functions:
  a:
    handler: hello.handler
    events:
      - http: {path: x, method: get, cors: true, private: true, timeoutInMillis: 5000}
      - http: {path: x, method: any, cors: {origins: [https://a.org, https://b.org], headers: [X-A], allowCredentials: true, maxAge: 9}}
      - http: {path: y, method: get}
`, nil, serverless.Options{})
	api := a.APIs[0]
	if api.Name != "mine" || api.BinaryMediaTypes[0] != "image/*" || !api.Routes[0].APIKeyRequired || api.Routes[0].TimeoutMS != 5000 || api.Routes[2].CORS != nil {
		t.Errorf("%+v", api)
	}
	if want := []pinfold.APIKey{{Name: "one"}, {Name: "two", Value: "secretsecretsecretsecret"}, {Name: "three"}, {Value: "v"}}; !slices.Equal(api.APIKeys, want) {
		t.Errorf("keys %+v", api.APIKeys)
	}
	c := api.Routes[0].CORS
	if c != api.Routes[1].CORS || !slices.Equal(c.AllowOrigins, []string{"*", "https://a.org", "https://b.org"}) || !c.AllowCredentials || c.MaxAge != 9 ||
		!slices.Equal(c.AllowMethods, []string{"OPTIONS", "GET", "DELETE", "HEAD", "PATCH", "POST", "PUT"}) || !slices.Contains(c.AllowHeaders, "X-A") || !slices.Contains(c.AllowHeaders, "Authorization") {
		t.Errorf("CORS %+v", c)
	}
}

// TestAPIKeysOfVersion2 reads them in their old place.
func TestAPIKeysOfVersion2(t *testing.T) {
	a := ok(t, "provider: {name: aws, runtime: nodejs20.x, apiKeys: [old]}\n"+event("http: {method: GET, path: x, private: true}"), nil, serverless.Options{})
	if want := []pinfold.APIKey{{Name: "old"}}; !slices.Equal(a.APIs[0].APIKeys, want) || len(a.Warnings) != 0 {
		t.Errorf("keys %+v, warnings %s", a.APIs[0].APIKeys, warnings(a))
	}
}

func TestRESTTimeouts(t *testing.T) {
	for timeout, want := range map[string]int{"50": 50, "29000": 29000, "120000": 29000} {
		a := ok(t, event("http: {method: GET, path: x, timeoutInMillis: "+timeout+"}"), nil, serverless.Options{})
		if got := a.APIs[0].Routes[0].TimeoutMS; got != want {
			t.Errorf("%s ms: %d, want %d", timeout, got, want)
		}
		if told := strings.Contains(warnings(a), "answers after 29 s here"); told != (timeout == "120000") {
			t.Errorf("%s ms: warnings %q", timeout, warnings(a))
		}
	}
}

// What asks for protection that is not there must not be open to everybody.
func TestProtectedRoutesAreLeftOut(t *testing.T) {
	for name, c := range map[string]struct{ text, unserved, warning string }{
		"jwt": {"provider: {name: aws, runtime: nodejs20.x, httpApi: {authorizers: {me: {type: jwt, identitySource: a, issuerUrl: b, audience: c}}}}\n" + event("httpApi: {method: GET, path: /x, authorizer: me}"),
			"authorizer me of GET /x (function hello)", "the route GET /x is left out"},
		"jwt with scopes":     {event("httpApi: {method: GET, path: /x, authorizer: {name: me, scopes: [a]}}"), "authorizer me of GET /x", "left out"},
		"custom":              {event("http: {method: GET, path: x, authorizer: {arn: !GetAtt HelloLambdaFunction.Arn}}"), "authorizer", "left out"},
		"aws_iam":             {event("http: {method: GET, path: x, authorizer: aws_iam}"), "authorizer aws_iam of GET /x", "left out"},
		"resource policy":     {"provider: {name: aws, runtime: nodejs20.x, apiGateway: {resourcePolicy: [{Effect: Deny}]}}\n" + event("http: GET x"), "resourcePolicy of apiGateway", "the REST API is left out"},
		"policy of version 2": {"provider: {name: aws, runtime: nodejs20.x, resourcePolicy: [{Effect: Deny}]}\n" + event("http: GET x"), "resourcePolicy of apiGateway", "the REST API is left out"},
		"private endpoint":    {"provider: {name: aws, runtime: nodejs20.x, endpointType: private}\n" + event("http: GET x"), "endpointType PRIVATE", "the REST API is left out"},
		"other integration":   {event("http: {method: GET, path: x, integration: lambda}"), "integration lambda of GET /x", "left out"},
		"asynchronous":        {event("http: {method: GET, path: x, async: true}"), "async of GET /x", "left out"},
		"image":               {"functions:\n  hello:\n    image: repo:tag\n    events: [{httpApi: GET /x}]\n", "image of function hello", "the function hello is left out"},
	} {
		a := ok(t, c.text, nil, serverless.Options{})
		if len(a.APIs) != 0 {
			t.Errorf("%s: open: %+v", name, a.APIs)
		}
		if len(a.Unserved) != 1 || !strings.Contains(a.Unserved[0].What, c.unserved) || a.Unserved[0].At.Line == 0 {
			t.Errorf("%s: unserved %+v, want %s", name, a.Unserved, c.unserved)
		}
		if !strings.Contains(warnings(a), c.warning) {
			t.Errorf("%s: warnings %s, want %s", name, warnings(a), c.warning)
		}
	}
}

func TestUnservedIsKept(t *testing.T) {
	a := ok(t, `
provider: {name: aws, runtime: nodejs20.x, apiGateway: {restApiId: x, restApiRootResourceId: y, usagePlan: {quota: {limit: 5}}}}
functions:
  hello:
    handler: hello.handler
    onError: arn:aws:sns:us-east-1:000000000000:x
    maximumRetryAttempts: 0
    destinations: {onSuccess: 'arn:aws:events:us-east-1:000000000000:event-bus/x'}
    fileSystemConfig: {arn: x}
    provisionedConcurrency: 2
    vpc: {securityGroupIds: [a], subnetIds: [b]}
    events:
      - sqs: arn:aws:kinesis:us-east-1:000000000000:stream/x
      - schedule: rate(1 minute)
      - alexaSkill
      - somePlugins: {a: b}
      - http: {method: get, path: x, request: {schemas: {application/json: {}}}}
constructs: {landing: {type: static-website}}
resources:
  Conditions: {Never: !Equals [a, b]}
  Resources:
    Table: {Type: AWS::DynamoDB::Table}
    Not: {Type: AWS::DynamoDB::Table, Condition: Never}
    Pattern: {Type: AWS::Events::Rule, Properties: {EventPattern: {source: [x]}}}
    Both: {Type: AWS::Events::Rule, Properties: {EventPattern: {source: [x]}, ScheduleExpression: rate(1 hour), Targets: [{Id: a, Arn: 'arn:aws:sns:us-east-1:000000000000:x'}]}}
    Universal: {Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), FlexibleTimeWindow: {Mode: 'OFF'}, Target: {Arn: 'arn:aws:scheduler:::aws-sdk:sqs:sendMessage', RoleArn: x}}}
    Task: {Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), FlexibleTimeWindow: {Mode: 'OFF'}, Target: {Arn: 'arn:aws:ecs:us-east-1:000000000000:cluster/x', RoleArn: x, EcsParameters: {}}}}
    Stream: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: 'arn:aws:kinesis:us-east-1:000000000000:stream/x', FunctionName: hello}}
    Kafka: {Type: AWS::Lambda::EventSourceMapping, Properties: {SelfManagedEventSource: {}, FunctionName: hello}}
    Elsewhere: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: ['http://127.0.0.1:4566/000000000000/other'], PolicyDocument: {}}}
    Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: x}}
  extensions:
    HelloLogGroup: {Properties: {RetentionInDays: 1}}
    HelloLambdaFunction: {Properties: {Timeout: 5}}
`, nil, serverless.Options{})
	var got []string
	for _, u := range a.Unserved {
		got = append(got, fmt.Sprintf("%s (%s)", u.What, u.At))
	}
	slices.Sort(got)
	want := []string{
		"AWS::DynamoDB::Table Table (serverless.yml:23)",
		"AWS::SQS::QueuePolicy Elsewhere for \"http://127.0.0.1:4566/000000000000/other\", which is no queue of this file (serverless.yml:31)",
		"Arn of Target of schedule Universal: arn:aws:scheduler:::aws-sdk:sqs:sendMessage (serverless.yml:27)",
		"Arn of entry 1 of Targets of rule Both: arn:aws:sns:us-east-1:000000000000:x (serverless.yml:26)",
		"EcsParameters of Target of schedule Task: arn:aws:ecs:us-east-1:000000000000:cluster/x (serverless.yml:28)",
		"EventPattern of rule Both (serverless.yml:26)", "EventPattern of rule Pattern (serverless.yml:25)",
		"arn of onSuccess of destinations of function hello: arn:aws:events:us-east-1:000000000000:event-bus/x (serverless.yml:9)",
		"constructs of the plugin serverless-lift (serverless.yml:19)",
		"event alexaSkill of function hello (serverless.yml:16)", "event somePlugins of function hello (serverless.yml:17)",
		"event source mapping Kafka, whose source is managed by yourself (serverless.yml:30)",
		"event source mapping Stream, whose source is arn:aws:kinesis:us-east-1:000000000000:stream/x (serverless.yml:29)",
		"extension of HelloLambdaFunction (serverless.yml:35)", "fileSystemConfig of function hello (serverless.yml:10)",
		"onError of function hello: arn:aws:sns:us-east-1:000000000000:x (serverless.yml:7)",
		"sqs event of function hello, whose source is arn:aws:kinesis:us-east-1:000000000000:stream/x (serverless.yml:14)",
		"the existing REST API of apiGateway.restApiId (serverless.yml:3)",
		"usagePlan of apiGateway (quotas and rates) (serverless.yml:3)", "validation of the request of GET /x (function hello) (serverless.yml:18)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("unserved:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, says := range []string{"vpc of function hello is ignored", "AWS::Logs::LogGroup Logs is ignored", "extension of HelloLogGroup is ignored"} {
		if !strings.Contains(warnings(a), says) {
			t.Errorf("no warning %q in:\n%s", says, warnings(a))
		}
	}
}
