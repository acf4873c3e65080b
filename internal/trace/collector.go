package trace

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"pinfold.dev/pinfold"
)

// Collector is where spans are sent to, by OTLP.
type Collector struct {
	// Endpoint says by its scheme how: "http", "https" (to the path /v1/traces, if
	// it has none), "grpc" (without TLS) or "grpcs". "grpc://localhost:4317".
	Endpoint string
	Headers  map[string]string // as authorisation
	TLS      *tls.Config       // nil: the system's authorities are trusted
	Timeout  time.Duration     // of one request; default 10 s
}

// maxReply is how much of a collector's answer is read.
const maxReply = 64 << 10

// grpcPath is the method's path. Source: trace_service.proto, OTLP.
const grpcPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// retry is an error that may pass.
type retry struct {
	err   error
	after time.Duration // not before; 0: the collector did not say
}

func (r *retry) Error() string { return r.err.Error() }
func (r *retry) Unwrap() error { return r.err }

// dial returns what sends requests. A unary call of gRPC is a POST by HTTP/2 with
// five bytes before the message and a status after the answer, so both ways are
// one client of net/http. It makes no connection yet.
func (c Collector) dial() (*poster, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" {
		return nil, pinfold.Errorf(pinfold.Invalid, "%q is no address of a collector: use http://HOST:4318, https://HOST:4318, grpc://HOST:4317 or grpcs://HOST:4317", c.Endpoint)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.TLS, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	p := &poster{client: &http.Client{
		Transport: transport, Timeout: cmp.Or(c.Timeout, 10*time.Second),
		// A header may hold a key, which is this host's only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, header: http.Header{"User-Agent": {"Pinfold"}, "Content-Type": {"application/x-protobuf"}}}
	switch u.Scheme {
	case "http", "https":
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/traces"
		}
	case "grpc", "grpcs":
		p.grpc = true
		p.header.Set("Content-Type", "application/grpc")
		p.header.Set("Te", "trailers")
		transport.Proxy = nil // they speak HTTP/1
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetHTTP2(u.Scheme == "grpcs")
		transport.Protocols.SetUnencryptedHTTP2(u.Scheme == "grpc")
		u.Scheme = map[string]string{"grpc": "http", "grpcs": "https"}[u.Scheme]
		u.Path = grpcPath
	default:
		return nil, pinfold.Errorf(pinfold.Invalid, "a collector cannot be reached by %q, only by http, https, grpc or grpcs", u.Scheme)
	}
	for name, value := range c.Headers {
		p.header.Set(name, value)
	}
	p.url = u.String()
	return p, nil
}

// poster sends requests to a collector.
type poster struct {
	client *http.Client
	url    string
	header http.Header
	grpc   bool
}

func (p *poster) hangUp() { p.client.CloseIdleConnections() }

func (p *poster) post(ctx context.Context, request *collectorpb.ExportTraceServiceRequest) (rejected int64, err error) {
	message, err := proto.Marshal(request)
	if err != nil {
		return 0, err
	}
	if p.grpc {
		message = slices.Concat(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(message))
	if err != nil {
		return 0, err
	}
	r.Header = p.header
	res, err := p.client.Do(r)
	if err != nil {
		p.hangUp() // HTTP/2 would go on with a connection that nobody answers on
		return 0, &retry{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return 0, &retry{err: err}
	}
	if err := httpError(res); err != nil {
		return 0, err
	}
	if p.grpc {
		if err := grpcError(res); err != nil {
			return 0, err
		}
		body = body[min(5, len(body)):]
	}
	var reply collectorpb.ExportTraceServiceResponse
	if proto.Unmarshal(body, &reply) != nil {
		return 0, nil // it has taken them, whatever it says
	}
	return reply.GetPartialSuccess().GetRejectedSpans(), nil
}

// httpError is what a status means. Source: "OTLP/HTTP Response", OTLP
// specification.
func httpError(res *http.Response) error {
	if res.StatusCode/100 == 2 {
		return nil
	}
	err := errors.New("the collector answers " + res.Status)
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &retry{err, retryAfter(res.Header.Get("Retry-After"))}
	}
	return err
}

// retryAfter reads a number of seconds or a date. Source: RFC 9110, 10.2.3.
func retryAfter(s string) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 16); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return time.Until(at)
	}
	return 0
}

// grpcError is what a status of gRPC means, which follows the answer, or is all
// of it. Source: "OTLP/gRPC Response", OTLP specification; numbers: "Status codes
// and their use in gRPC".
func grpcError(res *http.Response) error {
	status, text := res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message")
	if status == "" {
		status, text = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	if status == "0" {
		return nil
	}
	if s, err := url.PathUnescape(text); err == nil {
		text = s
	}
	err := errors.New("the collector answers with gRPC status " + strconv.Quote(status) + ": " + text)
	switch status {
	case "1", "4", "8", "10", "11", "14", "15": // cancelled, deadline, exhausted, aborted, range, unavailable, data loss
		return &retry{err: err}
	}
	return err
}
