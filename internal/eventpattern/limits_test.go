package eventpattern_test

import (
	"fmt"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/eventpattern"
)

// TestReasons has the texts of AWS's errors, as far as they are known; a column
// where it is known too.
func TestReasons(t *testing.T) {
	for pattern, want := range map[string]string{
		`{"int": 42}`:                                                           `"int" must be an object or an array` + "\n" + ` at [Source: (String)"{"int": 42}"; line: 1, column: 11]`,
		`{"string": "my-value"}`:                                                `"string" must be an object or an array` + "\n" + ` at [Source: (String)"{"string": "my-value"}"; line: 1, column: 13]`,
		`{"resources": []}`:                                                     "Empty arrays are not allowed\n" + ` at [Source: (String)"{"resources": []}"; line: 1, column: 17]`,
		`{"source": ["aws.health"], "detail": {}}`:                              "Empty objects are not allowed\n" + ` at [Source: (String)"{"source": ["aws.health"], "detail": {}}"; line: 1, column: 40]`,
		`{"my_key": [{"EXISTS": true}]}`:                                        "Unrecognized match type EXISTS\n" + ` at [Source: (String)"{"my_key": [{"EXISTS": true}]}"; line: 1, column: 28]`,
		`{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}`:                        "Unrecognized match type NUMERIC\n" + ` at [Source: (String)"{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}"; line: 1, column: 36]`,
		`{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}`:              "Bad numeric range operator: >\n" + ` at [Source: (String)"{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}"; line: 1, column: 49]`,
		`{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}`:                 "Value of < must be numeric\n" + ` at [Source: (String)"{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}"; line: 1, column: 50]`,
		`{"time": [{"prefix": 123}]}`:                                           "prefix match pattern must be a string\n" + ` at [Source: (String)"{"time": [{"prefix": 123}]}"; line: 1, column: 25]`,
		`{"FileName": [{"suffix": [".png"]}]}`:                                  "suffix match pattern must be a string\n" + ` at [Source: (String)"{"FileName": [{"suffix": [".png"]}]}"; line: 1, column: 27]`,
		"[\"not\", \"a\", \"dict\"]":                                            "Filter is not an object\n",
		`{"EventBusArn": [{"wildcard": 123}]}`:                                  "wildcard match pattern must be a string\n",
		`{"a": [{"wildcard": "arn:aws:events:us-east-1:**:b"}]}`:                "Consecutive wildcard characters at pos 26\n",
		`{"a": [{"wildcard": "a\\n"}]}`:                                         "Invalid escape character at pos 2\n",
		`{"a": [{"equals-ignore-case": {"prefix": "ec2"}}]}`:                    "equals-ignore-case match pattern must be a string\n",
		`{"a": [{"anything-but": {"equals-ignore-case": [123]}}]}`:              "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.\n",
		`{"a": [{"anything-but": {"prefix": [123, "test"]}}]}`:                  "prefix/suffix match pattern must be a string\n",
		`{"a": [{"anything-but": {"prefix": ""}}]}`:                             "Null prefix/suffix not allowed\n",
		`{"a": [{"anything-but": {"wildcard": [123]}}]}`:                        "wildcard match pattern must be a string\n",
		`{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}`: "Value of anything-but must be an array or single string/number value.\n",
		`{"a": [{"anything-but": [null]}]}`:                                     "Inside anything but list, start|null|boolean is not supported.\n",
		`{"a": [{"anything-but": ["x", 1]}]}`:                                   "Inside anything but list, either all values are number or string, mixed type is not supported\n",
		`{"a": [{"anything-but": []}]}`:                                         "Inside anything but list, either all values are number or string",
		`{"a": [{"anything-but": {"numeric": ["=", 1]}}]}`:                      "Unsupported anything-but pattern: numeric\n",
		`{"a": [{"prefix": {"suffix": "x"}}]}`:                                  "Unsupported prefix pattern: suffix\n",
		`{"a": [{"cidr": "10.0.0.0"}]}`:                                         "Malformed CIDR, one '/' required\n",
		`{"a": [{"cidr": "bad-/64filter"}]}`:                                    "Malformed CIDR, mask bits must be an integer\n",
		`{"a": [{"cidr": "xx.11.xx/8"}]}`:                                       "Nonstandard IP address: xx.11.xx\n",
		`{"a": [{"cidr": ["bad-type"]}]}`:                                       "prefix match pattern must be a string\n",
		`{"a": [{"cidr": "10.0.0.0/33"}]}`:                                      "Malformed CIDR, mask bits must be at most 32\n",
		`{"a": [{"exists": "yes"}]}`:                                            "exists match pattern must be either true or false.\n",
		`{"a": [{"prefix": "a", "suffix": "b"}]}`:                               "Only one key allowed in match expression\n",
		`{"a": [{}]}`:                                    "Match expression name not found\n",
		`{"a": [["x"]]}`:                                 "Match value must be String, number, true, false, or null\n",
		`{"a": [{"numeric": "="}]}`:                      "Value of numeric must be an array.\n",
		`{"a": [{"numeric": []}]}`:                       "Invalid member in numeric match: ]\n",
		`{"a": [{"numeric": ["!=", 1]}]}`:                "Unrecognized numeric range operator: !=\n",
		`{"a": [{"numeric": ["=", "1"]}]}`:               "Value of equals must be numeric\n",
		`{"a": [{"numeric": ["=", 1, "<", 2]}]}`:         "Too many elements in numeric expression\n",
		`{"a": [{"numeric": [">", 5, "<", 5]}]}`:         "Bottom must be less than top\n",
		`{"a": [{"numeric": [">", 5, "<", 6, "<", 7]}]}`: "Too many terms in numeric range expression\n",
		`{"a": [{"numeric": ["<", 5000000000.1]}]}`:      "Value must be between -5.0E9 and 5.0E9, inclusive",
		`{"$or": {"a": [1]}}`:                            "It must be an Array followed with $or.\n",
		`{"$or": [{"a": [1]}]}`:                          "There must have at least 2 Objects in $or relationship.\n",
		`{"$or": ["a", "b"]}`:                            "Only JSON object is allowed in array of $or relationship.\n",
		`{"$or": [{"a": [1]}, {"numeric": ["=", 1]}]}`:   "numeric is Ruler reserved fieldName which cannot be used inside $or.\n",

		`{"a": [1], "a": [2]}`:                        "Path `a` cannot be allowed multiple times\n",
		`{"a": {"b": [1]}, "a.b": [2]}`:               "Path `a.b` cannot be allowed multiple times\n",
		`{"a": [1], "$or": [{"a": [2]}, {"b": [1]}]}`: "Path `a` cannot be allowed multiple times\n",
		"{\"a\": [\"\xff\"]}":                         "invalid UTF-8",
		`{"a": ["\ud800"]}`:                           "invalid surrogate pair",
		`{'bad': 'quotation'}`:                        "invalid character '\\''",
		`{"a": [1]} x`:                                "invalid character 'x'",
		`{"a": [1]} {}`:                               "something follows the pattern's last brace",
		`{"a": [1]`:                                   "unexpected EOF",
		``:                                            "Filter is not an object",
		"{\n\t\"a\": 1}":                              "line: 2, column: 8]",
		`{"a": ["` + strings.Repeat("ä", 4100) + `"]}`:         "a pattern has at most 4096 characters",
		strings.Repeat(`[`, 4000):                              "nested more than 1000 deep",
		`{"a": ["` + strings.Repeat("x", 4000) + `"], "b": 1}`: "[truncated 3519 chars]; line: 1, column: 4019]",
	} {
		_, err := eventpattern.Compile([]byte(pattern))
		if err == nil || !strings.HasPrefix(err.Error(), "Event pattern is not valid. Reason: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s:\ngot  %v\nwant %s", pattern, err, want)
			continue
		}
		if pinfold.CodeOf(err) != pinfold.Invalid || pinfold.ReasonOf(err) != "InvalidEventPatternException" {
			t.Errorf("%.80s: got code %s, reason %s", pattern, pinfold.CodeOf(err), pinfold.ReasonOf(err))
		}
	}
}

func TestCombinations(t *testing.T) {
	fields := func(n int, wanted string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(wanted, i))
		}
		return strings.Join(all, ",")
	}
	or := `"f%[1]d": {"$or": [{"a": [1]}, {"b": [1]}]}`
	missing := `"f%d": [1, {"exists": false}]`
	for pattern, want := range map[string]string{
		"{" + fields(9, or) + "}":       "",
		"{" + fields(10, or) + "}":      "over 1000 rule combinations", // 1,024
		"{" + fields(13, missing) + "}": "",
		"{" + fields(14, missing) + "}": "in too many places",
	} {
		if _, err := eventpattern.Compile([]byte(pattern)); fmt.Sprint(err) != "<nil>" && want == "" || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
}

func TestEventsThatAreNone(t *testing.T) {
	p, err := eventpattern.Compile([]byte(`{"a": {"b": ["x"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	deep := func(n int) string {
		return `{"a": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	for event, want := range map[string]string{
		``:                     "it is empty",
		`[1]`:                  "it is not a JSON object",
		`"plain"`:              "it is not a JSON object",
		`{"a": 1`:              "EOF",
		`{"a": {"b": "x"}} {}`: "something follows its last brace",
		"{\"a\": \"\xff\"}":    "invalid UTF-8",
		"{\"z\": \"\xff\"}":    "invalid UTF-8",
		deep(1001):             "nested more than 1000 deep",
		deep(998):              "<nil>",
		`{"a": [` + strings.Repeat(`{"b": "y"}, `, 100_000) + `{"b": "z"}]}`: "<nil>",
	} {
		met, err := p.Match([]byte(event))
		if met || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%.40s: got %t, %v; want %s", event, met, err, want)
		}
		if err != nil && pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("%.40s: got code %s", event, pinfold.CodeOf(err))
		}
		if met, err := p.Match([]byte(`{"a": [{"b": "x"}]}`)); !met || err != nil {
			t.Errorf("after %.40s: got %t, %v", event, met, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, c := range matches {
		f.Add(c.pattern, c.event)
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := eventpattern.Compile([]byte(pattern))
		if err != nil {
			return
		}
		met, err := p.Match([]byte(event))
		if again, _ := p.Match([]byte(event)); err == nil && again != met {
			t.Errorf("first %t, then %t", met, again)
		}
	})
}
