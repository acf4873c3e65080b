package trace

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"pinfold.dev/pinfold"
)

// receiver is a collector: what came, and what it answers.
type receiver struct {
	mu       sync.Mutex
	requests []*collectorpb.ExportTraceServiceRequest
	key      string // as it came in the header X-Api-Key
	rejects  int64
	fails    error // of gRPC
}

func (r *receiver) export(request *collectorpb.ExportTraceServiceRequest, key string) *collectorpb.ExportTraceServiceResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.key = append(r.requests, request), key
	reply := &collectorpb.ExportTraceServiceResponse{}
	if r.rejects > 0 {
		reply.PartialSuccess = &collectorpb.ExportTracePartialSuccess{RejectedSpans: r.rejects, ErrorMessage: "too old"}
	}
	return reply
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	var request collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil || q.Method != "POST" || q.URL.Path != "/v1/traces" || q.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	reply, _ := proto.Marshal(r.export(&request, q.Header.Get("X-Api-Key")))
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(reply)
}

// serveGRPC serves r as OTLP's trace service, by the real gRPC server.
func serveGRPC(t *testing.T, r *receiver, options ...grpc.ServerOption) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	export := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var request collectorpb.ExportTraceServiceRequest
		if err := decode(&request); err != nil {
			return nil, err
		}
		if r.fails != nil {
			return nil, r.fails
		}
		md, _ := metadata.FromIncomingContext(ctx)
		return r.export(&request, strings.Join(md.Get("x-api-key"), "")), nil
	}
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: export}},
	}, r)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// TestCollectors sends a trace to real receivers.
func TestCollectors(t *testing.T) {
	for _, scheme := range []string{"http", "https", "grpc", "grpcs"} {
		t.Run(scheme, func(t *testing.T) {
			r := &receiver{rejects: 2}
			c := Collector{Headers: map[string]string{"x-api-key": "secret"}}
			encrypted := httptest.NewTLSServer(r)
			defer encrypted.Close()
			trusted := x509.NewCertPool()
			trusted.AddCert(encrypted.Certificate())
			c.TLS = &tls.Config{RootCAs: trusted}
			switch scheme {
			case "http":
				plain := httptest.NewServer(r)
				defer plain.Close()
				c.Endpoint = plain.URL
			case "https":
				c.Endpoint = encrypted.URL + "/"
			case "grpc":
				c.Endpoint = "grpc://" + serveGRPC(t, r)
			case "grpcs":
				c.Endpoint = "grpcs://" + serveGRPC(t, r, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: encrypted.TLS.Certificates})))
			}
			e, err := NewExporter(ExporterConfig{Collector: c, Site: Site{Region: "us-east-1"}})
			if err != nil {
				t.Fatal(err)
			}
			e.Send(aTrace(time.Unix(1_800_000_000, 0)))
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := e.Stats(); got != (ExporterStats{Sent: 4, Rejected: 2}) {
				t.Errorf("%+v", got)
			}
			if len(r.requests) != 1 || r.key != "secret" {
				t.Fatalf("%d requests with the key %q", len(r.requests), r.key)
			}
			names := make(map[string]bool)
			for _, r := range r.requests[0].ResourceSpans {
				for _, s := range r.ScopeSpans[0].Spans {
					names[s.Name] = true
				}
			}
			if got := strings.Join(slices.Sorted(maps.Keys(names)), " "); got != "boot fetch handler init lambda.Invoke order place price queue sandbox" {
				t.Errorf("spans: %s", got)
			}
		})
	}
}

// TestRefusals is which answers are worth another attempt.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		status int
		header string
		again  bool
		after  time.Duration
	}{
		{400, "", false, 0}, {401, "", false, 0}, {404, "", false, 0}, {500, "", false, 0}, {307, "", false, 0},
		{429, "", true, 0}, {502, "", true, 0}, {503, "7", true, 7 * time.Second}, {504, "soon", true, 0}, {503, "-7", true, 0},
		{503, "Mon, 02 Jan 2006 15:04:05 GMT", true, 0},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", tc.header)
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(tc.status)
		}))
		err := post(t, s.URL)
		s.Close()
		r, again := err.(*retry)
		if err == nil || again != tc.again || again && max(0, r.after) != tc.after {
			t.Errorf("%d %q: %v, again %v", tc.status, tc.header, err, again)
		}
	}
	for code, again := range map[codes.Code]bool{
		codes.Unauthenticated: false, codes.InvalidArgument: false, codes.Unimplemented: false, codes.Internal: false,
		codes.Unavailable: true, codes.ResourceExhausted: true, codes.DeadlineExceeded: true, codes.DataLoss: true,
	} {
		err := post(t, "grpc://"+serveGRPC(t, &receiver{fails: status.Error(code, "no, über all")}))
		if _, got := err.(*retry); err == nil || got != again || !strings.Contains(err.Error(), "no, über all") {
			t.Errorf("%v: %v, again %v", code, err, got)
		}
	}
	if err := post(t, "http://127.0.0.1:1"); err == nil {
		t.Error("nobody is there")
	}
	// gRPC to what speaks HTTP only.
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if err := post(t, strings.Replace(s.URL, "http", "grpc", 1)); err == nil {
		t.Error("not gRPC")
	}
}

func post(t *testing.T, endpoint string) error {
	t.Helper()
	p, err := Collector{Endpoint: endpoint}.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer p.hangUp()
	_, err = p.post(t.Context(), &collectorpb.ExportTraceServiceRequest{})
	return err
}

func TestEndpoints(t *testing.T) {
	for _, bad := range []string{"", "localhost:4317", "://", "ftp://host", "http://", "/v1/traces", "http://[::1"} {
		if _, err := NewExporter(ExporterConfig{Collector: Collector{Endpoint: bad}}); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for endpoint, want := range map[string]string{
		"http://host:4318":          "http://host:4318/v1/traces",
		"https://host/":             "https://host/v1/traces",
		"https://host/otlp/v1/here": "https://host/otlp/v1/here",
		"grpc://host:4317":          "http://host:4317" + grpcPath,
		"grpcs://host:4317":         "https://host:4317" + grpcPath,
	} {
		if p, err := (Collector{Endpoint: endpoint}).dial(); err != nil || p.url != want {
			t.Errorf("%s: %v, %v", endpoint, p, err)
		}
	}
}
