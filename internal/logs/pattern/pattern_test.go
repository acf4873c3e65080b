package pattern

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

const (
	request = `127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`
	trail   = `{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],` +
		`"objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c"}`
	users = `{"user":{"id":1,"email":"John.Stiles@example.com"},"users":[{"id":2,"email":"John.Doe@example.com"},` +
		`{"id":3,"email":"Jane.Doe@example.com"}],"actions":["GET","PUT","DELETE"],"coordinates":[[0,1,2],[4,5,6],[7,8,9]]}`
)

var (
	e400 = "[ERROR 400] BAD REQUEST"
	e401 = "[ERROR 401] UNAUTHORIZED REQUEST"
	e419 = "[ERROR 419] MISSING ARGUMENTS"
	e420 = "[ERROR 420] INVALID ARGUMENTS"
	e500 = "[ERROR 500] INTERNAL SERVER ERROR"
	s200 = "[SUCCESS 200] AUTHORIZED REQUEST"

	get     = "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200"
	post    = "INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310"
	warning = "WARNING 09/25/2014 12:00:02 Invalid user request"
	failed  = "ERROR 09/25/2014 12:00:02 Failed to process request"
)

// TestDocumented has the examples of AWS's user guide.
func TestDocumented(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not []string
	}{
		{``, []string{"", "anything", "\xff\x00"}, nil},
		{`" "`, []string{"anything", e400, ""}, nil},
		{`ERROR`, []string{e400, e401, e419, e420, "Exiting with ERRORCODE: -1"}, []string{"error", "ERRO R"}},
		{`ERROR ARGUMENTS`, []string{e419, e420}, []string{e400, e401}},
		{`?ERROR ?ARGUMENTS`, []string{e400, e401, e419, e420, "ARGUMENTS"}, []string{s200}},
		{`?ERROR ?ARGUMENTS REQUEST`, []string{"[INFO] REQUEST FAILED", "[WARN] UNAUTHORIZED REQUEST", "[ERROR] 400 BAD REQUEST"}, []string{e419}},
		{`"INTERNAL SERVER ERROR"`, []string{e500}, []string{"ERROR INTERNAL SERVER"}},
		{`ERROR -ARGUMENTS`, []string{e400, e401}, []string{e419, e420, s200}},
		{`%AUTHORIZED%`, []string{e401, s200}, []string{e400}},

		{`%^[hc]at%`, []string{"hat", "cat x"}, []string{"a hat", "bat"}},
		{`%[hc]at$%`, []string{"a hat"}, []string{"hats"}},
		{`%colou?r%`, []string{"color", "colour"}, []string{"colouur"}},
		{`%^a{3,5}$%`, []string{"aaa", "aaaaa"}, []string{"aa", "aaaaaa"}},
		{`%^a{, 2}$%`, []string{"", "aa"}, []string{"aaa"}},
		{`%gra|ey%`, []string{"gray", "grey"}, []string{"gr"}},
		{`%^starting|^initializing|^shutting down%`, []string{"starting ...", "shutting down"}, []string{"skipping initializing ..."}},
		{`%abcc|ab[^c]$%`, []string{"abcc ...", "... aba"}, []string{"aac ..."}},
		{`%\[.\]%`, []string{"[a]", "[@]", "[]]", "[ ]"}, []string{"[]"}},
		{`%10\.10\.0\.1%`, []string{"10.10.0.1"}, []string{"10010,051"}},
		{`%ab[0-9]*%`, []string{"ab", "ab129"}, []string{"a1"}},
		{`%ab+c%`, []string{"abc", "abbc"}, []string{"ac"}},
		{`%^\d\D\s\S\w\W$%`, []string{"1x\ty_!"}, []string{"1x y__"}},
		{`%\x3A\x28%`, []string{"a:(b"}, []string{"ab"}},

		{`{ $.eventType = "UpdateTrail" }`, []string{trail, ` {"eventType":"Update\u0054rail"} `}, []string{`{"eventType":"updateTrail"}`, "UpdateTrail", trail + "x", trail + trail, "eventType UpdateTrail"}},
		{`{ $.sourceIPAddress != 123.123.* }`, []string{trail}, []string{`{"sourceIPAddress":"123.123.1.1"}`, `{}`}},
		{`{ $.arrayKey[0] = "value" }`, []string{trail}, []string{`{"arrayKey":["a","value"]}`, `{"arrayKey":"value"}`}},
		{`{ $.eventType = %Trail% }`, []string{trail}, []string{`{"eventType":"x"}`}},
		{`{ $.arrayKey[*] = %val.{2}% }`, []string{trail, `{"arrayKey":["x","value"]}`}, []string{`{"arrayKey":["x"]}`}},
		{`{ $.* = %111\.111\.111\.1[0-9]{1,2}% }`, []string{trail}, []string{users}},
		{`{ $.['cluster.name'] = "c" }`, []string{trail}, []string{users}},
		{`{ $.SomeObject IS NULL }`, []string{trail}, []string{users, `{"SomeObject":"null"}`}},
		{`{ $.SomeOtherObject NOT EXISTS }`, []string{trail}, []string{`{"SomeOtherObject":null}`}},
		{`{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }`, []string{users}, []string{trail}},
		{`{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }`, []string{users}, []string{trail}},
		{`{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch") && $.actions[2] = "nonmatch" }`, nil, []string{users}},
		{`{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }`, nil, []string{users}},
		{`{ $.bandwidth > 75 }`, []string{`{"bandwidth":75.1}`}, []string{`{"bandwidth":75}`, `{"bandwidth":"76"}`, `{"bandwidth":[76]}`}},
		{`{ $.latency < 50 }`, []string{`{"latency":-1}`}, []string{`{"latency":50}`}},
		{`{ $.refreshRate >= 60 }`, []string{`{"refreshRate":60}`}, []string{`{"refreshRate":5e1}`}},
		{`{ $.responseTime <= 5 }`, []string{`{"responseTime":5}`}, []string{`{"responseTime":5.01}`}},
		{`{ $.errorCode = 400}`, []string{`{"errorCode":400}`, `{"errorCode":4e2}`}, []string{`{"errorCode":4000}`}},
		{`{ $.errorCode != 500 }`, []string{`{"errorCode":400}`}, []string{`{"errorCode":500.0}`}},
		{`{ $.number[0] = 1e+3 }`, []string{`{"number":[1000]}`}, []string{`{"number":[1]}`}},
		{`{ $.number[0] != 1e-3 }`, []string{`{"number":[1000]}`}, []string{`{"number":[0.001]}`}},

		{`[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]`, []string{request}, []string{strings.Replace(request, "404", "200", 1)}},
		{`[..., request =*.html*, status_code = 4*, bytes]`, []string{request}, []string{strings.Replace(request, ".html", ".js", 1)}},
		{`[ip, user, username, timestamp, request =*.html*, status_code = 404 || status_code = 410, bytes]`, []string{request, strings.Replace(request, "404", "410", 1)}, []string{strings.Replace(request, "404", "400", 1)}},
		{`[w1=ERROR, w2]`, []string{failed}, []string{warning, get, "ERROR"}},
		{`[w1=ERROR || w1=WARNING, w2]`, []string{failed, warning}, []string{get, post}},
		{`[w1!=ERROR && w1!=WARNING, w2]`, []string{get, post}, []string{failed, warning}},
		{`[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]`, []string{get}, []string{post}},
		{`[logLevel, date, time, method, url=%/service/resource/[0-9]+/part/[0-9]+$%, response_time]`, []string{post}, []string{get}},
	} {
		expect(t, c.pattern, c.yes, c.not)
	}
}

// TestDetails has what the guide leaves open.
func TestDetails(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not []string
	}{
		{`"a \"quoted\" \\ b"`, []string{`x a "quoted" \ b`}, []string{`a quoted b`}},
		{`-a -"b c"`, []string{"b", ""}, []string{"a", "b c"}},
		{`größe_1`, []string{"größe_1"}, []string{"grösse"}},
		{`%a% -%b%`, []string{"a"}, []string{"ab"}},
		{`[timestamp = "10/Oct*", bytes > 1000 && bytes <= 1534]`, []string{"[10/Oct/2000 x] 1534"}, []string{"[10/Oct/2000 x] 1000", "[10/Oct/2000 x] many"}},
		{`[a=1, ...]`, []string{"1", "1.0 2 3"}, []string{"2 1", ""}},
		{`[a, ..., z=3]`, []string{"1 2 3", "1 3"}, []string{"3", "1 3 2"}},
		{`[...]`, []string{"", "a"}, nil},
		{`[a, b="rest of it"]`, []string{"x rest of it\n", `x "rest of it"`}, []string{"x rest of"}},
		{`[(a=1 || a=2) && a!=2]`, []string{"1"}, []string{"2"}},
		{`[a="]", b]`, []string{"] x", `"]" x`}, []string{"[] x"}},
		{`{ $.a = "x*y" && $.b IS TRUE && $.c IS FALSE }`, []string{`{"a":"x--y","b":true,"c":false}`}, []string{`{"a":"xy","b":"true","c":false}`, `{"a":"x","b":true,"c":false}`}},
		{`{ $.a = "*" }`, []string{`{"a":""}`, `{"a":1}`}, []string{`{"a":null}`, `{"a":{}}`, `{}`}},
		{`{ $.code = 4* }`, []string{`{"code":404}`, `{"code":"4"}`}, []string{`{"code":500}`}},
		{`{ $.a.b = "a/b" }`, []string{`{"a":{"b":"a\/b"}}`, `{"a":{"\u0062":"a/b"}}`}, []string{`{"a":{"b":"ab"}}`}},
		{`{ $[1].a = 1 }`, []string{`[0,{"a":1}]`}, []string{`[{"a":1}]`, `{"1":{"a":1}}`}},
		{`{ $.a[0] NOT EXISTS }`, []string{`{"a":[]}`, `{"a":{"0":1}}`, `{}`}, []string{`{"a":[null]}`, "not JSON"}},
		{`{ $.a != "x" }`, []string{`{"a":"y"}`}, []string{`{"a":"x"}`, `{"b":1}`, `{"a":true}`}},
		{`{$["a b"]=1||$.c="d}"}`, []string{`{"a b":1}`, `{"c":"d}"}`}, []string{`{"a":1}`}},
	} {
		expect(t, c.pattern, c.yes, c.not)
	}
}

func expect(t *testing.T, source string, yes, not []string) {
	t.Helper()
	p, err := Parse(source)
	if err != nil {
		t.Errorf("%s: %v", source, err)
		return
	}
	for _, text := range yes {
		if !p.Match([]byte(text)) {
			t.Errorf("%s does not match %s", source, text)
		}
		if !p.May([]byte("before " + text + "\nafter")) {
			t.Errorf("%s passes over a block with %s", source, text)
		}
	}
	for _, text := range not {
		if p.Match([]byte(text)) {
			t.Errorf("%s matches %s", source, text)
		}
	}
}

func TestMay(t *testing.T) {
	for source, raw := range map[string]string{
		`ERROR "not there"`:                   "ERROR ERROR",
		`?a ?b`:                               "c",
		`%^abc[0-9]%`:                         "ab",
		`{ $.level = "error" && $.n > 5 }`:    `{"level":"info","n":7}`,
		`{ $.a = "x" || $.b IS NULL }`:        `{"a":"y","b":"nil"}`,
		`[w1=ERROR || w1=WARNING, w2=*long*]`: "ERROR lo",
	} {
		p, err := Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		if p.May([]byte(raw)) {
			t.Errorf("%s takes %s apart", source, raw)
		}
	}
}

// The longest pattern without repetitions is taken.
func TestLongRegex(t *testing.T) {
	for _, part := range []string{".", `\w`, "a*", "[a-z]?", "a|"} {
		long := strings.Repeat(part, (MaxLength-3)/len(part)) + "a"
		if _, err := Parse("%" + long + "%"); err != nil {
			t.Errorf("%s... is not taken: %v", long[:20], err)
		}
	}
}

func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		`foo-bar`:             "at character 4",
		`größe.x`:             "at character 6",
		`"never closed`:       "at character 1",
		`a "b`:                "at character 3",
		`?`:                   "double quotes",
		`%a`:                  "no % at its end",
		`%a(b)%`:              "at character 3",
		`%a!%`:                "at character 3",
		`%ü%`:                 "at character 2",
		`%\b%`:                "stands before",
		`%\xg0%`:              "hexadecimal",
		`%a{x}%`:              "how often",
		`%[a%`:                "missing closing ]",
		`%a{2000}%`:           "invalid repeat count",
		`%a% %b% %c%`:         "more than 2",
		`%[a-z]{1000}b{201}%`: "repeats too much",
		"%" + strings.Repeat(".{1000}", 100) + "%": "repeats too much",
		`[a, b`:                             "closing bracket",
		`[a,,b]`:                            "has a name",
		`[a=1 || b=2]`:                      "said of field a",
		`[..., a, ...]`:                     "one ellipsis",
		`[a > x]`:                           "with a number",
		`[a =]`:                             "a value to compare with",
		`[a] b`:                             "nothing may follow",
		`{ $.a = 1`:                         "closing brace",
		`{ $.a }`:                           "is followed by",
		`{ a = 1 }`:                         "begins with a selector",
		`{ $ = 1 }`:                         "goes on after",
		`{ $.a IS NOT NULL }`:               "NULL, TRUE or FALSE",
		`{ $.a EXISTS }`:                    "NOT EXISTS",
		`{ $.a[x] = 1 }`:                    "brackets hold",
		`{ $.a[99999999999999999999] = 1 }`: "brackets hold",
		`{ ($.a = 1 }`:                      "closing parenthesis",
		`{ $.*.* = 1 }`:                     "wildcard",
		`{ $.* = 1 || $.* = 2 || $.* = 3 || $.* = 4 }`: "wildcard",
		`{ $.a > "5" }`:                  "with a number",
		`{}`:                             "selector",
		strings.Repeat("a", MaxLength+1): "1025 characters",
		"{" + strings.Repeat("(", 200):   "nested",
	} {
		p, err := Parse(source)
		if err == nil {
			t.Errorf("%s is taken: %v", source, p)
			continue
		}
		if pinfold.CodeOf(err) != pinfold.Invalid || pinfold.ReasonOf(err) != "InvalidParameterException" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

// FuzzPattern holds every pattern and message against what must be true of all:
// nothing panics, and what matches is not passed over in a block.
func FuzzPattern(f *testing.F) {
	for _, source := range []string{
		`a -"b c" ?d %e+%`, `?a ?"b"`, `{ ($.a[0] = "x*" || $.b.* > 5e1) && $['c'] NOT EXISTS }`, `{ $.a IS NULL || $.b != %x\x41% }`,
		`[a, b=x*, ..., c>5 && c!=7, d="]"]`, `[a=%[^b]{,3}%, b]`, `"\"`, `{ $.a = "ü\"" }`,
	} {
		for _, text := range []string{"a b c", `{"a":["x"],"b":{"c":51}}`, `x "y z" [6] 7`, "\xff\x00", `{"\u0061":null}`, trail, request} {
			f.Add(source, text, "before\n", "\x00after")
		}
	}
	f.Fuzz(func(t *testing.T, source, text, before, after string) {
		p, err := Parse(source)
		if err != nil {
			if !utf8.ValidString(err.Error()) && utf8.ValidString(source) {
				t.Errorf("%q", err)
			}
			return
		}
		if p.Match([]byte(text)) && !p.May([]byte(before+text+after)) {
			t.Errorf("%q matches %q, which it passes over in a block", source, text)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, c := range map[string]struct{ pattern, text string }{
		"term":  {`ERROR`, "2026-11-21T12:00:00.123Z INFO handled a request for /orders/1234567 in 12 ms, status 200, 1534 bytes"},
		"regex": {`%status [45]\d\d%`, "2026-11-21T12:00:00.123Z INFO handled a request for /orders/1234567 in 12 ms, status 200, 1534 bytes"},
		"space": {`[..., status_code=4*, bytes]`, request},
		"json":  {`{ $.eventType = "UpdateTrail" && $.SomeObject IS NULL }`, trail},
	} {
		b.Run(name, func(b *testing.B) {
			p, err := Parse(c.pattern)
			if err != nil {
				b.Fatal(err)
			}
			text := []byte(c.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				p.Match(text)
			}
		})
	}
}
