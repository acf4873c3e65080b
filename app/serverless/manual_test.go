package serverless

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const manual = "../../docs/manifest.md"

// written are the parts of the manual that say what the reader's tables say.
func written() map[string]string {
	list := func(names []string) string { return "`" + strings.Join(names, "`, `") + "`\n" }
	return map[string]string{
		"ignored of provider":   reasons(ignoredOfProvider),
		"ignored of functions":  reasons(ignoredOfFunction),
		"unserved of functions": list(append(slices.Clone(unservedOfFunction), "image")),
		"events":                list(eventKinds),
		"excludes":              list(defaultExcludes),
		"resources":             byReason("type", harmless),
		"plugins":               byReason("plugin", plugins),
	}
}

func reasons(settings []setting) string {
	whys := map[string]string{}
	for _, s := range settings {
		whys[s.key] = s.why
	}
	return byReason("key", whys)
}

// byReason makes a table in which names with one reason share a row.
func byReason(title string, whys map[string]string) string {
	names := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(whys)) {
		names[whys[name]] = append(names[whys[name]], name)
	}
	rows := make([]string, 0, len(names))
	for why, all := range names {
		rows = append(rows, "| `"+strings.Join(all, "`, `")+"` | "+why+" |\n")
	}
	slices.Sort(rows)
	return "| " + title + " | why |\n|---|---|\n" + strings.Join(rows, "")
}

var marked = regexp.MustCompile(`(?s)<!-- written by the code: ([^>]+) -->\n.*?<!-- end -->`)

// TestManualIsUpToDate holds docs/manifest.md to the tables; UPDATE=1 writes it.
func TestManualIsUpToDate(t *testing.T) {
	b, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	parts := written()
	want := marked.ReplaceAllStringFunc(string(b), func(part string) string {
		name := marked.FindStringSubmatch(part)[1]
		text, ok := parts[name]
		if !ok {
			t.Errorf("nothing writes the part %q", name)
		}
		delete(parts, name)
		return fmt.Sprintf("<!-- written by the code: %s -->\n%s<!-- end -->", name, text)
	})
	for name := range parts {
		t.Errorf("the part %q is missing", name)
	}
	if want != string(b) {
		if os.Getenv("UPDATE") == "" {
			t.Fatal("docs/manifest.md is not what the reader does: UPDATE=1 go test ./app/serverless writes it")
		}
		if err := os.WriteFile(manual, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManualNamesEverything: what the reader knows by name, the manual explains.
func TestManualNamesEverything(t *testing.T) {
	b, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	known := slices.Concat(rootKeys, providerKeys, functionKeys, settingKeys, slices.Collect(maps.Keys(pluginKeys)))
	for _, name := range known {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+".") {
			t.Errorf("the setting %s is not in docs/manifest.md", name)
		}
	}
	for _, kind := range slices.Concat(served, slices.Collect(maps.Keys(unserved))) {
		if !strings.Contains(text, "${"+kind+":") && !strings.Contains(text, "${"+kind+"(") {
			t.Errorf("the variable ${%s:...} is not in docs/manifest.md", kind)
		}
	}
}
