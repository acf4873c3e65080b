package trace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"pinfold.dev/pinfold"
)

// aTrace is one: order, cold, calls price, which fails, and again, which is refused.
func aTrace(at time.Time) []pinfold.Record {
	ms := time.Millisecond
	trace := pinfold.TraceID{0x67, 0x89, 0x12, 0x33, 15: 1}
	order := pinfold.Record{
		Time: at, RequestID: "r1", Trace: trace, Span: pinfold.SpanID{1}, Parent: pinfold.SpanID{9}, Function: "order", Version: "7", Alias: "live", Trigger: "http", Source: "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/$default/GET/orders/{id}",
		Status: "ok", Queue: ms, Place: 100 * time.Microsecond, Fetch: 2 * ms, Sandbox: 3 * ms, Boot: 40 * ms, Init: 12 * ms, Handler: 200 * ms, Response: ms,
		Billed: 212 * ms, MemoryMB: 128, PeakMB: 64, Cold: pinfold.ColdFirst, Instance: "i1",
	}
	call := pinfold.Record{
		Time: at.Add(100 * ms), RequestID: "r2", Trace: trace, Span: pinfold.SpanID{2}, Parent: order.Span, Function: "order", Version: "7",
		Service: "lambda", Operation: "Invoke", Status: "ok", Handler: 30 * ms,
	}
	price := pinfold.Record{
		Time: at.Add(102 * ms), RequestID: "r2", Trace: trace, Span: pinfold.SpanID{3}, Parent: call.Span, Function: "price", Version: "$LATEST", Trigger: "api",
		Status: "error", ErrorType: "TypeError", Fingerprint: "f", Place: 2 * ms, Handler: 20 * ms, Response: ms, MemoryMB: 128, Instance: "i2",
	}
	refused := pinfold.Record{
		Time: at.Add(150 * ms), RequestID: "r3", Trace: trace, Span: pinfold.SpanID{4}, Parent: order.Span, Function: "price", Status: "throttled", ErrorType: "TooManyRequestsException", Queue: 5 * ms,
	}
	return []pinfold.Record{price, call, refused, order}
}

// drawn is a span for comparing.
func drawn(s *tracepb.Span, at time.Time) string {
	text := fmt.Sprintf("%v-%v %s", time.Duration(s.StartTimeUnixNano-nano(at)), time.Duration(s.EndTimeUnixNano-nano(at)), s.Kind.String()[10:])
	for _, a := range s.Attributes {
		switch a.Key {
		case "faas.coldstart", "faas.trigger", "http.request.method", "http.route", "error.type", "cloud.resource_id", "rpc.method", "rpc.service", "rpc.system":
			text += fmt.Sprintf(" %s=%v", a.Key, plain(a.Value))
		}
	}
	if s.Status != nil {
		text += fmt.Sprintf(" %s: %s", s.Status.Code.String()[12:], s.Status.Message)
	}
	return text
}

func plain(v *commonpb.AnyValue) any {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	}
	return nil
}

func TestSpans(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	all := Spans(aTrace(at), Site{Account: "000000000000", Region: "us-east-1", Attributes: map[string]string{"deployment.environment.name": "test"}})
	spans := make(map[string]*tracepb.Span)
	var resources []string
	for _, r := range all {
		attributes := make(map[string]any)
		for _, a := range r.Resource.Attributes {
			attributes[a.Key] = plain(a.Value)
		}
		resources = append(resources, fmt.Sprintf("%v %v %v %v %v %v", attributes["faas.name"], attributes["faas.version"], attributes["service.name"],
			attributes["faas.instance"], attributes["faas.max_memory"], attributes["deployment.environment.name"]))
		for _, s := range r.ScopeSpans[0].Spans {
			if id := string(s.SpanId); len(id) != 8 || spans[id] != nil || len(s.TraceId) != 16 {
				t.Errorf("span %x of trace %x", s.SpanId, s.TraceId)
			}
			spans[string(s.SpanId)] = s
		}
	}
	got := make(map[string]string)
	for _, s := range spans {
		path := s.Name
		for p := spans[string(s.ParentSpanId)]; p != nil; p = spans[string(p.ParentSpanId)] {
			path = p.Name + "/" + path
		}
		got[path] = drawn(s, at)
	}
	want := map[string]string{
		"order":                             "0s-259.1ms SERVER faas.trigger=http http.request.method=GET http.route=/orders/{id} faas.coldstart=true cloud.resource_id=arn:aws:lambda:us-east-1:000000000000:function:order:7",
		"order/queue":                       "0s-1ms INTERNAL",
		"order/fetch":                       "1.1ms-3.1ms INTERNAL",
		"order/sandbox":                     "3.1ms-6.1ms INTERNAL",
		"order/boot":                        "6.1ms-46.1ms INTERNAL",
		"order/init":                        "46.1ms-58.1ms INTERNAL",
		"order/handler":                     "58.1ms-258.1ms INTERNAL",
		"order/handler/lambda.Invoke":       "100ms-130ms CLIENT rpc.system=aws-api rpc.service=lambda rpc.method=Invoke",
		"order/handler/lambda.Invoke/price": "102ms-125ms SERVER faas.trigger=other faas.coldstart=false cloud.resource_id=arn:aws:lambda:us-east-1:000000000000:function:price:$LATEST error.type=TypeError ERROR: error",
		"order/handler/lambda.Invoke/price/place":   "102ms-104ms INTERNAL",
		"order/handler/price":                       "150ms-155ms SERVER faas.trigger=other faas.coldstart=false cloud.resource_id=arn:aws:lambda:us-east-1:000000000000:function:price error.type=TooManyRequestsException ERROR: throttled",
		"order/handler/price/queue":                 "150ms-155ms INTERNAL",
		"order/handler/lambda.Invoke/price/handler": "104ms-124ms INTERNAL error.type=TypeError ERROR: error",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"price $LATEST price i2 134217728 test", "order 7 order <nil> <nil> test", "price <nil> price <nil> <nil> test", "order 7 order i1 134217728 test"}, resources); diff != "" {
		t.Error(diff)
	}
}

// TestSpansAreAlwaysTheSame: they are made again where a trace is sent late.
func TestSpansAreAlwaysTheSame(t *testing.T) {
	a, b := derive(pinfold.SpanID{7}, 3), derive(pinfold.SpanID{7}, 3)
	if a != b || a == derive(pinfold.SpanID{7}, 2) || a == derive(pinfold.SpanID{8}, 3) || a == (pinfold.SpanID{}) {
		t.Errorf("%x, %x", a, b)
	}
}

// TestSpansOfNonsense: one record must not keep a batch from being sent.
func TestSpansOfNonsense(t *testing.T) {
	bad := "\xff"
	records := []pinfold.Record{
		{Function: bad, Version: bad, Alias: bad, Trigger: bad, Source: bad, Caller: bad, Status: bad, ErrorType: bad, Fingerprint: bad, RequestID: bad, Instance: bad, Cold: pinfold.ColdReason(bad), Handler: -1},
		{Service: bad, Operation: bad, RequestID: bad, Status: "error", ErrorType: bad},
	}
	if _, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: Spans(records, Site{})}); err != nil {
		t.Error(err)
	}
}

func BenchmarkSpans(b *testing.B) {
	records := aTrace(time.Unix(1_800_000_000, 0))
	b.ReportAllocs()
	for b.Loop() {
		Spans(records, Site{Account: "000000000000", Region: "us-east-1"})
	}
}

func TestRouteOfASpan(t *testing.T) {
	for source, want := range map[string]string{
		"": "", "nonsense": "", "arn:aws:lambda:r:0:function:f": "", "arn:aws:execute-api:r:0:": "", "arn:aws:execute-api:r:0:a/$default/ANY$default": "",
		"arn:aws:execute-api:r:0:a/$default/GET/a/{b}": "http.request.method=GET http.route=/a/{b}",
		"arn:aws:execute-api:r:0:a/dev/ANY/a":          "http.route=/a",
		"arn:aws:execute-api:r:0:a/dev/GET/":           "http.request.method=GET http.route=/",
	} {
		var a attributes
		a.route(source)
		var got []string
		for _, at := range a {
			got = append(got, fmt.Sprint(at.Key, "=", plain(at.Value)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}
