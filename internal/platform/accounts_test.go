package platform

import (
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/metrics"
	"pinfold.dev/pinfold/internal/record"
)

// Who is refused a call is not throttled himself.
func TestThrottledCallsAreNotTheCallers(t *testing.T) {
	store, err := record.Open(record.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := accounts{metrics: metrics.New(metrics.Config{}), writer: record.NewWriter(store, 0, slog.New(slog.DiscardHandler))}
	a.wanted = true
	a.Put(&pinfold.Record{Function: "caller", Service: "lambda", Operation: "Invoke", Status: "throttled"})
	a.Put(&pinfold.Record{Function: "called", Status: "throttled"})
	if err := a.writer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if text := w.Body.String(); strings.Contains(text, `"caller"`) || !strings.Contains(text, `pinfold_function_throttles_total{function="called"} 1`) {
		t.Errorf("the metrics say\n%s", text)
	}
}

// Where no records are kept, who asks for them is told so, and metrics go on.
func TestNoRecords(t *testing.T) {
	p := &Platform{config: Config{RecordDays: 0}}
	p.metrics = metrics.New(metrics.Config{})
	p.Put(&pinfold.Record{Function: "called", Status: "throttled"}) // there is no writer
	for _, err := range (finder{p}).Query(t.Context(), pinfold.RecordQuery{}) {
		if err == nil || !strings.Contains(err.Error(), "recordDays is 0") {
			t.Errorf("asking for records: %v", err)
		}
		return
	}
	t.Error("that no records are kept looks as if nothing had run")
}

// Whoever writes a very high number wants to keep what there is.
func TestRecordsKeptForEver(t *testing.T) {
	for _, days := range []int{30, 110_000, 999_999, math.MaxInt} {
		store, err := record.Open(record.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		now := time.Now()
		if err := store.Append(t.Context(), []pinfold.Record{{Time: now, Function: "young"}, {Time: now.AddDate(-1, 0, 0), Function: "old"}}); err != nil {
			t.Fatal(err)
		}
		p := &Platform{config: Config{RecordDays: days, RecordMB: math.MaxInt}, clock: newSteadyClock(), accounts: accounts{records: store}, log: slog.New(slog.DiscardHandler)}
		p.trimRecords(t.Context())
		left := ""
		for r, err := range store.Query(t.Context(), pinfold.RecordQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			left += r.Function + " "
		}
		if want := "young " + map[bool]string{true: "old "}[days > 366]; left != want {
			t.Errorf("of %d days are left %q, want %q", days, left, want)
		}
	}
}
