package platform

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/invoke"
	"pinfold.dev/pinfold/internal/meter"
	"pinfold.dev/pinfold/internal/metrics"
	"pinfold.dev/pinfold/internal/record"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/trace"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// accounts is what is kept of every invocation: a record, what it is metered with,
// and metrics.
type accounts struct {
	records  *record.Store
	writer   *record.Writer
	meter    *meter.Meter
	prices   meter.Prices
	metrics  *metrics.Metrics
	recorder *trace.Recorder
	exporter *trace.Exporter // nil where there is no collector
	wanted   bool            // records: they are kept, or sent to a collector
}

// flushTimeout is how long records are waited for that are not stored yet when the
// platform stops.
const flushTimeout = 5 * time.Second

func (p *Platform) openAccounts(context.Context) error {
	var err error
	if p.prices, err = loadPrices(p.config.Prices); err != nil {
		return err
	}
	dir, err := p.folder.sub("records")
	if err != nil {
		return err
	}
	if p.records, err = record.Open(record.Config{Dir: dir, Log: p.log}); err != nil {
		return err
	}
	p.closing(p.records.Close)
	sampler, err := p.openExport()
	if err != nil {
		return err
	}
	to := stored{sampler: sampler}
	if p.config.RecordDays > 0 {
		to.store = p.records
	}
	p.wanted = to != stored{}
	p.writer = record.NewWriter(to, 0, p.log)
	p.closing(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		return p.writer.Close(ctx)
	})
	if dir, err = p.folder.sub("metering"); err != nil {
		return err
	}
	if p.meter, err = meter.Open(meter.Config{Dir: dir, Owner: p.owner, Log: p.log}); err != nil {
		return err
	}
	p.closing(p.meter.Close)
	p.closing(func() error { // when no instance is left
		if p.recorder == nil {
			return nil
		}
		return p.recorder.Close()
	})
	return nil
}

// openMetrics makes room for what is measured from the first moment on. Nobody reads
// it, and asks the platform, before that runs.
func (p *Platform) openMetrics(context.Context) error {
	p.metrics = metrics.New(metrics.Config{Platform: metrics.Platform{
		Pool: p.poolMetrics, Functions: p.functionMetrics,
		RecordsDropped: func() uint64 { return p.writer.Dropped() }, LogLinesDropped: func() uint64 { return p.logs.Dropped() },
		TracesDropped: p.tracesDropped, MeteringFails: func() bool { return p.meter.Health() != nil },
		Events: p.eventMetrics(),
	}})
	return nil
}

// openExport has traces sent to a collector, if there is one to be.
func (p *Platform) openExport() (*trace.Sampler, error) {
	if p.config.OTLPEndpoint == "" {
		return nil, nil
	}
	headers := map[string]string{}
	for _, header := range strings.FieldsFunc(p.config.OTLPHeaders, func(r rune) bool { return r == ',' }) {
		name, value, ok := strings.Cut(header, "=")
		if !ok {
			return nil, pinfold.Errorf(pinfold.Invalid, "otlpHeaders: %q is not name=value", header)
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	exporter, err := trace.NewExporter(trace.ExporterConfig{
		Collector: trace.Collector{Endpoint: p.config.OTLPEndpoint, Headers: headers},
		Site:      trace.Site{Account: p.config.Account, Region: p.config.Region, Version: Version()}, Log: p.log,
	})
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "otlpEndpoint: %w", err)
	}
	p.closing(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := exporter.Close(ctx); err != nil {
			p.log.Warn("sending the last traces", "error", err) // nothing that the platform needs
		}
		return nil
	})
	p.exporter = exporter
	sampler := trace.NewSampler(trace.SamplerConfig{Share: p.config.TraceShare}, exporter.Send)
	p.closing(sampler.Close)
	return sampler, nil
}

// stored is where records go: to the store, and on to a collector.
type stored struct {
	store   *record.Store  // nil where none are kept
	sampler *trace.Sampler // nil where there is no collector
}

func (s stored) Append(ctx context.Context, records []pinfold.Record) error {
	if s.store != nil {
		if err := s.store.Append(ctx, records); err != nil {
			return err
		}
	}
	if s.sampler != nil {
		s.sampler.PutAll(records)
	}
	return nil
}

// finder finds records, where any are kept.
type finder struct{ p *Platform }

func (f finder) Query(ctx context.Context, q pinfold.RecordQuery) iter.Seq2[pinfold.Record, error] {
	if f.p.config.RecordDays == 0 {
		return func(yield func(pinfold.Record, error) bool) {
			yield(pinfold.Record{}, pinfold.Errorf(pinfold.Unavailable, "no records of invocations are kept: recordDays is 0 in the configuration"))
		}
	}
	return f.p.records.Query(ctx, q)
}

// Put takes in a record that the recorder will use again.
func (a *accounts) Put(r *pinfold.Record) {
	if r.Status == "throttled" && r.Service == "" { // or else it is another function that was
		a.metrics.Throttled(r.Function)
	}
	if a.wanted {
		a.writer.Put(r)
	}
}

// recorded is an invoker that leaves records.
type recorded struct {
	*trace.Recorder
	under *invoke.Invoker
}

// DryRun leaves none.
func (r recorded) DryRun(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Version, error) {
	return r.under.DryRun(ctx, inv)
}

func (p *Platform) recording(under *invoke.Invoker) recorded {
	p.recorder = trace.New(under, &p.accounts, p.meter, p.metrics)
	return recorded{p.recorder, under}
}

// traced has calls that functions make to the platform's services recorded.
func (p *Platform) traced(by protocol.Caller, service string) (header string, done func(operation string, failed *protocol.Error)) {
	if by.Principal.Kind != pinfold.Role {
		return by.TraceID, nil
	}
	call := trace.Begin(by.TraceID, service, "")
	call.Record.Function = path.Base(by.Principal.ARN) // the session is named after it
	call.Record.RequestID, call.Record.Caller, call.Record.TraceState = by.RequestID, by.Principal.ARN, by.TraceState
	return call.Header, func(operation string, failed *protocol.Error) {
		call.Record.Operation = operation
		var err error
		if failed != nil {
			code, known := codes[failed.Status]
			if !known && failed.Status >= http.StatusInternalServerError {
				code = pinfold.Internal
			}
			err = pinfold.Errorf(cmp.Or(code, pinfold.Invalid), "%s", failed.Message).WithReason(failed.Code)
		}
		call.End(&p.accounts, err)
	}
}

// codes are those of errors by their status on the wire.
var codes = map[int]pinfold.Code{
	http.StatusForbidden: pinfold.Denied, http.StatusNotFound: pinfold.NotFound, http.StatusConflict: pinfold.Conflict,
	http.StatusTooManyRequests: pinfold.Throttled, http.StatusRequestEntityTooLarge: pinfold.TooLarge,
	http.StatusNotImplemented: pinfold.Unserved, http.StatusServiceUnavailable: pinfold.Unavailable, http.StatusGatewayTimeout: pinfold.Timeout,
}

// owner tells the meter whose a function is.
func (p *Platform) owner(ref pinfold.FunctionRef) (app string, tags map[string]string) {
	f, err := p.functions.Get(p.stopping, ref.With(""))
	if err != nil {
		return "", nil
	}
	if owners, err := p.owners(p.stopping); err == nil {
		app = owners[ref.Name]
	}
	return app, f.Function.Tags
}

func (p *Platform) poolMetrics() metrics.Pool {
	t := p.pool.Totals()
	return metrics.Pool{
		Instances: t.Instances, Cells: t.Cells, InFlight: t.InFlight, Waiting: t.Waiting, Limit: t.Limit,
		MemoryMB: t.MemoryMB, BudgetMB: t.BudgetMB, Evictions: t.Evicted,
	}
}

func (p *Platform) functionMetrics() []metrics.Function {
	var all []metrics.Function
	for _, l := range p.pool.Load() {
		all = append(all, metrics.Function{Name: l.Function.Name, Running: l.Running, Waiting: l.Waiting})
	}
	return all
}

func (p *Platform) tracesDropped() uint64 {
	if p.exporter == nil {
		return 0
	}
	return uint64(p.exporter.Stats().Dropped)
}

// health is what goes wrong with the accounts.
func (p *Platform) health() client.Health {
	h := client.Health{RecordsDropped: p.writer.Dropped(), LogLinesDropped: p.logs.Dropped(), TracesDropped: p.tracesDropped()}
	if err := p.meter.Health(); err != nil {
		h.Metering = err.Error()
	}
	if p.exporter != nil {
		h.Collector = p.exporter.Stats().Failing
	}
	return h
}

// timed is the control state, whose transactions are in the metrics.
type timed struct {
	store.Control
	p *Platform
}

func (t timed) Update(ctx context.Context, fn func(store.Tx) error) error {
	began := time.Now()
	err := t.Control.Update(ctx, fn)
	if err == nil {
		t.p.metrics.StoreCommit.Observe(time.Since(began).Seconds())
	}
	return err
}

func (p *Platform) wroteLogs(took time.Duration) {
	p.metrics.LogWrite.Observe(took.Seconds())
}

func (p *Platform) storedEvents(took time.Duration) {
	p.metrics.EventAppend.Observe(took.Seconds())
}

// serveMetrics answers Prometheus until ctx ends.
func (p *Platform) serveMetrics(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.metrics.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return pinfold.Errorf(pinfold.Unavailable, "serving metrics on %s: %w", l.Addr(), err)
	}
	return nil
}

// megabytes returns so many in bytes, or the highest number.
func megabytes(n int) int64 { return min(int64(n), math.MaxInt64>>20) << 20 }

// trimRecords gives back the disk of records that are too old, or too many.
func (p *Platform) trimRecords(ctx context.Context) {
	before := p.clock.Now().UTC().AddDate(0, 0, -min(p.config.RecordDays, 1_000_000)) // which is for ever
	if err := p.records.Trim(ctx, before, megabytes(p.config.RecordMB)); err != nil && ctx.Err() == nil {
		p.log.Error("could not delete old records of invocations", "error", err)
	}
}
