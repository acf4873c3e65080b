package platform

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
