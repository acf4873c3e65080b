package metrics

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"pinfold.dev/pinfold"
)

func function(name string) *pinfold.Version {
	return &pinfold.Version{Ref: pinfold.FunctionRef{Account: pinfold.DefaultAccount, Region: pinfold.DefaultRegion, Name: name, Qualifier: "1"}}
}

func execution(v *pinfold.Version) *pinfold.Execution {
	return &pinfold.Execution{Version: v, Billed: 2 * time.Millisecond, BytesOut: 10, Phases: pinfold.Phases{Handler: 1500 * time.Microsecond, Queue: 10 * time.Microsecond}}
}

// full is a platform that says everything.
func full() Platform {
	return Platform{
		Pool: func() Pool {
			return Pool{Instances: 3, Cells: map[string]int{"nodejs22.x": 2}, InFlight: 2, Waiting: 1, Limit: 1000, MemoryMB: 300, BudgetMB: 1024, Evictions: 7}
		},
		Functions:       func() []Function { return []Function{{"a", 1, 0}, {"a", 2, 1}, {"b", 0, 5}} },
		RecordsDropped:  func() uint64 { return 8 },
		LogLinesDropped: func() uint64 { return 9 },
		TracesDropped:   func() uint64 { return 10 },
		MeteringFails:   func() bool { return true },
		Events:          happening(),
	}
}

// gather returns all metrics, by name and labels: `name{label="value"}`.
func gather(t testing.TB, m *Metrics) map[string]*dto.Metric {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.Metric{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = metric
		}
	}
	return all
}

func value(m *dto.Metric) float64 {
	switch {
	case m == nil:
		return -1
	case m.Counter != nil:
		return m.GetCounter().GetValue()
	case m.Gauge != nil:
		return m.GetGauge().GetValue()
	default:
		return float64(m.GetHistogram().GetSampleCount())
	}
}

// TestSums compares what metrics say with what was counted on the side.
func TestSums(t *testing.T) {
	m := New(Config{Platform: full()})
	versions := []*pinfold.Version{function("a"), function("b"), function("a")}
	var mu sync.Mutex
	want := map[string]float64{}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range 1000 {
				e := execution(versions[r.IntN(3)])
				e.Billed = time.Duration(r.IntN(1000)) * time.Millisecond
				status := "ok"
				name := e.Version.Ref.Name
				mu.Lock()
				switch r.IntN(5) {
				case 0:
					e.Status, e.Failure, status = "error", "TypeError", "error"
					want[`pinfold_function_errors_total{function="`+name+`",type="TypeError"}`]++
				case 3: // the function throws
					e.Failure, status = "TypeError", "error"
					want[`pinfold_function_errors_total{function="`+name+`",type="TypeError"}`]++
				case 1:
					e.Status, e.Failure, status = "timeout", "Sandbox.Timedout", "timeout"
					want[`pinfold_function_errors_total{function="`+name+`",type="Sandbox.Timedout"}`]++
				case 2:
					e.Cold = pinfold.ColdScaleOut
					want[`pinfold_function_cold_starts_total{function="`+name+`",reason="scale-out"}`]++
					want[`pinfold_function_init_seconds{function="`+name+`",phase="boot"}`]++
				}
				want[`pinfold_function_invocations_total{function="`+name+`",status="`+status+`"}`]++
				want[`pinfold_function_duration_seconds{function="`+name+`"}`]++
				want[`pinfold_function_queue_seconds{function="`+name+`"}`]++
				want[`pinfold_function_billed_milliseconds_total{function="`+name+`"}`] += float64(e.Billed.Milliseconds())
				want[`pinfold_function_response_bytes_total{function="`+name+`"}`] += 10
				mu.Unlock()
				m.Executed(e)
			}
		})
	}
	wg.Wait()
	m.Throttled("b")
	want[`pinfold_function_throttles_total{function="b"}`] = 1
	want[`pinfold_function_concurrency{function="a"}`] = 3
	want[`pinfold_function_waiting{function="b"}`] = 5
	want[`pinfold_pool_cells{kind="nodejs22.x"}`] = 2
	want[`pinfold_pool_memory_bytes{}`] = 300 << 20
	want[`pinfold_pool_evictions_total{}`] = 7
	want[`pinfold_records_dropped_total{}`] = 8
	want[`pinfold_traces_dropped_total{}`] = 10
	want[`pinfold_metering_failing{}`] = 1
	got := gather(t, m)
	for name, n := range want {
		if value(got[name]) != n {
			t.Errorf("%s is %v, want %v", name, value(got[name]), n)
		}
	}
	if h := got[`pinfold_function_duration_seconds{function="a"}`].GetHistogram(); h.Schema == nil || len(h.GetBucket()) > 0 {
		t.Errorf("it is no native histogram: %v", h)
	}
}

// TestBounds sends more functions and types of errors than there may be, and
// names that are not text.
func TestBounds(t *testing.T) {
	m := New(Config{Functions: 3, ErrorTypes: 2})
	for i := range 10 {
		e := execution(function(fmt.Sprint("f", i)))
		m.Executed(e)
	}
	e := execution(function("f0"))
	e.Status = "error"
	for _, name := range []string{"A", "B", "C", "D", "A", strings.Repeat("x", 1000), "\xff\xfe"} {
		e.Failure = name
		m.Executed(e)
	}
	e.Failure, e.Billed, e.BytesOut = "\xffA", -1, -1 // is A
	m.Executed(e)
	got := gather(t, m)
	for name, want := range map[string]float64{
		`pinfold_function_invocations_total{function="f2",status="ok"}`:    1,
		`pinfold_function_invocations_total{function="f3",status="ok"}`:    -1,
		`pinfold_function_invocations_total{function="other",status="ok"}`: 7,
		`pinfold_function_errors_total{function="f0",type="A"}`:            3,
		`pinfold_function_errors_total{function="f0",type="B"}`:            1,
		`pinfold_function_errors_total{function="f0",type="C"}`:            -1,
		`pinfold_function_errors_total{function="f0",type="other"}`:        4,
	} {
		if value(got[name]) != want {
			t.Errorf("%s is %v, want %v", name, value(got[name]), want)
		}
	}
}

// TestGone lets a day pass for one of two functions.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		gone, stays := execution(function("gone")), execution(function("stays"))
		gone.Cold, gone.Failure = pinfold.ColdFirst, "TypeError"
		m.Executed(gone)
		for range 13 {
			m.Executed(stays)
			time.Sleep(2 * time.Hour)
			m.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
		}
		for name := range gather(t, m) {
			if strings.Contains(name, `"gone"`) {
				t.Errorf("there is %s", name)
			}
		}
		m.Executed(gone)
		got := gather(t, m)
		for name, want := range map[string]float64{`"gone",status="error"`: 1, `"stays",status="ok"`: 13} {
			if n := value(got[`pinfold_function_invocations_total{function=`+name+`}`]); n != want {
				t.Errorf("%s has %v, want %v", name, n, want)
			}
		}
	})
}

func TestHandler(t *testing.T) {
	m := New(Config{Platform: full()})
	m.Executed(execution(function("a")))
	m.LogWrite.Observe(0.001)
	for accept, want := range map[string]string{
		"": `pinfold_function_invocations_total{function="a",status="ok"} 1`,
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": "pinfold_function_duration_seconds",
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		m.Handler().ServeHTTP(w, r)
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %d\n%s", accept, w.Code, w.Body)
		}
	}
}

// TestDashboard holds the dashboard to metrics that there are.
func TestDashboard(t *testing.T) {
	m := New(Config{Platform: full()})
	e := execution(function("a"))
	e.Cold, e.Status, e.Failure = pinfold.ColdFirst, "error", "TypeError"
	m.Executed(e)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exists, used := map[string]bool{}, map[string]bool{}
	for _, f := range families {
		exists[f.GetName()] = true
	}
	text, err := os.ReadFile("../../docs/grafana/pinfold.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\b(?:pinfold|go|process)_\w+`)
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			for _, name := range names.FindAllString(target.Expr, -1) {
				if used[name] = true; !exists[name] {
					t.Errorf("panel %q is of %s, which there is not", panel.Title, name)
				}
			}
		}
	}
	for name := range exists {
		if strings.HasPrefix(name, "pinfold_") && !used[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func BenchmarkExecuted(b *testing.B) {
	m := New(Config{})
	e := execution(function("a"))
	b.ReportAllocs()
	for b.Loop() {
		m.Executed(e)
	}
}

func BenchmarkExecutedParallel(b *testing.B) {
	m := New(Config{})
	e := execution(function("a"))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Executed(e)
		}
	})
}
