package sandboxtest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const manual = "../../docs/isolation.md"

var marked = regexp.MustCompile(`(?s)(<!-- written by the code: attacks -->\n).*?(<!-- end -->)`)

// TestManualIsUpToDate holds the list in docs/isolation.md to the tables;
// UPDATE=1 writes it.
func TestManualIsUpToDate(t *testing.T) {
	have, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	if !marked.Match(have) {
		t.Fatal("docs/isolation.md has no place for the attacks")
	}
	want := marked.ReplaceAllStringFunc(string(have), func(part string) string {
		m := marked.FindStringSubmatch(part)
		return m[1] + list() + m[2]
	})
	if want == string(have) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatal("docs/isolation.md does not list the attacks that are tried: UPDATE=1 go test ./test/sandboxtest -run Manual writes it")
	}
	if err := os.WriteFile(manual, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

var languages = map[string]string{"node": "Node.js", "python": "Python", "go": "Go"}

func list() string {
	var b strings.Builder
	for _, area := range areas {
		fmt.Fprintf(&b, "\n### %s\n\n| attack | in | wants | stopped by |\n|---|---|---|---|\n", area.name)
		for _, a := range area.attacks {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.name, a.language(), a.wants, a.wall)
		}
	}
	return b.String() + "\n"
}

// language is what an attack is written in: goSmall is Go.
func (a *attack) language() string {
	if a.run == "" {
		return "a package"
	}
	for key, name := range languages {
		if strings.HasPrefix(a.on, key) {
			return name
		}
	}
	return ""
}

// TestTables checks that each attack can be told from the others, says what it
// wants, and can fail.
func TestTables(t *testing.T) {
	names, count, in := map[string]bool{}, 0, map[string]int{}
	for _, area := range areas {
		for _, a := range area.attacks {
			count++
			in[a.language()]++
			if names[a.name] || a.name == "" || strings.ContainsAny(a.name, "/|") {
				t.Errorf("the name %q is taken, or none", a.name)
			}
			names[a.name] = true
			if a.wants == "" || a.wall == "" || a.stops == "" && a.ends == "" {
				t.Errorf("%s: says too little", a.name)
			}
			if a.run == "" && a.do == nil {
				t.Errorf("%s: nobody does anything", a.name)
			}
		}
	}
	t.Logf("%d attacks: %v", count, in)
	if count < 30 || in[""] > 0 || len(in) <= len(languages) {
		t.Errorf("%d attacks in %v are too few", count, in)
	}
}
