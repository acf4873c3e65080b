package draw

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func fn(name string) pinfold.CallNode {
	return pinfold.CallNode{Kind: pinfold.CallFunction, Name: name}
}

var calls = []pinfold.CallEdge{
	{From: pinfold.CallNode{Kind: pinfold.CallHTTP, Name: "a1b2c3d4e5 POST /orders"}, To: fn("order"), Calls: 12_345, Errors: 3, Cold: 7, P50: 4 * ms, P99: 310 * ms, PerMinute: 8.57},
	{From: pinfold.CallNode{Kind: pinfold.CallClient, Name: "root"}, To: fn("order"), Calls: 1, P50: 2 * time.Second, P99: 2 * time.Second, PerMinute: 0.0007},
	{From: fn("order"), To: fn("price"), Via: "lambda.Invoke", Calls: 24_690, Errors: 1235, Throttles: 1200, P50: 600 * time.Microsecond, P99: 9 * ms, PerMinute: 171.5},
	{From: fn("order"), To: pinfold.CallNode{Kind: pinfold.CallService, Name: "sts.GetCallerIdentity"}, Calls: 12, P50: ms, P99: ms, PerMinute: 0.01},
	{From: fn("price"), To: fn("price"), Via: "http", Calls: 2, P50: ms, P99: ms, PerMinute: 0.5},
	{From: pinfold.CallNode{Kind: pinfold.CallURL, Name: "price"}, To: fn("price"), Calls: 2, P50: ms, P99: ms, PerMinute: 0.5},
}

// hostile has names that would be something else to who reads the drawing.
var hostile = []pinfold.CallEdge{
	{From: pinfold.CallNode{Kind: pinfold.CallREST, Name: `a1b2c3d4e5 GET /"]; n9["x`}, To: fn("<script>alert(1)</script>"), Calls: 1},
	{From: fn(`back\slash" label="no`), To: fn("end\x1b[2J\n#quot; & `md`"), Via: `x|y"`, Calls: 1},
	{From: fn(strings.Repeat("long", 50)), To: pinfold.CallNode{Kind: pinfold.CallOther}, Calls: 1},
}

func TestMaps(t *testing.T) {
	marked := Inks{
		Head: func(s string) string { return "(" + s + ")" }, Caller: func(s string) string { return "*" + s + "*" },
		Failing: func(s string) string { return s + "  <- red" }, Worry: func(s string) string { return s + "  <- yellow" },
	}
	for name, draw := range map[string]func(io.Writer){
		"map.txt":         func(w io.Writer) { Map(w, calls, 0, marked) },
		"map-narrow.txt":  func(w io.Writer) { Map(w, calls, 70, Plain()) },
		"map-tiny.txt":    func(w io.Writer) { Map(w, calls, 5, Plain()) },
		"map-hostile.txt": func(w io.Writer) { Map(w, hostile, 0, Plain()) },
		"map.mmd":         func(w io.Writer) { Mermaid(w, calls) },
		"map-hostile.mmd": func(w io.Writer) { Mermaid(w, hostile) },
		"map.dot":         func(w io.Writer) { DOT(w, calls) },
		"map-hostile.dot": func(w io.Writer) { DOT(w, hostile) },
		"map-none.mmd":    func(w io.Writer) { Mermaid(w, nil) },
		"map-none.dot":    func(w io.Writer) { DOT(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			draw(&got)
			golden(t, name, got.String())
		})
	}
}

func TestRate(t *testing.T) {
	for perMinute, want := range map[float64]string{0: "<0.01", 0.012: "0.012", 9.96: "10", 99.4: "99", 99.6: "100", 171.5: "172"} {
		if got := rate(perMinute); got != want {
			t.Errorf("%v a minute is written as %s, want %s", perMinute, got, want)
		}
	}
}
