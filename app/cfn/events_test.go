package cfn_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

// events reads a template of nothing but resources.
func events(t *testing.T, resources string) cfn.Findings {
	t.Helper()
	root, err := doc.ParseYAML("template.yml", []byte(resources))
	if err != nil {
		t.Fatal(err)
	}
	s := &cfn.Scope{
		Target: app.Target{Account: "000000000000", Region: "us-east-1", Endpoints: pinfold.Endpoints{API: "http://127.0.0.1:4566"}},
		Stack:  "shop", Resources: map[string]cfn.Resource{}, MadeIDs: []string{"HelloFunction"},
	}
	o := cfn.EventOptions{Missed: pinfold.MissedSkip, Tags: map[string]string{"of": "stack"}}
	for _, k := range root.Map().Keys {
		m := root.Map().Get(k.Name).Map()
		r := cfn.Resource{ID: k.Name, Properties: m.Get("Properties"), At: k.At}
		r.Type, _ = m.Get("Type").Text()
		for _, n := range m.Get("DependsOn").List() {
			id, _ := n.Text()
			r.DependsOn = append(r.DependsOn, id)
		}
		s.Resources[k.Name] = r
		if cfn.IsEvent(r.Type) {
			o.IDs = append(o.IDs, k.Name)
		}
	}
	return s.Events(o)
}

// inShort is everything of a kind as JSON, without what is empty.
func inShort[T any](all []app.Resource[T]) string {
	var b strings.Builder
	for _, r := range all {
		text, _ := json.Marshal(r.Want)
		var m map[string]any
		_ = json.Unmarshal(text, &m)
		for _, same := range []string{"account", "region", "created", "modified", "since", "id"} {
			delete(m, same)
		}
		text, _ = json.Marshal(m)
		fmt.Fprintf(&b, "%s %s\n", r.Key, text)
	}
	return b.String()
}

// TestEveryProperty reads one resource of each type that has all its properties.
func TestEveryProperty(t *testing.T) {
	f := events(t, `
Policy:
  Type: AWS::SQS::QueuePolicy
  Properties:
    Queues: [!Ref Jobs, !GetAtt Dead.QueueUrl]
    PolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, Resource: !GetAtt Jobs.Arn}]}
Jobs:
  Type: AWS::SQS::Queue
  Properties:
    QueueName: jobs.fifo
    FifoQueue: true
    ContentBasedDeduplication: true
    DeduplicationScope: messageGroup
    FifoThroughputLimit: perMessageGroupId
    VisibilityTimeout: 60
    DelaySeconds: '5'
    ReceiveMessageWaitTimeSeconds: 20
    MessageRetentionPeriod: 1209600
    MaximumMessageSize: 1024
    KmsMasterKeyId: alias/a
    KmsDataKeyReusePeriodSeconds: 300
    SqsManagedSseEnabled: false
    RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: '3'}
    Tags: [{Key: a, Value: b}]
Dead:
  Type: AWS::SQS::Queue
  Properties:
    FifoQueue: 'true'
    RedriveAllowPolicy: '{"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:us-east-1:000000000000:jobs.fifo"]}'
Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties:
    EventSourceArn: !GetAtt Jobs.Arn
    FunctionName: hello:live
    BatchSize: 7
    Enabled: false
    FilterCriteria: {Filters: [{Pattern: '{"body": {"a": [1]}}'}]}
    FunctionResponseTypes: [ReportBatchItemFailures]
    ScalingConfig: {MaximumConcurrency: 5}
    ProvisionedPollerConfig: {MinimumPollers: 2, MaximumPollers: 4}
    MetricsConfig: {Metrics: [EventCount]}
    KmsKeyArn: key
    Tags: [{Key: a, Value: b}]
Config:
  Type: AWS::Lambda::EventInvokeConfig
  Properties:
    FunctionName: hello
    Qualifier: $LATEST
    MaximumEventAgeInSeconds: 60
    MaximumRetryAttempts: 0
    DestinationConfig: {OnSuccess: {Destination: 'arn:aws:lambda:us-east-1:000000000000:function:next'}, OnFailure: {Destination: !GetAtt Jobs.Arn}}
Rule:
  Type: AWS::Events::Rule
  Properties:
    Name: rule
    Description: d
    EventBusName: default
    ScheduleExpression: rate(5 minutes)
    State: DISABLED
    RoleArn: role
    Tags: {a: b}
    Targets:
    - {Id: f, Arn: 'arn:aws:lambda:us-east-1:000000000000:function:hello', InputTransformer: {InputPathsMap: {t: $.time}, InputTemplate: '<t>'}, RetryPolicy: {MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 1}, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}
    - {Id: q, Arn: !GetAtt Jobs.Arn, Input: '{"a": 1}', RoleArn: r, SqsParameters: {MessageGroupId: g}}
Group: {Type: AWS::Scheduler::ScheduleGroup, Properties: {Name: group, Tags: [{Key: a, Value: b}]}}
Schedule:
  Type: AWS::Scheduler::Schedule
  Properties:
    Name: schedule
    GroupName: !Ref Group
    Description: d
    ScheduleExpression: cron(0 8 * * ? *)
    ScheduleExpressionTimezone: Europe/Berlin
    StartDate: 2030-01-01T00:00:00.000Z
    EndDate: '2031-01-01'
    FlexibleTimeWindow: {Mode: FLEXIBLE, MaximumWindowInMinutes: 10}
    State: DISABLED
    KmsKeyArn: key
    Target: {Arn: !GetAtt Jobs.Arn, RoleArn: r, Input: any text, SqsParameters: {MessageGroupId: g}, RetryPolicy: {MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185}, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}
`)
	if len(f.Problems) > 0 || len(f.Unserved) > 0 {
		t.Errorf("%v %v", f.Problems, f.Unserved)
	}
	const (
		dead   = "shop-Dead-EEKW3DCBML5N.fifo"
		jobs   = `arn:aws:sqs:us-east-1:000000000000:jobs.fifo`
		policy = `"policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Resource\":\"` + jobs + `\"}]}"`
	)
	e := f.Events
	for _, c := range []struct{ what, got, want string }{
		{"queues", inShort(e.Queues), `Dead {"deduplicationScope":"queue","fifo":true,"fifoThroughputLimit":"perQueue","maximumMessageSize":1048576,"name":"` + dead + `",` + policy + `,"redriveAllow":{"permission":"byQueue","sources":["` + jobs + `"]},"retention":345600,"tags":{"of":"stack"},"visibilityTimeout":30}
Jobs {"contentBasedDeduplication":true,"deduplicationScope":"messageGroup","delay":5,"fifo":true,"fifoThroughputLimit":"perMessageGroupId","kept":{"KmsDataKeyReusePeriodSeconds":"300","KmsMasterKeyId":"alias/a","SqsManagedSseEnabled":"false"},"maximumMessageSize":1024,"name":"jobs.fifo",` + policy + `,"receiveWait":20,"redrive":{"deadLetter":"arn:aws:sqs:us-east-1:000000000000:` + dead + `","maxReceiveCount":3},"retention":1209600,"tags":{"a":"b","of":"stack"},"visibilityTimeout":60}
`},
		{"mappings", inShort(e.Mappings), `Mapping {"batchSize":7,"enabled":false,"filters":["{\"body\": {\"a\": [1]}}"],"function":{"Account":"000000000000","Name":"hello","Qualifier":"live","Region":"us-east-1"},"kmsKey":"key","maximumConcurrency":5,"maximumPollers":4,"metrics":["EventCount"],"minimumPollers":2,"reportItemFailures":true,"source":"` + jobs + `","tags":{"a":"b","of":"stack"},"uuid":"12add2eb-46e6-42f3-aa74-f1195be4be59"}
`},
		{"configs", inShort(e.EventInvokes), `Config {"maximumEventAge":60,"maximumRetryAttempts":0,"onFailure":"` + jobs + `","onSuccess":"arn:aws:lambda:us-east-1:000000000000:function:next","ref":{"Account":"000000000000","Name":"hello","Qualifier":"$LATEST","Region":"us-east-1"}}
`},
		{"rules", inShort(e.Rules), `Rule {"bus":"default","description":"d","disabled":true,"expression":"rate(5 minutes)","missed":"skip","name":"rule","role":"role","tags":{"a":"b","of":"stack"},"targets":[{"arn":"arn:aws:lambda:us-east-1:000000000000:function:hello","deadLetter":"arn:aws:sqs:us-east-1:000000000000:` + dead + `","id":"f","inputPathsMap":{"t":"$.time"},"inputTemplate":"\u003ct\u003e","maximumEventAge":60,"maximumRetries":1},{"arn":"` + jobs + `","id":"q","input":"{\"a\": 1}","messageGroup":"g","role":"r"}]}
`},
		{"groups", inShort(e.ScheduleGroups), `Group {"name":"group","tags":{"a":"b","of":"stack"}}
`},
		{"schedules", inShort(e.Schedules), `Schedule {"description":"d","disabled":true,"end":"2031-01-01T00:00:00Z","expression":"cron(0 8 * * ? *)","group":"group","kmsKey":"key","missed":"skip","name":"schedule","start":"2030-01-01T00:00:00Z","target":{"arn":"` + jobs + `","deadLetter":"arn:aws:sqs:us-east-1:000000000000:` + dead + `","input":"any text","maximumEventAge":86400,"maximumRetries":185,"messageGroup":"g","role":"r"},"window":600000000000,"zone":"Europe/Berlin"}
`},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, c.got, c.want)
		}
	}
}

func TestEventResourceProblems(t *testing.T) {
	const target = "Target: {Arn: 'arn:aws:lambda:us-east-1:000000000000:function:f', RoleArn: r}"
	for resource, says := range map[string]string{
		"{Type: AWS::SQS::Queue, Properties: [a]}":                                                                                                                                        "Properties of queue X must be a map, not a list",
		"{Type: AWS::SQS::Queue, Properties: {VisibilityTimout: 3}}":                                                                                                                      `VisibilityTimout of queue X is not known; did you mean "VisibilityTimeout"?`,
		"{Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 43201}}":                                                                                                                 "VisibilityTimeout of queue X must be a number from 0 to 43200, not 43201",
		"{Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1.5}}":                                                                                                                        "DelaySeconds of queue X must be a whole number",
		"{Type: AWS::SQS::Queue, Properties: {QueueName: a b}}":                                                                                                                           `QueueName of queue X must have 1 to 80 characters, which are letters, digits and any of -_., not "a b"`,
		"{Type: AWS::SQS::Queue, Properties: {QueueName: a.b}}":                                                                                                                           "must not have a dot",
		"{Type: AWS::SQS::Queue, Properties: {QueueName: [a]}}":                                                                                                                           "QueueName needs a text here, not a list",
		"{Type: AWS::SQS::Queue, Properties: {QueueName: a, FifoQueue: true}}":                                                                                                            "QueueName of queue X must end with .fifo, because the queue is a FIFO queue: write a.fifo",
		"{Type: AWS::SQS::Queue, Properties: {QueueName: a.fifo}}":                                                                                                                        "is no FIFO queue: write FifoQueue: true",
		"{Type: AWS::SQS::Queue, Properties: {ContentBasedDeduplication: true}}":                                                                                                          "ContentBasedDeduplication of queue X is for FIFO queues",
		"{Type: AWS::SQS::Queue, Properties: {FifoQueue: true, FifoThroughputLimit: perMessageGroupId}}":                                                                                  "only where DeduplicationScope is messageGroup",
		"{Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: x, maxReceiveCount: 1}}}":                                                                              `deadLetterTargetArn of RedrivePolicy of queue X must be the ARN of a queue, not "x"`,
		"{Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {maxReceiveCount: 1}}}":                                                                                                      "deadLetterTargetArn of RedrivePolicy of queue X is missing",
		"{Type: AWS::SQS::Queue, Properties: {RedrivePolicy: '{'}}":                                                                                                                       "RedrivePolicy of queue X must be a map or the JSON of one",
		"{Type: AWS::SQS::Queue, Properties: {RedrivePolicy: [a]}}":                                                                                                                       "RedrivePolicy of queue X must be a map or the JSON of one, not a list",
		"{Type: AWS::SQS::Queue, Properties: {FifoQueue: true, RedrivePolicy: {deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:d', maxReceiveCount: 1}}}":                        "the dead-letter queue of a FIFO queue must be one, too",
		"{Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: {redrivePermission: byQueue}}}":                                                                                         "must be 1 to 10 ARNs of queues",
		"{Type: AWS::SQS::Queue, Properties: {RedriveAllowPolicy: {redrivePermission: denyAll, sourceQueueArns: [a]}}}":                                                                   "only where redrivePermission is byQueue",
		"{Type: AWS::SQS::Queue, Properties: {Tags: [{Key: a}]}}":                                                                                                                         "Value of entry 1 of Tags of queue X is missing",
		"{Type: AWS::SQS::Queue, Properties: {Tags: a}}":                                                                                                                                  "Tags of queue X must be a list of maps",
		"{Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Nobody}}":                                                                                                                   "there is no resource or parameter Nobody",
		"{Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt X.Arn, maxReceiveCount: 1}}}":                                                                  "a resource that needs itself: X (template.yml:1) -> X",
		"{Type: AWS::SQS::Queue, Properties: {Tags: [{Key: a, Value: !GetAtt X.Size}]}}":                                                                                                  "X has no attribute Size that is known before it is deployed",
		"{Type: AWS::SQS::Queue, DependsOn: [HelloFuncion]}":                                                                                                                              `X depends on HelloFuncion, which there is not; did you mean "HelloFunction"?`,
		"{Type: AWS::SQS::QueuePolicy, Properties: {Queues: []}}":                                                                                                                         "PolicyDocument of queue policy X is missing",
		"{Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: f}}":                                                                                                          "EventSourceArn of event source mapping X is missing",
		"{Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: 'arn:aws:sqs:us-east-1:000000000000:d', FunctionName: f, StartingPosition: LATEST}}":                        "StartingPosition of event source mapping X is not for queues",
		"{Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: 'arn:aws:sqs:us-east-1:000000000000:d', FunctionName: 'arn:aws:lambda:eu-west-1:000000000000:function:f'}}": "FunctionName of event source mapping X cannot be used: Functions from 'eu-west-1'",
		"{Type: AWS::Lambda::EventInvokeConfig, Properties: {FunctionName: f}}":                                                                                                           "Qualifier of event invoke config X is missing",
		"{Type: AWS::Events::Rule, Properties: {Targets: []}}":                                                                                                                            "ScheduleExpression of rule X is missing",
		"{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), EventBusName: mine}}":                                                                                   "EventBusName of rule X is mine, and schedules are for the default bus only",
		"{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), Targets: [{Id: a}]}}":                                                                                   "Arn of entry 1 of Targets of rule X is missing",
		"{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), Targets: [{Id: a, Arn: x}]}}":                                                                           `Arn of entry 1 of Targets of rule X must be the ARN of a function or of a queue, not "x"`,
		"{Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), Targets: [{Id: a, Arn: 'arn:aws:sqs:us-east-1:000000000000:q.fifo'}]}}":                                 "is a FIFO queue, which needs SqsParameters with a MessageGroupId",
		"{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), " + target + "}}":                                                                                "FlexibleTimeWindow of schedule X is missing",
		"{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), FlexibleTimeWindow: {Mode: FLEXIBLE}, " + target + "}}":                                          "MaximumWindowInMinutes of FlexibleTimeWindow of schedule X is missing",
		"{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), FlexibleTimeWindow: {Mode: 'OFF'}, StartDate: soon, " + target + "}}":                            `StartDate of schedule X must be a date such as 2030-01-31T08:00:00Z, not "soon"`,
		"{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), FlexibleTimeWindow: {Mode: 'OFF'}, StartDate: 2030-01-01, EndDate: 2029-01-01, " + target + "}}": "EndDate of schedule X must be after StartDate",
		"{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: cron(1 2 3), FlexibleTimeWindow: {Mode: 'OFF'}, " + target + "}}":                                              "ScheduleExpression of schedule X cannot be used: ",
		"{Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 hour), FlexibleTimeWindow: {Mode: 'OFF'}, Target: a}}":                                                  "Target of schedule X must be a map",
		"{Type: AWS::Scheduler::ScheduleGroup, Properties: {Name: default}}":                                                                                                              "cannot be default",
	} {
		f := events(t, "X: "+resource)
		if len(f.Problems) != 1 || !strings.Contains(f.Problems.Error(), says) || !strings.HasPrefix(f.Problems.Error(), "template.yml:1:") {
			t.Errorf("%s:\n got %v\nwant %s", resource, f.Problems, says)
		}
	}
}

// TestOrder: what others need comes first, whatever says so, and circles are told
// with all places.
func TestOrder(t *testing.T) {
	keys := func(f cfn.Findings) []string {
		var keys []string
		for _, q := range f.Events.Queues {
			keys = append(keys, q.Key)
		}
		return keys
	}
	f := events(t, `
A: {Type: AWS::SQS::Queue, DependsOn: [C]}
B: {Type: AWS::SQS::Queue, Properties: {Tags: [{Key: a, Value: !Sub 'x-${A.QueueName}'}]}}
C: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 1}}}
D: {Type: AWS::SQS::Queue}
`)
	if got := keys(f); !slices.Equal(got, []string{"D", "C", "A", "B"}) || len(f.Problems) > 0 {
		t.Errorf("%v %v", got, f.Problems)
	}
	f = events(t, `
A: {Type: AWS::SQS::Queue, DependsOn: [B]}
B: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt C.Arn, maxReceiveCount: 1}}}
C: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt A.Arn, maxReceiveCount: 1}}}
`)
	const circle = "template.yml:2:1: resources that need one another, none of which can be made first: A (template.yml:2) -> B (template.yml:3) -> C (template.yml:4) -> A"
	if got := f.Problems.Error(); got != circle {
		t.Errorf("%s\nwant\n%s", got, circle)
	}
}

func TestTwiceTheSame(t *testing.T) {
	f := events(t, `
A: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
B: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
C: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt A.Arn, FunctionName: f}}
D: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt A.Arn, FunctionName: f}}
E: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref A], PolicyDocument: {}}}
F: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref A], PolicyDocument: {}}}
`)
	const want = `template.yml:3:1: the queue q is asked for twice, here and in template.yml:2: one of them must go
template.yml:5:1: the mapping of arn:aws:sqs:us-east-1:000000000000:q to the function f is asked for twice, here and in template.yml:4: one of them must go
template.yml:7:1: the queue q has a policy already (template.yml:6), and can have one: put their statements into one`
	if got := f.Problems.Error(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestLongNames: what is made up fits, and two do not become one.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("Long", 20)
	f := events(t, long+"A: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}\n"+long+"B: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}\n")
	if len(f.Problems) > 0 {
		t.Fatal(f.Problems)
	}
	a, b := f.Events.Queues[0].Want.Name, f.Events.Queues[1].Want.Name
	if len(a) != 80 || len(b) != 80 || a == b || !strings.HasSuffix(a, ".fifo") {
		t.Errorf("%s and %s", a, b)
	}
}

// FuzzEvents: whatever a template holds is read or told, and nothing panics.
func FuzzEvents(f *testing.F) {
	f.Add("X: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: '{}', Tags: {a: b}}}")
	f.Add("X: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 hour), Targets: [{Id: a, Arn: !GetAtt X.Arn, InputTransformer: 3}]}}")
	f.Add("X: {Type: AWS::Scheduler::Schedule, Properties: {FlexibleTimeWindow: [], ScheduleExpression: [], Target: {Arn: {}, RoleArn: x}}}")
	f.Add("X: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: 'arn:aws:sqs:::x', FunctionName: ':', FilterCriteria: {Filters: {Pattern: {}}}}}")
	f.Add("X: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: {a: b}, PolicyDocument: '[]'}}")
	f.Add("X: {Type: AWS::Lambda::EventInvokeConfig, Properties: {FunctionName: f, Qualifier: [], DestinationConfig: {OnSuccess: a}}}")
	f.Fuzz(func(t *testing.T, resources string) {
		root, err := doc.ParseYAML("template.yml", []byte(resources))
		if err != nil {
			return
		}
		s := &cfn.Scope{Stack: "s", Resources: map[string]cfn.Resource{}}
		var o cfn.EventOptions
		if root.Map() == nil {
			return
		}
		for _, k := range root.Map().Keys {
			m := root.Map().Get(k.Name).Map()
			typ, _ := m.Get("Type").Text()
			s.Resources[k.Name] = cfn.Resource{ID: k.Name, Type: typ, Properties: m.Get("Properties"), At: k.At}
			if cfn.IsEvent(typ) {
				o.IDs = append(o.IDs, k.Name)
			}
		}
		for _, p := range s.Events(o).Problems {
			if p.At.Line == 0 || p.Message == "" {
				t.Errorf("a problem without a place: %+v", p)
			}
		}
	})
}
