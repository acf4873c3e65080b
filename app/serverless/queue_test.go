package serverless_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

const (
	jobsARN = "arn:aws:sqs:us-east-1:000000000000:jobs"
	jobs    = "resources: {Parameters: {TheARN: {Type: String, Default: '" + jobsARN + "'}}, Resources: {Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}}}\n"
)

// wanted are the resources of one kind in short: KEY JSON, without what is the same
// in all of them.
func wanted[T any](t *testing.T, all []app.Resource[T]) []string {
	t.Helper()
	var short []string
	for _, r := range all {
		if r.At.Line == 0 || r.Key == "" {
			t.Errorf("%+v has no place or no key", r)
		}
		b, err := json.Marshal(r.Want)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for _, same := range []string{"account", "region", "created", "modified", "since", "id", "uuid"} {
			delete(m, same)
		}
		for _, ref := range []string{"function", "ref"} {
			if f, ok := m[ref].(map[string]any); ok {
				m[ref] = strings.Trim(f["Name"].(string)+":"+f["Qualifier"].(string), ":")
			}
		}
		b, _ = json.Marshal(m)
		short = append(short, r.Key+" "+string(b))
	}
	return short
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestSQSEventsInEveryNotation(t *testing.T) {
	const usual = `{"batchSize":10,"enabled":true,"function":"shop-dev-hello","source":"` + jobsARN + `"}`
	for e, want := range map[string]string{
		"sqs: " + jobsARN:                        "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: '" + jobsARN + "'}":          "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: !GetAtt Jobs.Arn":                  "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: !GetAtt Jobs.Arn}":           "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: {Fn::GetAtt: [Jobs, Arn]}}":  "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: {Fn::GetAtt: Jobs.Arn}}":     "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: !Ref TheARN}":                "HelloEventSourceMappingSQSTheARN " + usual,
		"sqs: {arn: {Fn::ImportValue: TheJobs}}": "HelloEventSourceMappingSQSTheJobs " + usual,
		"sqs: {arn: {'Fn::Join': [':', [arn, aws, sqs, !Ref 'AWS::Region', !Ref 'AWS::AccountId', jobs]]}}":                                                             "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: !Sub 'arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:jobs'}":                                                                                          "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: 'arn:aws:sqs:${aws:region}:${aws:accountId}:jobs'":                                                                                                        "HelloEventSourceMappingSQSJobs " + usual,
		"sqs: {arn: '" + jobsARN + "', batchSize: 100, maximumBatchingWindow: 5, enabled: false, functionResponseType: ReportBatchItemFailures, maximumConcurrency: 7}": `HelloEventSourceMappingSQSJobs {"batchSize":100,"enabled":false,"function":"shop-dev-hello","maximumConcurrency":7,"reportItemFailures":true,"source":"` + jobsARN + `","window":5}`,
		"sqs: {arn: '" + jobsARN + "', batchSize: '5', filterPatterns: [{body: {a: [1, !Ref 'AWS::Region']}}, {body: {b: [{exists: true}]}}]}":                          `HelloEventSourceMappingSQSJobs {"batchSize":5,"enabled":true,"filters":["{\"body\":{\"a\":[1,\"us-east-1\"]}}","{\"body\":{\"b\":[{\"exists\":true}]}}"],"function":"shop-dev-hello","source":"` + jobsARN + `"}`,
	} {
		a := ok(t, event(e)+jobs, nil, serverless.Options{Params: map[string]string{"import:TheJobs": jobsARN}})
		same(t, e, wanted(t, a.Mappings), want)
		if m := a.Mappings[0]; m.At.Line != 7 || len(m.Want.UUID) != 36 || len(a.Unserved) > 0 {
			t.Errorf("%s: %+v %v", e, m, a.Unserved)
		}
	}
}

func TestScheduleEventsInEveryNotation(t *testing.T) {
	const (
		fn    = `"arn:aws:lambda:us-east-1:000000000000:function:shop-dev-hello"`
		role  = `"arn:aws:iam::000000000000:role/shop-dev-us-east-1-lambdaRole"`
		rule1 = `HelloEventsRuleSchedule1 {"bus":"default","expression":"rate(2 hours)","name":"shop-dev-HelloEventsRuleSchedule1-V7IEHDMJCM4O","targets":[{"arn":` + fn + `,"id":"helloSchedule"}]}`
	)
	for e, want := range map[string][]string{
		"schedule: rate(2 hours)":           {rule1},
		"schedule: {rate: rate(2 hours)}":   {rule1},
		"schedule: {rate: [rate(2 hours)]}": {rule1},
		"schedule: {rate: ['${self:custom.often, ''rate(2 hours)''}'], method: eventBus, enabled: true}": {rule1},
		"schedule: {rate: [{Fn::Sub: 'rate(2 hours)'}]}":                                                 {rule1},
		"schedule: cron(0 12 * * ? *)":                                                                   {`HelloEventsRuleSchedule1 {"bus":"default","expression":"cron(0 12 * * ? *)","name":"shop-dev-HelloEventsRuleSchedule1-V7IEHDMJCM4O","targets":[{"arn":` + fn + `,"id":"helloSchedule"}]}`},
		"schedule: {rate: [rate(1 minute), 'cron(0 12 ? * MON-FRI *)'], enabled: false, description: d}": {
			`HelloEventsRuleSchedule1 {"bus":"default","description":"d","disabled":true,"expression":"rate(1 minute)","name":"shop-dev-HelloEventsRuleSchedule1-V7IEHDMJCM4O","targets":[{"arn":` + fn + `,"id":"helloSchedule"}]}`,
			`HelloEventsRuleSchedule2 {"bus":"default","description":"d","disabled":true,"expression":"cron(0 12 ? * MON-FRI *)","name":"shop-dev-HelloEventsRuleSchedule2-ZWVKJJIAITX7","targets":[{"arn":` + fn + `,"id":"helloSchedule"}]}`,
		},
		"schedule: {rate: rate(1 day), name: nightly, input: {a: 1, b: [x, null]}}": {
			`HelloEventsRuleSchedule1 {"bus":"default","expression":"rate(1 day)","name":"nightly","targets":[{"arn":` + fn + `,"id":"helloSchedule","input":"{\"a\":1,\"b\":[\"x\",null]}"}]}`},
		"schedule: {rate: rate(1 day), name: nightly, input: '{\"a\": 1}'}": {
			`HelloEventsRuleSchedule1 {"bus":"default","expression":"rate(1 day)","name":"nightly","targets":[{"arn":` + fn + `,"id":"helloSchedule","input":"{\"a\": 1}"}]}`},
		"schedule: {rate: rate(1 day), name: nightly, input: {body: '{\"a\": 1}'}}": {
			`HelloEventsRuleSchedule1 {"bus":"default","expression":"rate(1 day)","name":"nightly","targets":[{"arn":` + fn + `,"id":"helloSchedule","input":"{\"body\":{\"a\":1}}"}]}`},
		"schedule: {rate: rate(1 day), name: nightly, inputPath: $.time}": {
			`HelloEventsRuleSchedule1 {"bus":"default","expression":"rate(1 day)","name":"nightly","targets":[{"arn":` + fn + `,"id":"helloSchedule","inputPath":"$.time"}]}`},
		"schedule: {rate: rate(1 day), name: nightly, inputTransformer: {inputPathsMap: {t: $.time}, inputTemplate: '{\"t\": <t>}'}}": {
			`HelloEventsRuleSchedule1 {"bus":"default","expression":"rate(1 day)","name":"nightly","targets":[{"arn":` + fn + `,"id":"helloSchedule","inputPathsMap":{"t":"$.time"},"inputTemplate":"{\"t\": \u003ct\u003e}"}]}`},
		"schedule: {rate: 'cron(0 8 * * ? *)', method: scheduler, timezone: Europe/Berlin, name: early, input: {a: 1}}": {
			`HelloSchedulerSchedule1 {"expression":"cron(0 8 * * ? *)","group":"default","name":"early","target":{"arn":` + fn + `,"input":"{\"a\":1}","role":` + role + `},"zone":"Europe/Berlin"}`},
		"schedule: {rate: 'at(2040-01-01T00:00:00)', method: scheduler, name: once, roleArn: 'arn:aws:iam::1:role/r', enabled: false}": {
			`HelloSchedulerSchedule1 {"disabled":true,"expression":"at(2040-01-01T00:00:00)","group":"default","name":"once","target":{"arn":` + fn + `,"role":"arn:aws:iam::1:role/r"}}`},
	} {
		a := ok(t, event(e), nil, serverless.Options{})
		same(t, e, append(wanted(t, a.Rules), wanted(t, a.Schedules)...), want...)
		if warnings(a) != "" || len(a.Unserved) > 0 {
			t.Errorf("%s: %s %v", e, warnings(a), a.Unserved)
		}
	}
}

// TestEventsOfTwoFunctions: numbers count in a function, whatever keeps them; what is
// provisioned is what is invoked; functions that are left out leave their events out.
func TestEventsOfTwoFunctions(t *testing.T) {
	a := ok(t, `
functions:
  one:
    handler: hello.handler
    provisionedConcurrency: 1
    events:
      - schedule: {rate: rate(1 hour), name: a}
      - schedule: {rate: rate(2 hours), name: b, method: scheduler}
      - schedule: {rate: rate(3 hours), name: c}
      - sqs: arn:aws:sqs:us-east-1:000000000000:a-b
      - sqs: arn:aws:sqs:us-east-1:000000000000:ab
    maximumRetryAttempts: 1
  two: {handler: hello.handler, condition: Never, events: [{schedule: rate(1 hour)}, {sqs: 'arn:aws:sqs:us-east-1:000000000000:ab'}], maximumEventAge: 60}
  three: {image: x, events: [{schedule: rate(1 hour)}]}
custom: {pinfold: {schedules: {missed: once}}}
resources:
  Conditions: {Never: !Equals [a, b]}
  Resources:
    OneEventsRuleSchedule3: {Properties: {State: DISABLED, Description: from resources}}
  Outputs:
    Rule: {Value: !GetAtt OneEventsRuleSchedule1.Arn}
    Mapping: {Value: !Ref OneEventSourceMappingSQSAb2}
`, nil, serverless.Options{})
	const one = `"arn:aws:lambda:us-east-1:000000000000:function:shop-dev-one:provisioned"`
	same(t, "rules", wanted(t, a.Rules),
		`OneEventsRuleSchedule1 {"bus":"default","expression":"rate(1 hour)","missed":"once","name":"a","targets":[{"arn":`+one+`,"id":"oneSchedule"}]}`,
		`OneEventsRuleSchedule3 {"bus":"default","description":"from resources","disabled":true,"expression":"rate(3 hours)","missed":"once","name":"c","targets":[{"arn":`+one+`,"id":"oneSchedule"}]}`)
	same(t, "schedules", wanted(t, a.Schedules),
		`OneSchedulerSchedule2 {"expression":"rate(2 hours)","group":"default","missed":"once","name":"b","target":{"arn":`+one+`,"role":"arn:aws:iam::000000000000:role/shop-dev-us-east-1-lambdaRole"}}`)
	same(t, "mappings", wanted(t, a.Mappings),
		`OneEventSourceMappingSQSAb {"batchSize":10,"enabled":true,"function":"shop-dev-one:provisioned","source":"arn:aws:sqs:us-east-1:000000000000:a-b"}`,
		`OneEventSourceMappingSQSAb2 {"batchSize":10,"enabled":true,"function":"shop-dev-one:provisioned","source":"arn:aws:sqs:us-east-1:000000000000:ab"}`)
	same(t, "event invoke configs", wanted(t, a.EventInvokes), `OneLambdaEvConf {"maximumRetryAttempts":1,"ref":"shop-dev-one:provisioned"}`)
	if got, want := a.Outputs[0].Value, "arn:aws:events:us-east-1:000000000000:rule/a"; got != want {
		t.Errorf("the rule's ARN is %s, want %s", got, want)
	}
	if got, want := a.Outputs[1].Value, a.Mappings[1].Want.UUID; got != want {
		t.Errorf("the mapping is %s, want %s", got, want)
	}
	if !strings.Contains(warnings(a), "schedule event of function three is left out: its function is") {
		t.Error(warnings(a))
	}
}

func TestAsyncSettingsInEveryNotation(t *testing.T) {
	const (
		q     = jobsARN
		other = "arn:aws:lambda:us-east-1:000000000000:function:shop-dev-other"
	)
	for text, want := range map[string]string{
		"maximumRetryAttempts: 0":                                       `{"maximumRetryAttempts":0,"ref":"shop-dev-hello:$LATEST"}`,
		"maximumEventAge: 60":                                           `{"maximumEventAge":60,"ref":"shop-dev-hello:$LATEST"}`,
		"destinations: {onSuccess: other}":                              `{"onSuccess":"` + other + `","ref":"shop-dev-hello:$LATEST"}`,
		"destinations: {onFailure: '" + q + "'}":                        `{"onFailure":"` + q + `","ref":"shop-dev-hello:$LATEST"}`,
		"destinations: {onFailure: {type: sqs, arn: !GetAtt Jobs.Arn}}": `{"onFailure":"` + q + `","ref":"shop-dev-hello:$LATEST"}`,
		"destinations: {onFailure: !GetAtt Jobs.Arn, onSuccess: {type: function, arn: '" + other + "'}}": `{"onFailure":"` + q + `","onSuccess":"` + other + `","ref":"shop-dev-hello:$LATEST"}`,
	} {
		a := ok(t, "functions:\n  other: {handler: hello.handler}\n  hello:\n    handler: hello.handler\n    "+text+"\n"+jobs, nil, serverless.Options{})
		same(t, text, wanted(t, a.EventInvokes), "HelloLambdaEvConf "+want)
	}
	for _, text := range []string{"onError: " + q, "onError: !GetAtt Jobs.Arn", "onError: {Fn::GetAtt: [Jobs, Arn]}"} {
		a := ok(t, "functions:\n  hello:\n    handler: hello.handler\n    "+text+"\n"+jobs, nil, serverless.Options{})
		if got := a.Functions[0].Config.DeadLetter; got != q {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestResourcesAreReferredTo: what others call a queue is what it is called.
func TestResourcesAreReferredTo(t *testing.T) {
	a := ok(t, `
functions:
  hello:
    handler: hello.handler
    environment:
      URL: !Ref Jobs
      ARN: !GetAtt Jobs.Arn
      NAME: !GetAtt Jobs.QueueName
      SAME: !GetAtt Jobs.QueueUrl
      GROUP: !Ref Group
      SCHEDULE: !GetAtt Nightly.Arn
resources:
  Resources:
    Nightly:
      Type: AWS::Scheduler::Schedule
      Properties:
        GroupName: !Ref Group
        Name: nightly
        ScheduleExpression: rate(1 day)
        FlexibleTimeWindow: {Mode: FLEXIBLE, MaximumWindowInMinutes: 15}
        Target: {Arn: !GetAtt Jobs.Arn, RoleArn: !GetAtt IamRoleLambdaExecution.Arn, Input: hello, SqsParameters: {MessageGroupId: g}, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}, RetryPolicy: {MaximumRetryAttempts: 3}}
    Group: {Type: AWS::Scheduler::ScheduleGroup, DependsOn: Dead}
    Jobs:
      Type: AWS::SQS::Queue
      DeletionPolicy: Retain
      Properties:
        FifoQueue: true
        RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
        Tags: [{Key: a, Value: b}]
    Dead: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, QueueName: dead.fifo}}
`, nil, serverless.Options{})
	var keys []string
	for _, q := range a.Queues {
		keys = append(keys, q.Key)
	}
	same(t, "the dead-letter queue comes first", keys, "Dead", "Jobs")
	q := a.Queues[1]
	if q.Want.Name != "shop-dev-Jobs-GVWT2MKPV62K.fifo" || !q.Retain || a.Queues[0].Retain {
		t.Errorf("%+v", q)
	}
	want := map[string]string{
		"URL": "http://127.0.0.1:4566/000000000000/" + q.Want.Name, "ARN": q.Want.ARN(), "NAME": q.Want.Name, "SAME": "http://127.0.0.1:4566/000000000000/" + q.Want.Name,
		"GROUP": a.ScheduleGroups[0].Want.Name, "SCHEDULE": a.Schedules[0].Want.ARN(),
	}
	if got := a.Functions[0].Config.Environment; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	same(t, "schedules", wanted(t, a.Schedules), `Nightly {"expression":"rate(1 day)","group":"`+want["GROUP"]+`","name":"nightly","target":{"arn":"`+q.Want.ARN()+
		`","deadLetter":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","input":"hello","maximumRetries":3,"messageGroup":"g","role":"arn:aws:iam::000000000000:role/shop-dev-us-east-1-lambdaRole"},"window":900000000000}`)
}

func TestEventProblems(t *testing.T) {
	for e, says := range map[string]string{
		"sqs:":                 "the sqs event of function hello is empty: write \"sqs: ARN\"",
		"sqs: {}":              "the sqs event of function hello has no arn",
		"sqs: {Arn: x}":        "has no arn; did you mean that by Arn?",
		"sqs: jobs":            `arn of sqs event of function hello must be the ARN of a queue, not "jobs"`,
		"sqs: !Ref Jobs":       `must be the ARN of a queue, not "http://127.0.0.1:4566/000000000000/jobs", which is its URL: write Fn::GetAtt: [Jobs, Arn]`,
		"sqs: !GetAtt Job.Arn": `there is no resource or parameter Job; did you mean "Jobs"?`,
		"sqs: {arn: '" + jobsARN + "', batchSize: 20000}":                 "batchSize of sqs event of function hello must be a number from 1 to 10000, not 20000",
		"sqs: {arn: '" + jobsARN + "', batchSize: 11}":                    "batchSize of sqs event of function hello is 11: more than 10 needs maximumBatchingWindow of at least 1",
		"sqs: {arn: '" + jobsARN + ".fifo', batchSize: 11}":               "is 11, and a FIFO queue gives 10 at most",
		"sqs: {arn: '" + jobsARN + ".fifo', maximumBatchingWindow: 1}":    "maximumBatchingWindow of sqs event of function hello is not for FIFO queues",
		"sqs: {arn: '" + jobsARN + "', maximumConcurrency: 1}":            "maximumConcurrency of sqs event of function hello must be a number from 2 to 1000, not 1",
		"sqs: {arn: '" + jobsARN + "', enabled: perhaps}":                 "enabled of sqs event of function hello must be true or false",
		"sqs: {arn: '" + jobsARN + "', functionResponseType: All}":        `can be ReportBatchItemFailures, not "All"`,
		"sqs: {arn: '" + jobsARN + "', filterPatterns: {body: [a]}}":      "filterPatterns of sqs event of function hello must be a list of patterns, not a map",
		"sqs: {arn: '" + jobsARN + "', filterPatterns: [{body: {a: 1}}]}": "Pattern of entry 1 of filterPatterns of sqs event of function hello cannot be used: ",
		"schedule:":                                                           "the schedule event of function hello is empty: write \"schedule: rate(1 hour)\"",
		"schedule: {enabled: true}":                                           "has no rate: write such as",
		"schedule: {rates: [rate(1 hour)]}":                                   "did you mean that by rates?",
		"schedule: rate(1 hours)":                                             "rate of schedule event of function hello cannot be used: ",
		"schedule: rate(5 minute)":                                            "rate of schedule event of function hello cannot be used: ",
		"schedule: every day":                                                 "cannot be used: ",
		"schedule: cron(0 0 30 2 ? *)":                                        "cannot be used: ",
		"schedule: {rate: []}":                                                "is empty: write at least one expression",
		"schedule: {rate: 'at(2040-01-01T00:00:00)'}":                         "cannot be used: ",
		"schedule: {rate: [rate(1 hour), rate(2 hours)], name: x}":            "can be given to one rate only, and here are 2",
		"schedule: {rate: rate(1 hour), name: a b}":                           "name of schedule event of function hello must have 1 to 64 characters",
		"schedule: {rate: rate(1 hour), timezone: Europe/Berlin}":             `timezone of schedule event of function hello needs "method: scheduler"`,
		"schedule: {rate: rate(1 hour), method: scheduler, inputPath: $.a}":   `inputPath of schedule event of function hello needs "method: eventBus"`,
		"schedule: {rate: rate(1 hour), method: sheduler}":                    `did you mean "scheduler"?`,
		"schedule: {rate: rate(1 hour), method: scheduler, timezone: Mars/X}": "timezone of schedule event of function hello must be the name of a time zone",
		"schedule: {rate: rate(1 hour), input: hello}":                        `input of schedule event of function hello must be JSON, not "hello"`,
		"schedule: {rate: rate(1 hour), method: scheduler, input: hello}":     "must be JSON, because a function gets it",
		"schedule: {rate: rate(1 hour), input: {body: '{'}}":                  "body of input of schedule event of function hello must be JSON",
		"schedule: {rate: rate(1 hour), input: {a: 1}, inputPath: $.a}":       "more than one of Input, InputPath and InputTransformer",
		"schedule: {rate: rate(1 hour), inputTransformer: {}}":                "inputTemplate of inputTransformer of schedule event of function hello is missing",
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest(event(e) + jobs)}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "serverless.yml:7:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", e, err, says)
		}
	}
	for setting, says := range map[string]string{
		"maximumEventAge: 59":                    "maximumEventAge of function hello must be a number from 60 to 21600, not 59",
		"maximumRetryAttempts: 3":                "maximumRetryAttempts of function hello must be a number from 0 to 2, not 3",
		"destinations: {onSuccess: helo}":        `there is no function of that name; did you mean "hello"?`,
		"destinations: {onSuccess: {type: sqs}}": "onSuccess of destinations of function hello has no arn",
		"destinations: {onFailure: !Ref Jobs}":   "which is its URL: write Fn::GetAtt: [Jobs, Arn]",
		"onError: !Ref Jobs":                     "onError of function hello must be the ARN of a queue",
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest("functions:\n  hello:\n    handler: hello.handler\n    " + setting + "\n" + jobs)}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "serverless.yml:6:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", setting, err, says)
		}
	}
}
