package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
)

// Options is what differs between services beyond their descriptions.
type Options struct {
	// Authorize decides whether the caller in ctx may have an operation done.
	// It stands in the way of every operation, once its input is decoded and
	// valid and before the adapter sees it. It is required.
	Authorize func(ctx context.Context, operation string, in any) error
	// Errors names the service's error for each code that the service uses.
	Errors map[pinfold.Code]string
	// Check holds a decoded input against what the description demands of it, in the
	// words of a service that has its own, and may fill in what the caller in ctx says
	// of it. Nil does so in the words that are common to most services.
	Check func(ctx context.Context, in any) error
	// Malformed names the error for a request that cannot be read at all; the
	// protocol's own name for it if empty.
	Malformed string
	// Constraint names the error for a request that breaks a constraint of the
	// description; the protocol's own name for it if empty.
	Constraint string
	// MaxBody returns the most bytes that an operation's request may have; the
	// operation is "" in protocols that name it in the body. Nil is 1 MiB for all.
	MaxBody func(operation string) int64
	// TooLarge makes the error for a body over that limit; nil for a general one.
	TooLarge func(operation string, limit int64) error
	Log      *slog.Logger // for errors that are our fault; required
}

// Server serves one AWS service.
type Server struct {
	model   *Service
	impl    any
	options Options
	byName  map[string]*operation
	routes  router
	query   *Server // of the same service in its second protocol, or nil
}

// operation is an [Operation] with its plans.
type operation struct {
	*Operation
	in, out *node
	event   *node // of an event stream, or nil
}

// NewServer compiles a service and returns the server of an adapter, which must
// implement the interface that the operations were made with. An error means
// that the description, and so the generator, is wrong.
func NewServer(model *Service, adapter any, o Options) (*Server, error) {
	s := &Server{model: model, impl: adapter, options: o, byName: map[string]*operation{}}
	if model.AlsoQuery {
		second := *model
		second.Protocol, second.AlsoQuery = Query, false
		var err error
		if s.query, err = NewServer(&second, adapter, o); err != nil {
			return nil, err
		}
	}
	p := planner{rest: model.Protocol.rest(), query: model.Protocol == Query, shapes: model.Shapes, known: map[planKey]*node{}}
	for i := range model.Operations {
		op := &operation{Operation: &model.Operations[i]}
		var err error
		if op.in, err = p.plan(reflect.TypeOf(op.newInput()).Elem(), ""); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", model.Name, op.Name, err)
		}
		if op.out, err = p.plan(reflect.TypeOf(op.newOutput()).Elem(), ""); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", model.Name, op.Name, err)
		}
		if op.newEvent != nil {
			if op.event, err = p.plan(reflect.TypeOf(op.newEvent()).Elem(), ""); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", model.Name, op.Name, err)
			}
		}
		s.byName[op.Name] = op
		if err := s.routes.add(op.Route, op); err != nil {
			return nil, err
		}
	}
	for _, route := range model.Unserved {
		if err := s.routes.add(route, nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Model returns the description of the service.
func (s *Server) Model() *Service { return s.model }

// Claims reports whether a request without a credential scope, a target or a
// telling host name is one of this service's by its method and path.
func (s *Server) Claims(r *http.Request) bool {
	if !s.model.Protocol.rest() {
		return false
	}
	route, _ := s.routes.match(r)
	return route != nil
}

// Knows reports whether the service has an operation of that name, served or not.
func (s *Server) Knows(operation string) bool {
	return s.byName[operation] != nil || slices.ContainsFunc(s.model.Unserved, func(r Route) bool { return r.Name == operation })
}

// Speaks reports whether the service takes requests in a protocol.
func (s *Server) Speaks(p Protocol) bool {
	return s.model.Protocol == p || s.query != nil && p == Query
}

// spoken returns the server of the protocol that a request is in. Those that take
// JSON, too, are told by a header.
func (s *Server) spoken(r *http.Request) *Server {
	if s.query != nil && r.Header.Get("X-Amz-Target") == "" {
		return s.query
	}
	return s
}

// MaxBody returns the most bytes that this request's body may have.
func (s *Server) MaxBody(r *http.Request) int64 {
	if s.options.MaxBody == nil {
		return 1 << 20
	}
	return s.options.MaxBody(s.nameOf(r))
}

// nameOf names the operation of a request without its body, or "".
func (s *Server) nameOf(r *http.Request) string {
	if s.model.Protocol.rest() {
		if route, _ := s.routes.match(r); route != nil {
			return route.Name
		}
		return ""
	}
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return name
}

// TooLarge returns the error for a request whose body has more bytes than
// [Server.MaxBody] allows.
func (s *Server) TooLarge(r *http.Request, limit int64) error {
	if s.options.TooLarge != nil {
		return s.options.TooLarge(s.nameOf(r), limit)
	}
	return pinfold.Errorf(pinfold.TooLarge, "Request must be smaller than %d bytes", limit)
}

// Fail answers a request with an error, as the service would, and returns that.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, err error) *Error {
	s = s.spoken(r)
	e := s.toError(r, err)
	s.model.WriteError(w, r, e)
	return e
}

// toError turns an error into one for the wire, and logs what is our fault.
func (s *Server) toError(r *http.Request, err error) *Error {
	e := s.model.ToError(err, s.options.Errors)
	if e.Fault && pinfold.CodeOf(err) != pinfold.Unserved && r.Context().Err() == nil {
		s.options.Log.ErrorContext(r.Context(), "request failed", "service", s.model.Name, "method", r.Method,
			"path", r.URL.Path, "request", CallerFrom(r.Context()).RequestID, "error", err)
	}
	return e
}

// Serve answers a request whose body has been read and whose caller is in its
// context. It returns the operation, "" if the request names none that there is,
// and how it failed, which the client has been told.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, body []byte) (operation string, failed *Error) {
	s = s.spoken(r)
	op, in, err := s.decode(r, body)
	if op != nil {
		operation = op.Name
	}
	if err == nil {
		err = s.options.Authorize(r.Context(), op.Name, in)
	}
	if err == nil && op.stream != nil {
		return operation, s.serveEvents(w, r, op, in)
	}
	var out any
	if err == nil {
		out, err = op.call(r.Context(), s.impl, in)
	}
	if err != nil {
		return operation, s.Fail(w, r, err)
	}
	s.encode(w, r, op, reflect.ValueOf(out).Elem())
	return operation, nil
}

// decode finds the operation of a request and reads and validates its input. The
// operation may be known where the input is not good.
func (s *Server) decode(r *http.Request, body []byte) (*operation, any, error) {
	var (
		op     *operation
		labels []label
		form   url.Values
		err    error
	)
	switch {
	case s.model.Protocol.rest():
		op, labels, err = s.route(r)
	case s.model.Protocol == Query:
		if form, err = s.form(r, body); err == nil {
			op, err = s.lookup(form.Get("Action"), "the Action parameter")
		}
	default:
		_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		op, err = s.lookup(name, "the X-Amz-Target header")
	}
	if err != nil {
		return nil, nil, err
	}
	in := op.newInput()
	v := reflect.ValueOf(in).Elem()
	if err := s.decodeInput(op, v, r, labels, form, body); err != nil {
		return op, nil, s.malformed(err)
	}
	if s.options.Check != nil {
		return op, in, s.options.Check(r.Context(), in)
	}
	if message := validate(op.in, v); message != "" {
		name := s.options.Constraint
		switch {
		case name != "":
		case s.model.Protocol.json():
			name = "ValidationException"
		default:
			name = "ValidationError"
		}
		return op, nil, pinfold.Errorf(pinfold.Invalid, "%s", message).WithReason(name)
	}
	return op, in, nil
}

func (s *Server) decodeInput(op *operation, v reflect.Value, r *http.Request, labels []label, values url.Values, body []byte) error {
	switch s.model.Protocol {
	case JSON10, JSON11:
		return decodeJSON(op.in, v, body)
	case Query:
		root, err := parseForm(values)
		if err != nil {
			return err
		}
		return decodeForm(op.in, v, root)
	}
	if err := decodeBindings(op.in, v, r, labels); err != nil {
		return err
	}
	switch {
	case op.in.payload != nil:
		return s.model.decodePayload(op.in.payload, v, body)
	case len(op.in.body) == 0:
		return nil
	case s.model.Protocol == RESTJSON:
		return decodeJSON(op.in, v, body)
	case len(bytes.TrimSpace(body)) == 0:
		return nil
	}
	root, err := parseXML(body)
	if err != nil {
		return err
	}
	return decodeXML(op.in, v, root)
}

func (s *Server) route(r *http.Request) (*operation, []label, error) {
	route, labels := s.routes.match(r)
	switch {
	case route == nil:
		return nil, nil, &Error{Code: "UnknownOperationException", Status: http.StatusNotFound,
			Message: fmt.Sprintf("%s has no operation at %s %s", s.model.Title, r.Method, r.URL.Path)}
	case route.op == nil:
		return nil, nil, s.unserved(route.Name)
	}
	return route.op, labels, nil
}

func (s *Server) form(r *http.Request, body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, s.malformed(err)
	}
	for name, values := range r.URL.Query() {
		if _, ok := form[name]; !ok {
			form[name] = values
		}
	}
	return form, nil
}

func (s *Server) lookup(name, where string) (*operation, error) {
	if op := s.byName[name]; op != nil {
		return op, nil
	}
	if s.Knows(name) {
		return nil, s.unserved(name)
	}
	code := "UnknownOperationException"
	if !s.model.Protocol.json() {
		code = "InvalidAction"
	}
	if name == "" {
		return nil, pinfold.Errorf(pinfold.Invalid, "%s does not name an operation of %s", where, s.model.Title).WithReason(code)
	}
	return nil, pinfold.Errorf(pinfold.Invalid, "%s has no operation %s, which %s names", s.model.Title, name, where).WithReason(code)
}

func (s *Server) unserved(name string) error {
	return Unserved(s.model, name)
}

// Unserved returns the error for an operation of a service that Pinfold knows
// and does not serve. The name of the operation may be "".
func Unserved(s *Service, operation string) error {
	if operation == "" {
		return pinfold.Errorf(pinfold.Unserved, "Pinfold does not serve %s (%s) yet: docs/served.md lists what it serves", s.Title, s.Name)
	}
	return pinfold.Errorf(pinfold.Unserved, "Pinfold does not serve %s of %s yet: docs/served.md lists what it serves", operation, s.Title)
}

// malformed is the error for a request that cannot be read.
func (s *Server) malformed(err error) error {
	name := s.options.Malformed
	prefix := ""
	if name == "" {
		switch s.model.Protocol {
		case Query:
			name = "MalformedInput"
		case RESTXML:
			name, prefix = "MalformedXML", "The request could not be read: "
		default:
			name = "SerializationException"
		}
	}
	if pathErr, ok := errors.AsType[*pathError](err); ok {
		return pinfold.Errorf(pinfold.Invalid, "%sValue at '%s' could not be read: %s", prefix, pathErr.path, pathErr.err).WithReason(name)
	}
	if s.model.Protocol.json() {
		prefix = "Could not parse request body into json: "
	}
	return pinfold.Errorf(pinfold.Invalid, "%s%s", prefix, strings.TrimPrefix(err.Error(), "jsontext: ")).WithReason(name)
}

// usualAnswer is the bytes that most answers do with.
const usualAnswer = 512

// encode writes the answer to a request that succeeded.
func (s *Server) encode(w http.ResponseWriter, r *http.Request, op *operation, v reflect.Value) {
	h := w.Header()
	id := CallerFrom(r.Context()).RequestID
	s.model.writeID(h, id)
	status := op.Status
	var body []byte
	var stream io.Reader
	switch {
	case s.model.Protocol == Query:
		h.Set("Content-Type", s.model.contentType())
		body = s.queryAnswer(op, v, id)
	case !s.model.Protocol.rest():
		h.Set("Content-Type", s.model.contentType())
		body = appendJSON(make([]byte, 0, usualAnswer), op.out, v)
	default:
		if code := encodeBindings(op.out, v, h); code != 0 {
			status = code
		}
		body, stream = s.restBody(op, v, h)
	}
	if closer, ok := stream.(io.Closer); ok {
		defer closer.Close()
	}
	if status == http.StatusNoContent {
		h.Del("Content-Type")
		w.WriteHeader(status)
		return
	}
	if stream == nil && h.Get("Content-Length") == "" { // an answer to HEAD has one without a body
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	var err error
	if r.Method == http.MethodHead {
		return
	} else if stream != nil {
		_, err = io.Copy(w, stream)
	} else {
		_, err = w.Write(body)
	}
	if err != nil && r.Context().Err() == nil {
		s.options.Log.DebugContext(r.Context(), "answer not delivered", "service", s.model.Name, "operation", op.Name, "error", err)
	}
}

func (s *Server) restBody(op *operation, v reflect.Value, h http.Header) ([]byte, io.Reader) {
	switch {
	case op.out.payload != nil:
		return s.model.encodePayload(op.out.payload, v, h)
	case s.model.Protocol == RESTJSON:
		h.Set("Content-Type", s.model.contentType())
		return appendJSON(make([]byte, 0, usualAnswer), op.out, v), nil
	case len(op.out.body) == 0:
		return nil, nil
	}
	h.Set("Content-Type", s.model.contentType())
	var b xmlWriter
	b.WriteString(xmlHeader)
	b.value(op.out, v, s.rootName(op), s.model.Namespace)
	return b.Bytes(), nil
}

// rootName is the name of an XML answer's root, at which clients do not look.
func (s *Server) rootName(op *operation) string {
	return op.Name + "Result"
}

func (s *Server) queryAnswer(op *operation, v reflect.Value, id string) []byte {
	var w xmlWriter
	w.open(op.Name+"Response", "xmlns", s.model.Namespace)
	if op.out.typ != reflect.TypeFor[Empty]() {
		w.value(op.out, v, op.Name+"Result", "")
	}
	w.open("ResponseMetadata")
	w.leaf("RequestId", id)
	w.close("ResponseMetadata")
	w.close(op.Name + "Response")
	return w.Bytes()
}
