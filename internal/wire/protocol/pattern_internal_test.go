package protocol

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		name, java string
		linear     bool // matched in linear time
		yes, no    []string
	}{
		{"whole string", `[a-z]+`, true, []string{"ab"}, []string{"", "ab1", "1ab", "ab\n"}},
		{"alternatives", `a|bc`, true, []string{"a", "bc"}, []string{"abc", "ac"}},
		{"dash in class", `[a-zA-Z0-9-_]+`, true, []string{"a-b_9"}, []string{"a b"}},
		{"anchors", `^[0-9]$`, true, []string{"1"}, []string{"1\n", "11"}},
		{"code units", `[\u0009\u000A\u000D\u0020-\u00FF]+`, true, []string{"a\tÿ"}, []string{"Ā", "\x01"}},
		{"surrogates", `[\u0020-\uD7FF\uD800\uDC00-\uDBFF\uDFFF]+`, true, []string{"a", "😀"}, []string{"\x01"}},
		{"POSIX class", `\p{Print}+`, true, []string{"a b"}, []string{"é"}},
		{"Unicode class", `([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`, true, []string{"", "é 1"}, []string{"a#"}},
		{"lookahead", `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`, false, []string{"prod", "1a"}, []string{"1", "12", "a b", ""}},
		{"lookbehind", `[0-9A-Za-z\.\-_]*(?<!\.)`, false, []string{"bucket", "a.b", ""}, []string{"bucket.", "a b"}},
		{"nested lookahead", `(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`, false, []string{"f", "f:live", "function:f:1a"}, []string{"f:1", "f:"}},
		{"large count", `^.{1,100000}$`, false, []string{"a"}, []string{"", "a\nb"}},
		{"back reference", `(.)\1`, false, []string{"aa"}, []string{"ab"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := compilePattern(tt.java)
			if err != nil {
				t.Fatal(err)
			}
			if _, backtracks := p.(backtracking); backtracks == tt.linear {
				t.Errorf("matched by %T", p)
			}
			for _, s := range tt.yes {
				if !p.MatchString(s) {
					t.Errorf("%q does not match", s)
				}
			}
			for _, s := range tt.no {
				if p.MatchString(s) {
					t.Errorf("%q matches", s)
				}
			}
		})
	}
}

func TestBacktrackingIsBounded(t *testing.T) {
	p, err := compilePattern(`(?!x).*`)
	if err != nil {
		t.Fatal(err)
	}
	if !p.MatchString(strings.Repeat("a", maxBacktrack)) || p.MatchString(strings.Repeat("a", maxBacktrack+1)) {
		t.Error("a backtracking pattern must match up to its bound and no further")
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{`[a-z]+`, `(?!^[0-9]+$)x`, `\u0041`, `\uD83D\uDE00`, `(`, `\p{Print}`} {
		f.Add(s, "x")
	}
	f.Fuzz(func(t *testing.T, java, value string) {
		if strings.Count(java, "(")+strings.Count(java, "*")+strings.Count(java, "+")+strings.Count(java, "{")+strings.Count(java, "?") > 2 || len(value) > 64 {
			t.Skip("descriptions are no attackers")
		}
		if p, err := compilePattern(java); err == nil {
			p.MatchString(value)
		}
	})
}

// TestEveryPatternOfAWS makes sure that no description holds a pattern that
// would be lost, served today or not.
func TestEveryPatternOfAWS(t *testing.T) {
	dir := os.Getenv("PINFOLD_AWS_MODELS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "aws-models")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	if len(files) == 0 {
		t.Skip("AWS's service descriptions are not at hand: set PINFOLD_AWS_MODELS")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var model struct {
			Shapes map[string]struct{ Pattern string }
		}
		if err := json.Unmarshal(data, &model); err != nil {
			t.Fatal(err)
		}
		for name, shape := range model.Shapes {
			if _, err := compilePattern(shape.Pattern); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(file), name, err)
			}
		}
	}
}

// TestServedPatterns compiles the patterns of all shapes that are served: a server
// does so when the first value comes.
func TestServedPatterns(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "*", "api_gen.go"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, named := pair.Key.(*ast.Ident)
			value, literal := pair.Value.(*ast.BasicLit)
			if !named || key.Name != "Pattern" || !literal {
				return true
			}
			java, err := strconv.Unquote(value.Value)
			if err == nil {
				_, err = compilePattern(java)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", file, value.Value, err)
			}
			return true
		})
	}
}
