// Package mux is the listener of everything that speaks to the platform in
// AWS's protocols or its own: one [Mux] is the handler of the API address.
//
// It tells services apart by signature scope, target header, host, path and
// action; reads the body within the service's limit; finds out who asks;
// gives the request an id; and hands it to the service's [protocol.Server].
// Beside services it takes handlers by path prefix, such as the control API.
// It is handed all of these and knows none.
package mux

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/trace"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/sigv4"
)

// Authenticator finds out who sent a request; internal/wire/sigv4 has one.
type Authenticator interface {
	// Authenticate returns who sent a request. body is its whole body. An
	// error's Reason is one of those of package sigv4.
	Authenticate(r *http.Request, body []byte) (pinfold.Principal, error)
}

// Route is a handler for all paths that begin with a prefix. It finds who asks
// with [Principal].
type Route struct {
	Prefix  string // "/_pinfold/v1/"
	Handler http.Handler
	MaxBody int64 // bytes of a request; 0 is 1 MiB
	// Open routes are not authenticated: their handlers decide by themselves,
	// for instance by a token in the URL. Their bodies are not read for them.
	Open bool
}

// Options is what a Mux needs.
type Options struct {
	Authenticator Authenticator
	Services      []*protocol.Server
	Routes        []Route
	// Traced, if there is one, is told of every call to a service by a request
	// with a trace header. It returns the header for what the call causes, and
	// who is told how it went.
	Traced func(by protocol.Caller, service string) (header string, done func(operation string, failed *protocol.Error))
	Log    *slog.Logger
}

// Mux is an http.Handler.
type Mux struct {
	options Options
	known   []*protocol.Service         // served or not
	served  map[string]*protocol.Server // by name
	// bodies is the memory that large bodies share: what is signed must be read
	// before it is known whether its sender may send anything at all.
	bodies *semaphore.Weighted
}

// New returns the handler of a listener.
func New(o Options) *Mux {
	m := &Mux{options: o, served: map[string]*protocol.Server{}, bodies: semaphore.NewWeighted(maxBodies)}
	for i := range known {
		m.known = append(m.known, &known[i])
	}
	for _, s := range o.Services {
		model := s.Model()
		m.served[model.Name] = s
		if !slices.ContainsFunc(known, func(k protocol.Service) bool { return k.Name == model.Name }) {
			m.known = append(m.known, model)
		}
	}
	return m
}

// Principal returns who sent the request that a context belongs to.
func Principal(ctx context.Context) pinfold.Principal {
	return protocol.CallerFrom(ctx).Principal
}

// RequestID returns the id of the request that a context belongs to.
func RequestID(ctx context.Context) string {
	return protocol.CallerFrom(ctx).RequestID
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := &protocol.Caller{RequestID: uuid.NewString(), Endpoint: endpoint(r), Path: r.URL.Path}
	caller.TraceID, caller.TraceState = trace.Of(r.Header)
	caller.Principal.Kind = pinfold.Anonymous
	r = r.WithContext(protocol.WithCaller(r.Context(), caller))
	defer m.recover(w, r)
	for _, route := range m.options.Routes {
		if strings.HasPrefix(r.URL.Path, route.Prefix) {
			m.serveRoute(w, r, route, caller)
			return
		}
	}
	m.serveService(w, r, caller)
}

// endpoint returns the base URL by which a client has reached the listener.
func endpoint(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// recover answers for a handler that panicked, so that one broken request takes
// no connection of others with it.
func (m *Mux) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	m.options.Log.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "path", r.URL.Path,
		"request", RequestID(r.Context()), "panic", p, "stack", string(debug.Stack()))
	m.fail(w, r, guess(r), pinfold.Errorf(pinfold.Internal, "an internal error occurred: the server's log has it under request id %s", RequestID(r.Context())))
}

func (m *Mux) serveRoute(w http.ResponseWriter, r *http.Request, route Route, caller *protocol.Caller) {
	w.Header().Set("X-Amzn-Requestid", caller.RequestID)
	if !route.Open {
		form := &protocol.Service{Title: "Pinfold", Protocol: protocol.RESTJSON}
		limit := route.MaxBody
		if limit == 0 {
			limit = 1 << 20
		}
		body, err := m.admit(w, r, caller, nil, limit)
		if err != nil {
			m.fail(w, r, form, err)
			return
		}
		r = withBody(r, body)
	}
	route.Handler.ServeHTTP(w, r)
}

func (m *Mux) serveService(w http.ResponseWriter, r *http.Request, caller *protocol.Caller) {
	var body []byte
	service, err := m.identify(r)
	if service == nil && err == nil && isForm(r) { // the query protocol names its operation in the body
		if body, err = readBody(w, r, maxForm); err == nil {
			service, err = m.identifyForm(r, body)
		}
	}
	if err == nil && service == nil {
		err = unknown(r)
	}
	if err != nil {
		drain(w, r)
		m.fail(w, r, guess(r), err)
		return
	}
	server := m.served[service.Name]
	if server == nil {
		operation := wantedOperation(w, r, body)
		drain(w, r)
		m.fail(w, r, spoken(r, service), protocol.Unserved(service, operation))
		return
	}
	limit := server.MaxBody(r)
	if body, err = m.admit(w, r, caller, body, limit); err != nil {
		if pinfold.CodeOf(err) == pinfold.TooLarge {
			err = server.TooLarge(r, limit)
		}
		server.Fail(w, r, rename(spoken(r, service), err))
		return
	}
	var done func(operation string, failed *protocol.Error)
	if m.options.Traced != nil && caller.TraceID != "" {
		caller.TraceID, done = m.options.Traced(*caller, service.Name)
	}
	operation, failed := server.Serve(w, r, body)
	if done != nil {
		done(operation, failed)
	}
}

// admit reads the body of a request, if it is not read yet, and finds out who
// sent it. Until that is known the body counts against the memory for bodies.
func (m *Mux) admit(w http.ResponseWriter, r *http.Request, caller *protocol.Caller, body []byte, limit int64) ([]byte, error) {
	release, err := m.reserve(r, limit)
	if err != nil {
		return nil, err
	}
	defer release()
	if body == nil {
		if body, err = readBody(w, r, limit); err != nil {
			return nil, err
		}
	}
	caller.Principal, err = m.options.Authenticator.Authenticate(r, body)
	return body, err
}

// fail answers with an error in a protocol that need not be a served service's.
func (m *Mux) fail(w http.ResponseWriter, r *http.Request, service *protocol.Service, err error) {
	service.WriteError(w, r, service.ToError(rename(service, err), nil))
}

// rename gives an authenticator's error the name that it has in a protocol.
func rename(service *protocol.Service, err error) error {
	reason := pinfold.ReasonOf(err)
	if service.Protocol == protocol.Query || service.Protocol == protocol.RESTXML || reason == "" {
		return err
	}
	if name := sigv4.JSONReason(reason); name != reason {
		return pinfold.Errorf(pinfold.CodeOf(err), "%w", err).WithReason(name)
	}
	return err
}

// unknown is the error for a request that cannot be told to be any service's.
func unknown(r *http.Request) error {
	what := "it is not signed"
	if _, _, service, ok := sigv4.Scope(r); ok {
		what = fmt.Sprintf("its signature is for the service %q", service)
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		what += fmt.Sprintf(", its X-Amz-Target is %q", target)
	}
	return pinfold.Errorf(pinfold.NotFound,
		"Pinfold cannot tell which service %s %s is for: %s, and neither its host %q nor its path belongs to a service that Pinfold knows",
		r.Method, r.URL.Path, what, r.Host).WithReason("UnknownService")
}
