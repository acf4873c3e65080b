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
	"slices"
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
	in     *Instance
	server *http.Server
	served chan struct{} // closed when the server has ended
	conns  sync.WaitGroup
	ready  chan initResult
	queue  chan *call
	bodies chan struct{} // holds a value for each body that is being read

	mu      sync.Mutex
	pending map[string]*call
}

// maxBodies is how many bodies are read at a time. A runtime sends one after the
// other, and a hostile one could fill the platform's memory with hundreds.
const maxBodies = 4

func newAPI(in *Instance, listener net.Listener) *api {
	a := &api{
		in:      in,
		served:  make(chan struct{}),
		ready:   make(chan initResult, 1),
		queue:   make(chan *call, in.room),
		bodies:  make(chan struct{}, max(maxBodies, in.room)),
		pending: map[string]*call{},
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
	a.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), ConnState: a.count}
	go func() {
		defer close(a.served)
		_ = a.server.Serve(listener) // ends with close
	}()
	return a
}

// count knows the connections that are served.
func (a *api) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		a.conns.Add(1)
	case http.StateClosed:
		a.conns.Done()
	}
}

func (a *api) inited() <-chan initResult { return a.ready }
func (a *api) settles() bool             { return false }
func (a *api) lost() <-chan struct{}     { return nil } // only the process's end says so
func (a *api) finish()                   {}             // an answer counts before its sender learns that it does
func (a *api) credit(*call, int) error   { return nil } // whoever sends a stream waits in its request

func (a *api) close() error {
	err := a.server.Close()
	<-a.served
	a.conns.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// enqueue does nothing: whoever asks gets what there is.
func (a *api) enqueue(*call) {}

func (a *api) deliver(c *call) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending[c.inv.ID] != nil {
		return fmt.Errorf("invocation %s is under way already", c.inv.ID)
	}
	select {
	case a.queue <- c:
		a.pending[c.inv.ID] = c
		return nil
	default:
		return errors.New("the runtime does not ask for its work")
	}
}

// unread reports whether the runtime has not asked for a call.
func (a *api) unread(c *call) bool { return !c.fetched.Load() }

// take returns the call with a request id, which gets no other answer. It is nil
// if nobody waits for one.
func (a *api) take(requestID string) *call {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.pending[requestID]
	delete(a.pending, requestID)
	return c
}

// serveNext gives the runtime its next invocation, when there is one. The first
// request says that the function is loaded.
func (a *api) serveNext(w http.ResponseWriter, r *http.Request) {
	a.in.asked()
	offer(a.ready, initResult{})
	var c *call
	select {
	case c = <-a.queue:
	case <-r.Context().Done():
		return
	}
	if r.Context().Err() != nil {
		a.queue <- c // the next request gets it
		return
	}
	c.fetched.Store(true)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(c.inv.Payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", c.inv.ID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.began.Add(c.limit).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", c.arn)
	if c.inv.TraceID != "" {
		h.Set("Lambda-Runtime-Trace-Id", c.inv.TraceID)
	}
	if c.inv.ClientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", c.inv.ClientContext)
	}
	_, _ = w.Write(c.inv.Payload)
}

func (a *api) serveResponse(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	c := a.take(id)
	if c == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	switch mode := r.Header.Get("Lambda-Runtime-Function-Response-Mode"); {
	case mode == "streaming" || mode == "" && looksStreamed(r):
		a.serveStream(w, r, c)
		return
	case mode != "":
		a.in.answered(c, failedWith(&failure{kind: "Runtime.InvalidResponseModeHeader", message: "unknown response mode " + strconv.Quote(mode)}, id))
		refuse(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	body, err := a.body(r, pinfold.MaxPayload+1)
	switch {
	case err != nil:
		a.truncated(w, c, err)
	case len(body) > pinfold.MaxPayload:
		a.in.answered(c, answer{size: int64(len(body))})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", pinfold.MaxPayload))
	default:
		ans := endOfStream(r)
		if !ans.failed {
			ans = answer{payload: body, size: int64(len(body))}
		}
		a.in.answered(c, ans)
		accept(w)
	}
}

// looksStreamed tells an answer that a handler of aws-lambda-go writes from one
// that it returns: both come chunked, with trailers, and without a mode.
func looksStreamed(r *http.Request) bool {
	_, trailer := r.Trailer["Lambda-Runtime-Function-Error-Type"]
	return trailer && r.Header.Get("Content-Type") != "application/json"
}

func (a *api) truncated(w http.ResponseWriter, c *call, err error) {
	a.in.answered(c, failedWith(&failure{kind: "Runtime.TruncatedResponse", message: "the answer broke off: " + err.Error()}, c.inv.ID))
	refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

// serveStream passes an answer on while it comes. Trailers say if it failed
// midway.
func (a *api) serveStream(w http.ResponseWriter, r *http.Request, c *call) {
	a.in.streams(c, oneWord(r.Header.Get("Content-Type")))
	var total int64
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		total += int64(n)
		if total > pinfold.MaxStream {
			a.in.answered(c, failedWith(&failure{kind: "Function.ResponseSizeTooLarge", message: tooLargeMessage}, c.inv.ID))
			refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed size of a stream (%d bytes).", pinfold.MaxStream))
			return
		}
		if n > 0 {
			if gone := a.in.awaitRoom(r.Context(), c); gone != nil {
				a.truncated(w, c, gone)
				return
			}
			if _, ok := a.in.chunk(c, slices.Clone(buf[:n]), int64(n)); !ok {
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			a.in.answered(c, endOfStream(r))
			accept(w)
			return
		case err != nil:
			a.truncated(w, c, err)
			return
		}
	}
}

// endOfStream makes an answer of what is behind a stream.
func endOfStream(r *http.Request) answer {
	kind := oneWord(r.Trailer.Get("Lambda-Runtime-Function-Error-Type"))
	if kind == "" {
		return answer{streamed: true}
	}
	envelope, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
	if err != nil || len(envelope) == 0 {
		envelope = appendJSON([]byte(`{"errorType":`), kind)
		envelope = append(envelope, `,"errorMessage":"the response stream failed"}`...)
	}
	return answer{payload: envelope, size: int64(len(envelope)), failed: true, reason: kind}
}

// body reads at most limit bytes.
func (a *api) body(r *http.Request, limit int64) ([]byte, error) {
	a.bodies <- struct{}{} // whoever holds the place loses it with its connection
	defer func() { <-a.bodies }()
	return io.ReadAll(io.LimitReader(r.Body, limit))
}

func (a *api) serveError(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	f, ok := a.readError(w, r)
	if !ok {
		return
	}
	c := a.take(id)
	if c == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	a.in.answered(c, failedWith(f, id))
	accept(w)
}

func (a *api) serveInitError(w http.ResponseWriter, r *http.Request) {
	f, ok := a.readError(w, r)
	if !ok {
		return
	}
	select {
	case a.ready <- initResult{failure: f}:
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
