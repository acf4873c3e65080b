package runtimes

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"

	"pinfold.dev/pinfold"
)

// api is a worker that asks for its work: it serves one instance the Lambda
// Runtime API, version 2018-06-01.
//
// Sources: "Using the Lambda runtime API" in the Lambda developer guide, and for
// statuses and error texts aws/aws-lambda-runtime-interface-emulator,
// internal/lambda/rapi.
type api struct {
	server *http.Server
	served chan struct{} // closed when the server has ended
	inited chan initResult
	queue  chan *delivery
	asked  chan struct{} // holds a value while the runtime waits, or did since the last answer
	bodies chan struct{} // holds a value for each body that is being read

	mu      sync.Mutex
	pending map[string]chan<- answer
}

// maxUnderWay is how many invocations may wait for the runtime to ask for them.
const maxUnderWay = 1024

// maxBodies is how many bodies are read at a time. A runtime sends one after the
// other, and a hostile one could fill the platform's memory with hundreds.
const maxBodies = 4

func newAPI(listener net.Listener) *api {
	a := &api{
		served:  make(chan struct{}),
		inited:  make(chan initResult, 1),
		queue:   make(chan *delivery, maxUnderWay),
		asked:   make(chan struct{}, 1),
		bodies:  make(chan struct{}, maxBodies),
		pending: map[string]chan<- answer{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", a.serveResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", a.serveError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.serveInitError)
	mux.HandleFunc("GET /2018-06-01/ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") })
	for _, path := range []string{"/2020-01-01/extension/", "/2020-08-15/logs", "/2022-07-01/telemetry"} {
		mux.HandleFunc(path, serveUnserved)
	}
	a.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() {
		defer close(a.served)
		_ = a.server.Serve(listener) // ends with close
	}()
	return a
}

func (a *api) ready() <-chan initResult { return a.inited }
func (a *api) idle() <-chan struct{}    { return a.asked }
func (a *api) lost() <-chan struct{}    { return nil } // only the process's end says so
func (a *api) finish()                  {}             // an answer counts before its sender learns that it does

func (a *api) close() error {
	err := a.server.Close()
	<-a.served
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (a *api) deliver(d *delivery) (<-chan answer, error) {
	answers := make(chan answer, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending[d.requestID] != nil {
		return nil, fmt.Errorf("invocation %s is under way already", d.requestID)
	}
	select {
	case <-a.asked: // it will have done with this one when it asks again
	default:
	}
	select {
	case a.queue <- d:
		a.pending[d.requestID] = answers
		return answers, nil
	default:
		return nil, errors.New("the runtime does not ask for its work")
	}
}

// answer passes an answer on. It reports false if nobody waits for one.
func (a *api) answer(requestID string, ans answer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	to := a.pending[requestID]
	if to == nil {
		return false
	}
	delete(a.pending, requestID)
	to <- ans // has room
	return true
}

func (a *api) knows(requestID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pending[requestID] != nil
}

// serveNext gives the runtime its next invocation, when there is one. The first
// request says that the function is loaded.
func (a *api) serveNext(w http.ResponseWriter, r *http.Request) {
	offer(a.asked, struct{}{}) // first: once the function is loaded, deliver takes it back
	offer(a.inited, initResult{})
	var d *delivery
	select {
	case d = <-a.queue:
	case <-r.Context().Done():
		return
	}
	if r.Context().Err() != nil {
		a.queue <- d // the next request gets it
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(d.payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", d.requestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(d.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", d.functionARN)
	if d.traceID != "" {
		h.Set("Lambda-Runtime-Trace-Id", d.traceID)
	}
	if d.clientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", d.clientContext)
	}
	_, _ = w.Write(d.payload)
}

func (a *api) serveResponse(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !a.knows(id) {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	mode := r.Header.Get("Lambda-Runtime-Function-Response-Mode")
	if mode != "" && mode != "streaming" {
		f := failure{kind: "Runtime.InvalidResponseModeHeader", message: "unknown response mode " + strconv.Quote(mode)}
		a.answer(id, failedWith(&f, id))
		refuse(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	body, err := a.body(r, pinfold.MaxPayload+1)
	switch {
	case err != nil:
		f := failure{kind: "Runtime.TruncatedResponse", message: "the answer broke off: " + err.Error()}
		a.answer(id, failedWith(&f, id))
		refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
	case len(body) > pinfold.MaxPayload:
		a.answer(id, answer{size: int64(len(body))})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", pinfold.MaxPayload))
	default:
		if !a.answer(id, collected(r, body)) {
			refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
			return
		}
		accept(w)
	}
}

// body reads at most limit bytes.
func (a *api) body(r *http.Request, limit int64) ([]byte, error) {
	a.bodies <- struct{}{} // whoever holds the place loses it with its connection
	defer func() { <-a.bodies }()
	return io.ReadAll(io.LimitReader(r.Body, limit))
}

// collected makes an answer of a body that has come as a whole. If it was
// streamed, trailers may say that it failed midway.
func collected(r *http.Request, body []byte) answer {
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		envelope, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil || len(envelope) == 0 {
			envelope = appendJSON([]byte(`{"errorType":`), kind)
			envelope = append(envelope, `,"errorMessage":"the response stream failed"}`...)
		}
		return answer{payload: envelope, size: int64(len(envelope)), failed: true, reason: kind}
	}
	if r.Header.Get("Content-Type") == "application/vnd.awslambda.http-integration-response" {
		body = withPrelude(body)
	}
	return answer{payload: body, size: int64(len(body))}
}

func (a *api) serveError(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	f, ok := a.readError(w, r)
	if !ok {
		return
	}
	if !a.answer(id, failedWith(f, id)) {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	accept(w)
}

func (a *api) serveInitError(w http.ResponseWriter, r *http.Request) {
	f, ok := a.readError(w, r)
	if !ok {
		return
	}
	select {
	case a.inited <- initResult{failure: f}:
		accept(w)
	default:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the runtime has been initialised already")
	}
}

// readError reads an error that the runtime reports.
func (a *api) readError(w http.ResponseWriter, r *http.Request) (*failure, bool) {
	body, err := a.body(r, pinfold.MaxPayload)
	if err != nil {
		refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
		return nil, false
	}
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	if kind == "" {
		kind = "Runtime.Unknown"
	}
	return fromEnvelope(body, kind), true
}

func failedWith(f *failure, requestID string) answer {
	payload := f.payload(requestID)
	return answer{payload: payload, size: int64(len(payload)), failed: true, reason: f.kind}
}

func accept(w http.ResponseWriter) { reply(w, http.StatusAccepted, map[string]string{"status": "OK"}) }

func refuse(w http.ResponseWriter, status int, kind, message string) {
	reply(w, status, map[string]string{"errorMessage": message, "errorType": kind})
}

func reply(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// serveUnserved answers what extensions ask for.
func serveUnserved(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotImplemented, "Extension.NotServed",
		r.URL.Path+": Pinfold does not serve the Extensions, Logs and Telemetry APIs yet; remove the extension from the function's layers or code")
}
