package eventpattern_test

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/eventpattern"
)

// ec2 is the event of "Creating Amazon EventBridge event patterns".
const ec2 = `{
	"version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
	"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": "111122223333",
	"time": "2017-12-22T18:43:48Z", "region": "us-west-1",
	"resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
	"detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated"}
}`

// empty is the event of "Null values and empty strings in event patterns".
const empty = `{
	"version": "0", "id": "3e3c153a-8339-4e30-8c35-687ebef853fe", "detail-type": "EC2 Instance Launch Successful",
	"source": "aws.autoscaling", "resources": ["arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:eb56d16b"],
	"detail": {"eventVersion": "", "responseElements": null}
}`

// employees is the event of event-ruler's "JSON Array Matching", in another cast.
const employees = `{"staff": [{"first": "Ada", "last": "Byron"}, {"first": "Grace", "last": "Murray"}, {"first": "Joan", "last": "Clarke"}]}`

const nested = `{"staff": [[{"first": "Ada", "last": "Byron"}, {"first": "Grace", "last": "Murray"}], [{"first": "Joan", "last": "Clarke"}]]}`

var matches = []struct {
	page    string // of AWS's documents, or what the case is about
	pattern string
	event   string
	want    bool
}{
	{"Creating event patterns", `{"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"], "detail": {"state": ["terminated"]}}`, ec2, true},
	{"Creating event patterns", `{"source": ["aws.ec2"], "detail": {"state": ["running"]}}`, ec2, false},
	{"Creating event patterns: text for text", `{"source": ["AWS.EC2"]}`, ec2, false},
	{"Matching on multiple values", `{"resources": ["arn:other", "arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"]}`, ec2, true},
	{"Matching on multiple values", `{"resources": ["b", "c"]}`, `{"resources": ["a", "b"]}`, true},
	{"Matching on multiple values", `{"resources": ["c", "d"]}`, `{"resources": ["a", "b"]}`, false},
	{"Null values and empty strings", `{"detail": {"eventVersion": [""]}}`, empty, true},
	{"Null values and empty strings", `{"detail": {"responseElements": [null]}}`, empty, true},
	{"Null values and empty strings", `{"detail": {"responseElements": [""]}}`, empty, false},
	{"Null values and empty strings", `{"detail": {"eventVersion": [null]}}`, empty, false},

	{"Prefix matching", `{"time": [{"prefix": "2017-12-22"}]}`, ec2, true},
	{"Prefix matching", `{"time": [{"prefix": "2017-10-02"}]}`, ec2, false},
	{"Prefix matching while ignoring case", `{"detail": {"service": [{"prefix": {"equals-ignore-case": "EventB"}}]}}`, `{"detail": {"service": "eventbridge"}}`, true},
	{"Prefix matching while ignoring case", `{"detail": {"service": [{"prefix": {"equals-ignore-case": "EventB"}}]}}`, `{"detail": {"service": "event"}}`, false},
	{"Suffix matching", `{"FileName": [{"suffix": ".png"}]}`, `{"FileName": "a.png"}`, true},
	{"Suffix matching", `{"FileName": [{"suffix": ".png"}]}`, `{"FileName": "a.PNG"}`, false},
	{"Suffix matching while ignoring case", `{"detail": {"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]}}`, `{"detail": {"FileName": "a.PNG"}}`, true},
	{"Suffix matching while ignoring case", `{"detail": {"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]}}`, `{"detail": {"FileName": "png"}}`, false},

	{"Anything-but matching", `{"detail": {"state": [{"anything-but": "initializing"}]}}`, ec2, true},
	{"Anything-but matching", `{"detail": {"state": [{"anything-but": "terminated"}]}}`, ec2, false},
	{"Anything-but matching", `{"detail": {"x-limit": [{"anything-but": 123}]}}`, `{"detail": {"x-limit": 123.0}}`, false},
	{"Anything-but matching", `{"detail": {"x-limit": [{"anything-but": 123}]}}`, `{"detail": {"x-limit": "123"}}`, true},
	{"Anything-but matching", `{"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}}`, `{"detail": {"state": "overloaded"}}`, false},
	{"Anything-but matching", `{"detail": {"x-limit": [{"anything-but": [100, 200, 300]}]}}`, `{"detail": {"x-limit": 250}}`, true},
	{"Anything-but: a value must be there", `{"detail": {"other": [{"anything-but": "initializing"}]}}`, ec2, false},
	{"Anything-but: null is one", `{"detail": {"state": [{"anything-but": "initializing"}]}}`, `{"detail": {"state": null}}`, true},
	{"Anything-but: one element is enough", `{"a": [{"anything-but": "x"}]}`, `{"a": ["x", "y"]}`, true},
	{"Anything-but while ignoring case", `{"detail": {"state": [{"anything-but": {"equals-ignore-case": "initializing"}}]}}`, `{"detail": {"state": "INITIALIZING"}}`, false},
	{"Anything-but while ignoring case", `{"detail": {"state": [{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}]}}`, `{"detail": {"state": "Running"}}`, true},
	{"Anything-but matching on prefixes", `{"detail": {"state": [{"anything-but": {"prefix": "init"}}]}}`, `{"detail": {"state": "initializing"}}`, false},
	{"Anything-but matching on prefixes", `{"detail": {"state": [{"anything-but": {"prefix": ["init", "error"]}}]}}`, `{"detail": {"state": "running"}}`, true},
	{"Anything-but matching on prefixes: a number has none", `{"detail": {"state": [{"anything-but": {"prefix": "init"}}]}}`, `{"detail": {"state": 12}}`, true},
	{"Anything-but matching on suffixes", `{"detail": {"FileName": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}}`, `{"detail": {"FileName": "a.rtf"}}`, false},
	{"Anything-but matching using wildcards", `{"detail": {"FilePath": [{"anything-but": {"wildcard": "*/lib/*"}}]}}`, `{"detail": {"FilePath": "usr/lib/x"}}`, false},
	{"Anything-but matching using wildcards", `{"detail": {"FilePath": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}}`, `{"detail": {"FilePath": "usr/share/x"}}`, true},

	{"Numeric matching", `{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"numeric": ["=", 3.018e2]}]}}`, `{"detail": {"c-count": 5, "d-count": -1, "x-limit": 301.8}}`, true},
	{"Numeric matching", `{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}]}}`, `{"detail": {"c-count": 0}}`, false},
	{"Numeric matching: a string is no number", `{"a": [{"numeric": ["=", 5]}]}`, `{"a": "5"}`, false},
	{"Numeric matching: its limits", `{"a": [{"numeric": ["<=", 5e9]}]}`, `{"a": 5000000000.0}`, true},
	{"Numeric matching: its limits", `{"a": [{"numeric": [">=", -5e9]}]}`, `{"a": 5000000000.1}`, false},
	{"Numeric matching: its precision", `{"a": [{"numeric": ["<", 0.300001]}]}`, `{"a": 0.3000009}`, false},
	{"Numeric matching: its precision", `{"a": [{"numeric": [">", 4999999999.999998]}]}`, `{"a": 4999999999.999999}`, true},
	{"numbers are equal however they are written", `{"a": [35]}`, `{"a": 3.50e1}`, true},
	{"numbers that are too large are compared as text", `{"a": [123456789012]}`, `{"a": 123456789012}`, true},
	{"numbers that are too large are compared as text", `{"a": [123456789012]}`, `{"a": 123456789012.0}`, false},
	{"a number is no string", `{"a": ["1"]}`, `{"a": 1}`, false},
	{"true, false and null are no strings", `{"a": ["true", "null"]}`, `{"a": [true, null]}`, false},

	{"IP address matching", `{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/24"}]}}`, `{"detail": {"sourceIPAddress": "10.0.0.255"}}`, true},
	{"IP address matching", `{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/24"}]}}`, `{"detail": {"sourceIPAddress": "10.0.1.0"}}`, false},
	{"IP address matching", `{"detail": {"sourceIPAddress": [{"cidr": "2001:db8:1234:1a00::/64"}]}}`, `{"detail": {"sourceIPAddress": "2001:db8:1234:1a00::7"}}`, true},
	{"IP address matching: a number is none", `{"a": [{"cidr": "0.0.0.0/0"}]}`, `{"a": 123}`, false},
	{"an address is one however it is written", `{"a": ["2001:db8::1"]}`, `{"a": "2001:0DB8:0:0::1"}`, true},

	{"Exists matching", `{"detail": {"state": [{"exists": true}]}}`, ec2, true},
	{"Exists matching", `{"detail": {"c-count": [{"exists": true}]}}`, ec2, false},
	{"Exists matching", `{"detail": {"c-count": [{"exists": false}]}}`, ec2, true},
	{"Exists matching", `{"detail": {"state": [{"exists": false}]}}`, ec2, false},
	{"Exists matching: only of leaf nodes", `{"detail": [{"exists": true}]}`, ec2, false},
	{"Exists matching: only of leaf nodes", `{"detail": [{"exists": false}]}`, ec2, true},
	{"Exists matching: null is a value", `{"detail": {"responseElements": [{"exists": true}]}}`, empty, true},
	{"Exists matching: nothing of nothing", `{"a": {"b": [{"exists": false}]}}`, `{}`, true},
	{"exists: an empty array has no value", `{"a": [{"exists": true}]}`, `{"a": []}`, false},
	{"exists: an empty array has no value", `{"a": [{"exists": false}]}`, `{"a": []}`, true},
	{"missing, or one of some", `{"a": ["x", {"exists": false}]}`, `{"b": 1}`, true},
	{"missing, or one of some", `{"a": ["x", {"exists": false}]}`, `{"a": "y"}`, false},

	{"Equals-ignore-case matching", `{"detail-type": [{"equals-ignore-case": "ec2 instance state-change notification"}]}`, ec2, true},
	{"equals-ignore-case, of more than ASCII", `{"a": [{"equals-ignore-case": "STRAẞE"}, {"prefix": {"equals-ignore-case": "ÄÖ"}}]}`, `{"a": "äöü"}`, true},
	{"Matching using wildcards", `{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:123456789012:event-bus/*"}]}`, `{"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/myEventBus"}`, true},
	{"Matching using wildcards", `{"FileName": [{"wildcard": "dir/*.png"}]}`, `{"FileName": "dir/sub/a.png"}`, true},
	{"Matching using wildcards", `{"FileName": [{"wildcard": "dir/*.png"}]}`, `{"FileName": "dir/a.jpg"}`, false},
	{"Matching using wildcards: parts do not overlap", `{"a": [{"wildcard": "ab*ba"}]}`, `{"a": "aba"}`, false},
	{"Matching using wildcards: escaped", `{"a": [{"wildcard": "hello\\*wor*\\\\"}]}`, `{"a": "hello*world\\"}`, true},
	{"Matching using wildcards: escaped", `{"a": [{"wildcard": "hello\\*"}]}`, `{"a": "hello!"}`, false},
	{"what is too complex for AWS costs nothing here", `{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}`, `{"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/b"}`, true},

	{"Using multiple comparison operators", `{"time": [{"prefix": "2017-10-02"}], "detail": {"state": [{"anything-but": "initializing"}], "c-count": [{"numeric": [">", 0, "<=", 5]}], "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"anything-but": [100, 200, 300]}]}}`,
		`{"time": "2017-10-02T18:43:48Z", "detail": {"state": "running", "c-count": 3, "d-count": 9, "x-limit": 999}}`, true},
	{"Using multiple comparison operators, at one field", `{"a": [{"prefix": "x"}, {"suffix": "y"}, 7]}`, `{"a": 7}`, true},
	{"$or matching", `{"detail": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]}, {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}`, `{"detail": {"c-count": 9, "d-count": 11, "x-limit": 301.8}}`, true},
	{"$or matching", `{"detail": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]}]}}`, `{"detail": {"c-count": 9, "d-count": 11}}`, false},
	{"$or in $or: source and (name or (type and space and (id or other)))", `{"source": ["s"], "$or": [{"name": ["n"]}, {"type": ["t"], "space": ["p"], "$or": [{"id": [1]}, {"other": [2]}]}]}`, `{"source": "s", "type": "t", "space": "p", "other": 2}`, true},
	{"$or in $or", `{"source": ["s"], "$or": [{"name": ["n"]}, {"type": ["t"], "space": ["p"], "$or": [{"id": [1]}, {"other": [2]}]}]}`, `{"source": "s", "type": "t", "other": 2}`, false},
	{"$or beside another", `{"$or": [{"a": [1]}, {"b": [1]}], "c": {"$or": [{"a": [1]}, {"b": [1]}]}}`, `{"b": 1, "c": {"a": 1}}`, true},
	{"$or of a field that is missing", `{"$or": [{"a": [{"exists": false}]}, {"a": {"b": ["x"]}}]}`, `{"a": {"b": "y"}}`, true},

	{"event-ruler, JSON Array Matching", `{"staff": {"first": ["Grace"]}}`, employees, true},
	{"event-ruler, JSON Array Matching", `{"staff": {"first": ["Grace"], "last": ["Murray"]}}`, employees, true},
	{"event-ruler, JSON Array Matching: of one element", `{"staff": {"first": ["Grace"], "last": ["Clarke"]}}`, employees, false},
	{"event-ruler, arrays of arrays", `{"staff": {"first": ["Grace"], "last": ["Murray"]}}`, nested, true},
	{"event-ruler, arrays of arrays: of one element", `{"staff": {"first": ["Grace"], "last": ["Byron"]}}`, nested, false},
	{"arrays beside each other are free", `{"a": {"x": [1]}, "b": {"x": [2]}}`, `{"a": [{"x": 0}, {"x": 1}], "b": [{"x": 2}]}`, true},
	{"arrays within an element are held to it", `{"a": {"x": [1], "in": {"y": [2], "z": [3]}}}`, `{"a": [{"x": 1, "in": [{"y": 2}, {"z": 3}]}, {"x": 0, "in": [{"y": 2, "z": 3}]}]}`, false},
	{"arrays within an element are held to it", `{"a": {"x": [1], "in": {"y": [2], "z": [3]}}}`, `{"a": [{"x": 0}, {"x": 1, "in": [{"y": 2}, {"y": 2, "z": 3}]}]}`, true},
	{"elements of which one has what none may", `{"a": {"b": [{"exists": false}]}}`, `{"a": [{"b": 1}, {"c": 1}]}`, false},
	{"the element that is settled for has it not", `{"a": {"b": ["x"], "c": [{"exists": false}]}}`, `{"a": [{"b": "y", "c": 1}, {"b": "x"}]}`, true},
	{"event-ruler asks in alphabetical order", `{"a": {"b": [{"exists": false}], "c": ["x"]}}`, `{"a": [{"b": 1, "c": "y"}, {"c": "x"}]}`, false},
	{"$or, of one element", `{"a": {"x": [1], "$or": [{"y": [1]}, {"z": [1]}]}}`, `{"a": [{"x": 1}, {"y": 1, "z": 1}]}`, false},

	{"event-ruler, JSON keys with dots", `{"detail": {"state": {"status": ["running"]}}}`, `{"detail": {"state.status": "running"}}`, true},
	{"event-ruler, JSON keys with dots", `{"detail": {"state.status": ["running"]}}`, `{"detail": {"state": {"status": "running"}}}`, true},
	{"several names with dots", `{"labels": {"app.kubernetes.io/name": ["a"], "app.kubernetes.io/part-of": ["b"]}}`, `{"labels": {"app.kubernetes.io/name": "a", "app.kubernetes.io/part-of": "b"}}`, true},
	{"a path that is an array and more is two alternatives", `{"a": {"b": [1], "c": [2]}}`, `{"a": [{"b": 1}], "a.c": 2}`, false},
	{"a name twice in an event", `{"a": ["x"]}`, `{"a": "x", "a": "y"}`, true},
	{"escapes", `{"\u0061": ["\u00e4\n"]}`, `{"a": "ä\u000a"}`, true},
	{"a name may be empty", `{"": ["x"]}`, `{"": "x"}`, true},
}

func TestMatch(t *testing.T) {
	for _, c := range matches {
		p, err := eventpattern.Compile([]byte(c.pattern))
		if err != nil {
			t.Errorf("%s: %s: %v", c.page, c.pattern, err)
			continue
		}
		if got, err := p.Match([]byte(c.event)); got != c.want || err != nil {
			t.Errorf("%s: got %t, %v for\n%s\n%s", c.page, got, err, c.pattern, c.event)
		}
	}
}

// TestManyRules has more ways through $or than a machine has rules.
func TestManyRules(t *testing.T) {
	var ands, last []string
	for _, name := range []string{"a", "b", "c"} {
		var ors []string
		for _, v := range "0123456789" {
			ors = append(ors, `{"`+name+`": ["`+string(v)+`"]}`)
		}
		ands = append(ands, `"`+name+`": {"$or": [`+strings.Join(ors, ",")+`]}`)
		last = append(last, `"`+name+`": {"`+name+`": "9"}`)
	}
	p, err := eventpattern.Compile([]byte("{" + strings.Join(ands, ",") + "}"))
	if err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]bool{"{" + strings.Join(last, ",") + "}": true, "{" + strings.Join(last[:2], ",") + "}": false} {
		if got, err := p.Match([]byte(event)); got != want || err != nil {
			t.Errorf("%s: got %t, %v", event, got, err)
		}
	}
}
