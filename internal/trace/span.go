package trace

import (
	"encoding/binary"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"pinfold.dev/pinfold"
)

// schema is the version of OpenTelemetry's semantic conventions whose names are
// used here: "FaaS spans", "FaaS resource", "AWS SDK client spans", "Cloud".
const schema = "https://opentelemetry.io/schemas/1.37.0"

// Site is where a platform is, as its spans say.
type Site struct {
	Account, Region string
	Version         string            // of the platform
	Attributes      map[string]string // others that all spans are to have: "deployment.environment.name"
}

// Spans makes spans of records. An invocation becomes a server's span with one
// below it for each phase, among them "handler": that is the one whose id the
// function gets, so what it calls comes below. A call becomes a client's span.
func Spans(records []pinfold.Record, at Site) []*tracepb.ResourceSpans {
	type runs struct{ function, version, instance string }
	found := make(map[runs]*tracepb.ScopeSpans)
	var all []*tracepb.ResourceSpans
	for i := range records {
		r := &records[i]
		scope := found[runs{r.Function, r.Version, r.Instance}]
		if scope == nil {
			scope = &tracepb.ScopeSpans{
				Scope:     &commonpb.InstrumentationScope{Name: "pinfold.dev/pinfold", Version: at.Version},
				SchemaUrl: schema,
			}
			found[runs{r.Function, r.Version, r.Instance}] = scope
			all = append(all, &tracepb.ResourceSpans{
				Resource: at.resource(r), ScopeSpans: []*tracepb.ScopeSpans{scope}, SchemaUrl: schema,
			})
		}
		if r.Service != "" {
			scope.Spans = append(scope.Spans, callSpan(r, at))
		} else {
			scope.Spans = append(scope.Spans, invocationSpans(r, at)...)
		}
	}
	return all
}

// resource is what all spans of an instance have in common or, where there was
// none, of a version.
func (at Site) resource(r *pinfold.Record) *resourcepb.Resource {
	a := attributes{}
	a.text("service.name", r.Function)
	a.text("service.version", r.Version)
	a.text("cloud.provider", "pinfold")
	a.text("cloud.platform", "pinfold")
	a.text("cloud.account.id", at.Account)
	a.text("cloud.region", at.Region)
	a.text("cloud.resource_id", at.arn(r))
	a.text("faas.name", r.Function)
	a.text("faas.version", r.Version)
	a.text("faas.instance", r.Instance)
	if r.Instance != "" {
		a.number("faas.max_memory", int64(r.MemoryMB)<<20)
	}
	for name, value := range at.Attributes {
		a.text(name, value)
	}
	return &resourcepb.Resource{Attributes: a}
}

// arn names the version that a record is of.
func (at Site) arn(r *pinfold.Record) string {
	return pinfold.FunctionRef{Account: at.Account, Region: at.Region, Name: r.Function, Qualifier: r.Version}.ARN()
}

// phase is a part of an invocation's time.
type phase struct {
	name string
	took time.Duration
}

// worthASpan is how long the platform must have been busy for that to be drawn.
const worthASpan = time.Millisecond

// waited are the phases before the handler, in their order.
func waited(r *pinfold.Record) [6]phase {
	return [...]phase{
		{"queue", r.Queue}, {"place", r.Place}, {"fetch", r.Fetch}, {"sandbox", r.Sandbox}, {"boot", r.Boot}, {"init", r.Init},
	}
}

// invocationSpans are the spans of an invocation, the one around all first.
func invocationSpans(r *pinfold.Record, at Site) []*tracepb.Span {
	whole := span(r, derive(r.Span, 0), r.Parent, r.Function, tracepb.Span_SPAN_KIND_SERVER)
	a := make(attributes, 0, 20)
	a.text("faas.trigger", trigger(r.Trigger))
	a.route(r.Source)
	a.text("faas.invocation_id", r.RequestID)
	a.flag("faas.coldstart", r.Cold != pinfold.Warm)
	a.text("cloud.resource_id", at.arn(r))
	a.text("pinfold.alias", r.Alias)
	a.text("pinfold.trigger", r.Trigger)
	a.text("pinfold.trigger.source", r.Source)
	a.text("pinfold.caller", r.Caller)
	a.text("pinfold.coldstart.reason", string(r.Cold))
	a.text("pinfold.error.fingerprint", r.Fingerprint)
	a.number("pinfold.billed_ms", r.Billed.Milliseconds())
	a.number("pinfold.cpu_us", r.CPU.Microseconds())
	a.number("pinfold.memory.peak", int64(r.PeakMB)<<20)
	a.number("pinfold.request.size", r.BytesIn)
	a.number("pinfold.response.size", r.BytesOut)
	fail(whole, &a, r)
	whole.Attributes = a

	spans := append(make([]*tracepb.Span, 0, 4), whole)
	from := r.Time
	part := func(id pinfold.SpanID, name string, took time.Duration) *tracepb.Span {
		s := span(r, id, derive(r.Span, 0), name, tracepb.Span_SPAN_KIND_INTERNAL)
		s.StartTimeUnixNano = nano(from)
		from = from.Add(took)
		s.EndTimeUnixNano = nano(from)
		return s
	}
	for i, p := range waited(r) {
		if p.took > 0 && (p.name != "place" || p.took >= worthASpan) {
			spans = append(spans, part(derive(r.Span, uint64(i)+1), p.name, p.took))
		} else {
			from = from.Add(p.took)
		}
	}
	if r.Instance != "" {
		s := part(r.Span, "handler", r.Handler)
		a = make(attributes, 0, 2)
		a.text("faas.invocation_id", r.RequestID)
		fail(s, &a, r)
		s.Attributes = a
		spans = append(spans, s)
	}
	whole.EndTimeUnixNano = nano(from.Add(r.Response))
	return spans
}

func callSpan(r *pinfold.Record, at Site) *tracepb.Span {
	s := span(r, r.Span, r.Parent, r.Service+"."+r.Operation, tracepb.Span_SPAN_KIND_CLIENT)
	s.EndTimeUnixNano = nano(r.Time.Add(r.Handler))
	a := attributes{}
	a.text("rpc.system", "aws-api")
	a.text("rpc.service", r.Service)
	a.text("rpc.method", r.Operation)
	a.text("aws.request_id", r.RequestID)
	a.text("cloud.region", at.Region)
	fail(s, &a, r)
	s.Attributes = a
	return s
}

func span(r *pinfold.Record, id, parent pinfold.SpanID, name string, kind tracepb.Span_SpanKind) *tracepb.Span {
	ids := make([]byte, 0, len(r.Trace)+2*len(id)) // of all, made at once
	ids = append(append(append(ids, r.Trace[:]...), id[:]...), parent[:]...)
	s := &tracepb.Span{
		TraceId: ids[:16], SpanId: ids[16:24], Name: strings.ToValidUTF8(name, "\uFFFD"), Kind: kind,
		StartTimeUnixNano: nano(r.Time), TraceState: r.TraceState,
	}
	if parent != (pinfold.SpanID{}) {
		s.ParentSpanId = ids[24:]
	}
	return s
}

// fail marks the span of what failed.
func fail(s *tracepb.Span, a *attributes, r *pinfold.Record) {
	if r.Status == "ok" {
		return
	}
	kind := r.ErrorType
	if kind == "" {
		kind = r.Status
	}
	a.text("error.type", kind)
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: strings.ToValidUTF8(r.Status, "\uFFFD")}
}

// derive makes an id of another, always the same, so that spans can be made of a
// record at any time (the finalizer of SplitMix64: Steele, Lea, Flood, 2014).
func derive(id pinfold.SpanID, n uint64) pinfold.SpanID {
	x := binary.BigEndian.Uint64(id[:]) + (n+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	binary.BigEndian.PutUint64(id[:], max(1, x^x>>31))
	return id
}

// trigger is what OpenTelemetry calls a kind of trigger.
func trigger(kind string) string {
	switch kind {
	case "http", "rest", "url":
		return "http"
	case "queue", "topic", "bus", "stream":
		return "pubsub"
	case "timer", "schedule":
		return "timer"
	case "bucket", "table":
		return "datasource"
	}
	return "other"
}

// route adds what is known of the request where an HTTP or REST API is the trigger:
// the method and path of its route, "arn:aws:execute-api:R:A:API/STAGE/METHOD/PATH".
// Source: "HTTP server span", OpenTelemetry's semantic conventions.
func (a *attributes) route(source string) {
	arn, ok := pinfold.ParseARN(source)
	parts := strings.SplitN(arn.Resource, "/", 4)
	if !ok || arn.Service != "execute-api" || len(parts) != 4 {
		return
	}
	if parts[2] != "ANY" {
		a.text("http.request.method", parts[2])
	}
	a.text("http.route", "/"+parts[3])
}

func nano(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

// attributes are those of a span.
type attributes []*commonpb.KeyValue

// text adds a text, unless it is empty. Protocol Buffers refuse a message with one
// that is not UTF-8, and types of errors are the function's to choose.
func (a *attributes) text(key, value string) {
	if value != "" {
		one := new(struct { // made at once: a record has two dozen
			commonpb.KeyValue
			any  commonpb.AnyValue
			text commonpb.AnyValue_StringValue
		})
		one.Key, one.Value = key, &one.any
		one.any.Value = &one.text
		one.text.StringValue = strings.ToValidUTF8(value, "\uFFFD")
		*a = append(*a, &one.KeyValue)
	}
}

func (a *attributes) number(key string, value int64) {
	one := new(struct {
		commonpb.KeyValue
		any    commonpb.AnyValue
		number commonpb.AnyValue_IntValue
	})
	one.Key, one.Value = key, &one.any
	one.any.Value = &one.number
	one.number.IntValue = value
	*a = append(*a, &one.KeyValue)
}

func (a *attributes) flag(key string, value bool) {
	*a = append(*a, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: value}}})
}
