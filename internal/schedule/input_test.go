package schedule

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

var document = []byte(`{"version":"0","id":"7bf73129","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"123456789012","time":"2015-11-11T21:29:54Z",` +
	`"region":"us-east-1","resources":["arn:one","arn:two"],"detail":{"instance-id":"i-0123456789","state":"RUNNING","cpu":7,"on":true,"no":null,"says":"a \"b\" <c>","tags":[{"k":"x"},{"k":"y"},{}],"a/b":1}}`)

func TestPaths(t *testing.T) {
	var event any
	if err := json.Unmarshal(document, &event); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"$":                      "",
		"$.detail.state":         `"RUNNING"`,
		"$.detail-type":          `"EC2 Instance State-change Notification"`,
		"$.resources":            `["arn:one","arn:two"]`,
		"$.resources[1]":         `"arn:two"`,
		"$.resources[2]":         "nothing",
		"$.resources[*]":         `["arn:one","arn:two"]`,
		"$.detail.tags[*].k":     `["x","y"]`,
		"$.detail.tags[0]":       `{"k":"x"}`,
		"$.detail.tags.*":        `[{"k":"x"},{"k":"y"},{}]`,
		"$.detail.a/b":           `1`,
		"$.detail.no":            `null`,
		"$.detail.tags[0].*":     `["x"]`,
		"$.detail.none":          "nothing",
		"$.detail.state.more":    "nothing",
		"$.detail[0]":            "nothing",
		"$.resources.arn":        "nothing",
		"":                       "none",
		"detail":                 "none",
		"$detail":                "none",
		"$.":                     "none",
		"$..state":               "none",
		"$.detail['state']":      "none",
		"$.detail[]":             "none",
		"$.detail[-1]":           "none",
		"$.detail[0":             "none",
		"$.a b":                  "none",
		"$[99999999999999999999": "none",
	} {
		p, ok := parsePath(text)
		have := "none"
		if ok {
			have = "nothing"
			if v, found := p.find(event); found {
				have = string(encode(v))
			}
		}
		if have != want && (want != "" || !strings.HasPrefix(have, `{"account"`)) {
			t.Errorf("%s: %s, want %s", text, have, want)
		}
	}
}

// Those of "Amazon EventBridge input transformation", EventBridge user guide, and
// what follows from what it says.
func TestTransform(t *testing.T) {
	r := pinfold.Rule{Account: "1", Region: "r", Bus: "default", Name: "example"}
	paths := map[string]string{
		"instance": "$.detail.instance-id", "state": "$.detail.state", "cpu": "$.detail.cpu", "on": "$.detail.on", "detail": "$.detail.tags[0]", "says": "$.detail.says",
		"all": "$.resources", "none": "$.detail.none", "time": "$.time",
	}
	head := `{"account":"123456789012","detail-type":"EC2 Instance State-change Notification","id":"7bf73129","region":"us-east-1","resources":["arn:one","arn:two"],"source":"aws.ec2","time":"2015-11-11T21:29:54Z","version":"0"}`
	for template, want := range map[string]string{
		`"instance <instance> is in <state>"`:                         `"instance i-0123456789 is in RUNNING"`,
		`"instance <instance> is in \"<state>\""`:                     `"instance i-0123456789 is in \"RUNNING\""`,
		`{"instance": <instance>, "state": <state>}`:                  `{"instance": "i-0123456789", "state": "RUNNING"}`,
		`{"instance": "<instance>", "state": "is \"<state>\""}`:       `{"instance": "i-0123456789", "state": "is \"RUNNING\""}`,
		`{"a": <cpu>, "b": "<cpu>", "c": <on>, "d": <all>}`:           `{"a": 7, "b": "7", "c": true, "d": ["arn:one","arn:two"]}`,
		`{"a": "<detail>", "b": <detail>}`:                            `{"a": "{\"k\":\"x\"}", "b": {"k":"x"}}`,
		`{"a": <says>, "b": "he says <says>"}`:                        `{"a": "a \"b\" <c>", "b": "he says a \"b\" <c>"}`,
		`{"a": <none>, "b": "<none>"}`:                                `{"a": "", "b": ""}`,
		`{"<state>": 1}`:                                              `{"RUNNING": 1}`,
		`{"e": <aws.events.event.json>}`:                              `{"e": ` + string(document) + `}`,
		`{"e": <aws.events.event>}`:                                   `{"e": ` + head + `}`,
		`{"n": <aws.events.rule-name>, "a": "<aws.events.rule-arn>"}`: `{"n": "example", "a": "arn:aws:events:r:1:rule/example"}`,
		`"at <aws.events.event.ingestion-time>"`:                      `"at 2015-11-11T21:29:54Z"`,
		"\"one <state>\"\n\"two <cpu>\"":                              "\"one RUNNING\"\n\"two 7\"",
		`"a < b > c <> <a b>"`:                                        `"a < b > c <> <a b>"`,
		`<state>`:                                                     `"RUNNING"`,
		`"\\<state>"`:                                                 `"\\RUNNING"`,
		`"\<state>"`:                                                  "Invalid InputTemplate for target t : [",
		`{"a": <state>`:                                               "Invalid InputTemplate for target t : [",
		`plain <state>`:                                               "Invalid InputTemplate for target t : [",
		`{"a": 1} {"b": 2}`:                                           "Invalid InputTemplate for target t : [it has 2 JSON values",
		`"a" ]`:                                                       "Invalid InputTemplate for target t : [",
		` `:                                                           "Invalid InputTemplate for target t : [it has 0 JSON values",
		`"<other>"`:                                                   "InputTemplate for target t contains invalid placeholder other.",
		`[<aws.events.event.json>]`:                                   "InputTemplate for target t contains placeholder aws.events.event.json valid only for JSON template.",
		`"<aws.events.event>"`:                                        "InputTemplate for target t contains placeholder aws.events.event valid only for JSON template.",
		`{"a":"` + strings.Repeat("x", maxRuleInput) + `"}`:           "Member must have length less than or equal to 8192",
	} {
		target := pinfold.ScheduleTarget{ID: "t", InputTemplate: template, InputPathsMap: paths}
		if err := checkTransformer(target, false); err != nil {
			if !strings.Contains(err.Error(), want) || strings.Contains(want, "RUNNING") {
				t.Errorf("%s: %v, want %s", template, err, want)
			}
			continue
		}
		at := mustTime("2015-11-11T21:29:54Z")
		if have := string(ruleBody(r, target, document, at)); have != want {
			t.Errorf("%s:\n got %s\nwant %s", template, have, want)
		}
	}
	for template, want := range map[string]string{
		"\"one\"\n\"two\"": "it has 2 JSON values",
		`"one"`:            "",
		`[1]`:              "",
	} {
		err := checkTransformer(pinfold.ScheduleTarget{ID: "t", InputTemplate: template}, true)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s for a function: %v", template, err)
		}
	}
}

// FuzzTransform: what is accepted is JSON whatever the event says.
func FuzzTransform(f *testing.F) {
	f.Add(`"instance <a> is in <b>"`, "$.detail", "$.detail.x", `{"x":"y\"<a>"}`)
	f.Add(`{"a": <a>, "b": "<b>\"<aws.events.rule-arn>"}`, "$.detail.*", "$.detail[0]", `[1,{"k":[]}]`)
	f.Add(`{"e": <aws.events.event.json>, "f": "<aws.events.event>"}`, "$", "$.none", `null`)
	f.Add(`"\\"<a>"\<b>"`, "$.detail", "$.detail", `"\\"`)
	f.Fuzz(func(t *testing.T, template, a, b, detail string) {
		if !json.Valid([]byte(detail)) {
			return
		}
		target := pinfold.ScheduleTarget{ID: "t", InputTemplate: template, InputPathsMap: map[string]string{"a": a, "b": b}}
		if template == "" || checkTransformer(target, true) != nil {
			return
		}
		if body := ruleBody(pinfold.Rule{}, target, []byte(`{"detail":`+detail+`}`), mustTime("2015-11-11T21:29:54Z")); !json.Valid(body) {
			t.Errorf("%s became %s", template, body)
		}
	})
}

func mustTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}
