//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
)

// What people wrote around the measured part stays.
func TestSplice(t *testing.T) {
	const account = "\n## What each change gave\n"
	first := splice([]byte("# Results of old\n"), []byte("one\n"))
	if want := begins + "one\n" + ends; string(first) != want {
		t.Errorf("a file without lines becomes %q, want %q", first, want)
	}
	second := splice(append([]byte("above\n"), append(first, account...)...), []byte("two\n"))
	if want := "above\n" + begins + "two\n" + ends + account; string(second) != want {
		t.Errorf("got %q, want %q", second, want)
	}
}

func TestReport(t *testing.T) {
	r := report{head: "today"}
	r.figure("a", "5 ms", "4 ms", true)
	r.figure("b", "5 ms", "6 ms", false)
	r.lacking("c", "5 ms", "no\nroom | here")
	one := table{title: "One", note: "Why.", head: []string{"x", "y"}}
	one.row("1", "2")
	r.tables = []table{one}
	var b bytes.Buffer
	r.print(&b)
	for _, want := range []string{"| a | 5 ms | 4 ms | yes |", "| b | 5 ms | 6 ms | **no** |", "| c | 5 ms | no room / here | not measured |", "\n## One\n\nWhy.\n\n| x | y |\n|---|---:|\n| 1 | 2 |\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, &b)
		}
	}
}
