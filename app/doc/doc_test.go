package doc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

func TestScalarsAreReadAsServerlessReadsThem(t *testing.T) {
	// Source: js-yaml 4, the YAML 1.2 core schema that Serverless Framework uses.
	for text, want := range map[string]string{
		"yes": `"yes"`, "on": `"on"`, "true": `true`, "null": `null`, "~": `null`, "": `null`,
		"12": `12`, "0777": `777`, "0x1f": `31`, "1_000": `1000`, "1.0": `1`, "1.50": `1.5`, "-3": `-3`,
		"'12'": `"12"`, "2010-09-09": `"2010-09-09"`, "123456789012345678901": `123456789012345680000`,
		"!Ref Foo": `{"Ref":"Foo"}`, "!Sub '${a}-1'": `{"Fn::Sub":"${a}-1"}`, "!Ref 12": `{"Ref":"12"}`,
		"!GetAtt [A, B]": `{"Fn::GetAtt":["A","B"]}`, "!Join ['', [!Ref A, b]]": `{"Fn::Join":["",[{"Ref":"A"},"b"]]}`,
	} {
		n, err := doc.ParseYAML("x.yml", []byte("k: "+text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, _ := json.Marshal(n.Map().Get("k"))
		if string(got) != want && !strings.HasPrefix(text, "1234") {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
}

func TestPositions(t *testing.T) {
	n, err := doc.ParseYAML("serverless.yml", []byte("a:\n  b: plain ${x}\n  c: \"quoted\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := n.Map().Get("a").Map()
	if got := m.KeyAt("c").String(); got != "serverless.yml:3:3" {
		t.Errorf("key at %s", got)
	}
	if got := m.Get("b").Offset(6).String(); got != "serverless.yml:2:12" {
		t.Errorf("${ at %s", got)
	}
	if got := m.Get("c").Offset(0).String(); got != "serverless.yml:3:7" {
		t.Errorf("first letter in quotes at %s", got)
	}
}

func TestMergeKeysAndAnchors(t *testing.T) {
	n, err := doc.ParseYAML("x.yml", []byte("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse: {<<: [*b, *o], x: 9}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(n.Map().Get("use"))
	if string(got) != `{"x":9,"y":2,"z":4}` {
		t.Errorf("merged %s", got)
	}
}

func TestProblemsSayWhereAndWhatToDo(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for _, name := range "bcdefgh" {
		prev := string(name - 1)
		bomb += string(name) + ": &" + string(name) + " [*" + prev + strings.Repeat(",*"+prev, 9) + "]\n"
	}
	for name, c := range map[string]struct{ text, at, says string }{
		"duplicate key":   {"a: 1\nb: 2\na: 3\n", "f.yml:3:1", `the key "a" is here a second time, the first is in line 1`},
		"tab":             {"a:\n\tb: 1\n", "f.yml:2:1", "indent with spaces"},
		"two colons":      {"a: b: c\n", "f.yml:1", "check the indentation"},
		"open bracket":    {"a: [1, 2\nb: 3\n", "f.yml", "brackets"},
		"unknown tag":     {"a: !Foo b\n", "f.yml:1:4", "!Foo is unknown"},
		"unknown alias":   {"a: *nope\n", "f.yml", "anchor"},
		"self alias":      {"a: &a [*a]\n", "f.yml:1:4", "contains itself"},
		"two documents":   {"a: 1\n---\nb: 2\n", "f.yml", "second document"},
		"alias bomb":      {bomb, "f.yml", "aliases are spelled out"},
		"map as key":      {"? {a: b}\n: c\n", "f.yml:1:3", "a key must be a text"},
		"merge of scalar": {"a: {<<: 1}\n", "f.yml:1", "needs a map"},
		"star":            {"a: 1\nb: *\n", "f.yml:2", "put quotes around a text that begins with *"},
		"open quote":      {"a: 1\nb:\n  c:\n    d: 'it's\ne: 1\n", "f.yml:4", "quotes are closed"},
		"braces":          {"a:\n  - http:\n      path: {id}/x\n      method: get\n", "f.yml:3", "put quotes around a text that holds {"},
		"braces in a map": {"a:\n  - http: {path: users/{id}, method: get}\n", "f.yml:2", "put quotes around a text that holds {"},
		"indentation":     {"a:\n  b:\n    c: 1\n   d: 2\n", "f.yml:4", "check the indentation"},
		"not UTF-8":       {"a: 1\n# caf\xe9\n", "f.yml:2:6", "save the file in the encoding UTF-8"},
		"control":         {"a: 1\nb: x\x00\n", "f.yml:2:5", "control character ('\\x00')"},
		"deep":            {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "f.yml", "deep"},
	} {
		_, err := doc.ParseYAML("f.yml", []byte(c.text))
		problems, ok := err.(app.Problems)
		if !ok || len(problems) == 0 {
			t.Errorf("%s: %v, want a problem", name, err)
			continue
		}
		if !strings.HasPrefix(problems[0].At.String(), c.at) || !strings.Contains(problems[0].Message, c.says) {
			t.Errorf("%s: %v, want %s ... %s", name, problems[0], c.at, c.says)
		}
	}
}

func TestJSON(t *testing.T) {
	n, err := doc.ParseJSON("serverless.json", []byte("{\n\t\"a\": {\n\t\t\"b\": [1, \"x\"]\n\t}\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if at := n.Map().Get("a").Map().KeyAt("b"); at.Line != 3 {
		t.Errorf("key at %v", at)
	}
	_, err = doc.ParseJSON("serverless.json", []byte("{\n  \"a\": 1,\n}"))
	if err == nil || !strings.HasPrefix(err.Error(), "serverless.json:3:") {
		t.Errorf("trailing comma: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "remove the comma before it") {
		t.Errorf("trailing comma: %v", err)
	}
}

func TestMergeLaysOver(t *testing.T) {
	a, _ := doc.ParseYAML("a", []byte("x: {y: 1, z: 2}\nl: [1]"))
	b, _ := doc.ParseYAML("b", []byte("x: {y: 3}\nl: [2]\nn: 4"))
	got, _ := json.Marshal(doc.Merge(a, b))
	if string(got) != `{"x":{"y":3,"z":2},"l":[2],"n":4}` {
		t.Errorf("merged %s", got)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"handler", "timeout", "memorySize", "events"}
	for word, want := range map[string]string{"handlr": "handler", "timeOut": "timeout", "memory": "", "memorySise": "memorySize", "evnets": "events", "zzz": "", "x": ""} {
		if got := doc.Closest(word, known); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: 1", "a: &b [*b]", "a: !Ref x", "<<: {a: 1}", "? [a]\n: b", "{\"a\": [1.5e3, null]}", "a: !GetAtt a.b\nb: !!int '1'", "\t", "&x\n*x : y", "- - - a", "a: |\n  x\n---\nb"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := doc.ParseYAML("f", data)
		if (n == nil) == (err == nil) {
			t.Fatalf("node %v, error %v", n, err)
		}
		if n != nil {
			if b, err := json.Marshal(n); err != nil || !json.Valid(b) {
				t.Fatalf("%q becomes %s: %v", data, b, err)
			}
		}
	})
}
