// Package control is the adapter of Pinfold's own protocol: what the command
// line asks of the server and AWS's APIs have no words for. JSON over HTTP
// below /_pinfold/v1/, authenticated like every other request on the listener;
// package client is its other side.
package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// Deployer takes applications; internal/deploy is one.
type Deployer interface {
	Plan(ctx context.Context, a *app.Application) (*app.Plan, error)
	Apply(ctx context.Context, a *app.Application, base string, force bool) (*app.Deployed, error)
	Remove(ctx context.Context, name, stage string, force bool) error
	List(ctx context.Context) ([]app.Deployed, error)
}

// Packages keeps code packages.
type Packages interface {
	// Add stores a zip file of at most limit bytes and returns what it is.
	Add(ctx context.Context, r io.Reader, limit int64) (pinfold.Package, error)
}

// Records finds records of invocations.
type Records interface {
	Query(ctx context.Context, q pinfold.RecordQuery) iter.Seq2[pinfold.Record, error]
}

// Options is what the adapter needs of the platform.
type Options struct {
	Deployer   Deployer
	Packages   Packages
	Logs       Logs
	Records    Records
	Events     Events // nil: there are no asynchronous invocations
	Queues     Queues // nil: there are no queues
	Authorizer pinfold.Authorizer
	Info       any // what GET info answers: client.Info
	// Health tells what goes wrong with the accounts: client.Health.
	Health func() any
	// Functions tells every function with its instances: []client.FunctionStatus.
	Functions func(ctx context.Context) (any, error)
	// Usage tells what functions have used between two days, added up by something:
	// client.Usage.
	Usage func(ctx context.Context, from, to, by string) (any, error)
	// Advice tells how much memory would do: []client.Advice.
	Advice func(ctx context.Context) (any, error)
	// RuntimeNote returns what a person who deploys should know about a runtime, or "".
	RuntimeNote func(ctx context.Context, id string) string
	// FunctionName returns the name of the function that a person means by a
	// name or an ARN. It is NotFound if that neither exists nor has left a log.
	FunctionName func(ctx context.Context, name string) (string, error)
	// Network tells what the function that a person means by a name or an ARN may
	// reach, a client.FunctionNetwork, after it was changed if to is not nil.
	Network func(ctx context.Context, name string, to *pinfold.Network) (any, error)
	// Mappings tells every event source mapping, and how it is.
	Mappings func(ctx context.Context) ([]pinfold.MappingStatus, error)
	// Schedules tells how schedules, and rules with one, are doing; nil: there are none.
	Schedules func(ctx context.Context) ([]pinfold.ScheduleStatus, error)
	// Principal finds who the listener says has signed the request.
	Principal func(context.Context) pinfold.Principal
	ARN       func(resource string) string // ARN of a resource of the platform itself
}

// Bounds of what is sent as JSON, in bytes.
const (
	maxApplication = 16 << 20
	maxNetwork     = 1 << 20
)

// New returns the handler of everything below /_pinfold/v1/.
func New(o Options) http.Handler {
	h := &handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_pinfold/v1/info", h.call("pinfold:GetInfo", h.info))
	mux.HandleFunc("GET /_pinfold/v1/health", h.call("pinfold:GetHealth", h.health))
	mux.HandleFunc("GET /_pinfold/v1/runtimes/{id}", h.call("pinfold:GetRuntime", h.runtime))
	mux.HandleFunc("POST /_pinfold/v1/plan", h.call("pinfold:PlanApplication", h.plan))
	mux.HandleFunc("POST /_pinfold/v1/deploy", h.call("pinfold:DeployApplication", h.deploy))
	mux.HandleFunc("GET /_pinfold/v1/apps", h.call("pinfold:ListApplications", h.apps))
	mux.HandleFunc("DELETE /_pinfold/v1/apps/{name}/{stage}", h.call("pinfold:RemoveApplication", h.remove))
	mux.HandleFunc("GET /_pinfold/v1/functions", h.call("pinfold:ListFunctions", h.functions))
	mux.HandleFunc("GET /_pinfold/v1/functions/{name}/network", h.call("pinfold:GetNetwork", h.network))
	mux.HandleFunc("PUT /_pinfold/v1/functions/{name}/network", h.call("pinfold:PutNetwork", h.putNetwork))
	mux.HandleFunc("GET /_pinfold/v1/functions/{name}/events", h.call("pinfold:ReadEvents", h.events))
	mux.HandleFunc("POST /_pinfold/v1/functions/{name}/events/retry", h.call("pinfold:RetryEvents", h.retryEvents))
	mux.HandleFunc("POST /_pinfold/v1/functions/{name}/events/drop", h.call("pinfold:DropEvents", h.dropEvents))
	mux.HandleFunc("GET /_pinfold/v1/queues", h.call("pinfold:ListQueues", h.queues))
	mux.HandleFunc("GET /_pinfold/v1/queues/{name}/messages", h.call("pinfold:PeekMessages", h.messages))
	mux.HandleFunc("POST /_pinfold/v1/queues/{name}/messages", h.call("pinfold:SendMessage", h.sendMessage))
	mux.HandleFunc("POST /_pinfold/v1/queues/{name}/redrive", h.call("pinfold:RedriveMessages", h.redrive))
	mux.HandleFunc("POST /_pinfold/v1/queues/{name}/purge", h.call("pinfold:PurgeQueue", h.purge))
	mux.HandleFunc("PUT /_pinfold/v1/packages/{sha256}", h.call("pinfold:PutPackage", h.putPackage))
	mux.HandleFunc("GET /_pinfold/v1/mappings", h.call("pinfold:ListMappings", h.mappings))
	mux.HandleFunc("GET /_pinfold/v1/schedules", h.call("pinfold:ListSchedules", h.schedules))
	mux.HandleFunc("GET /_pinfold/v1/logs", h.logs)
	mux.HandleFunc("GET /_pinfold/v1/invocations", h.records)
	mux.HandleFunc("GET /_pinfold/v1/map", h.calls)
	mux.HandleFunc("GET /_pinfold/v1/usage", h.call("pinfold:ReadUsage", h.usage))
	mux.HandleFunc("GET /_pinfold/v1/advice", h.call("pinfold:ReadUsage", h.advice))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, pinfold.Errorf(pinfold.NotFound, "the control API has no %s %s: is the client of another version than the server?", r.Method, r.URL.Path))
	})
	return mux
}

type handler struct{ Options }

// call wraps an operation that answers with one JSON value.
func (h *handler) call(action string, op func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.authorize(r, action); err != nil {
			writeError(w, err)
			return
		}
		answer, err := op(r)
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (h *handler) authorize(r *http.Request, action string) error {
	return h.Authorizer.Authorize(r.Context(), h.Principal(r.Context()), pinfold.Action{Name: action, Resource: h.ARN("*")})
}

func (h *handler) info(*http.Request) (any, error) { return h.Info, nil }

func (h *handler) health(*http.Request) (any, error) { return h.Health(), nil }

func (h *handler) runtime(r *http.Request) (any, error) {
	return map[string]string{"note": h.RuntimeNote(r.Context(), r.PathValue("id"))}, nil
}

func (h *handler) plan(r *http.Request) (any, error) {
	a, err := readApplication(r)
	if err != nil {
		return nil, err
	}
	return h.Deployer.Plan(r.Context(), a)
}

func (h *handler) deploy(r *http.Request) (any, error) {
	a, err := readApplication(r)
	if err != nil {
		return nil, err
	}
	return h.Deployer.Apply(r.Context(), a, r.URL.Query().Get("base"), forced(r))
}

// forced reports whether a request says that messages may be lost.
func forced(r *http.Request) bool { return r.URL.Query().Get("force") == "true" }

func (h *handler) apps(r *http.Request) (any, error) {
	return h.Deployer.List(r.Context())
}

func (h *handler) remove(r *http.Request) (any, error) {
	return struct{}{}, h.Deployer.Remove(r.Context(), r.PathValue("name"), r.PathValue("stage"), forced(r))
}

func (h *handler) functions(r *http.Request) (any, error) {
	return h.Functions(r.Context())
}

func (h *handler) mappings(r *http.Request) (any, error) { return h.Mappings(r.Context()) }

func (h *handler) schedules(r *http.Request) (any, error) {
	if h.Schedules == nil {
		return nil, pinfold.Errorf(pinfold.Unserved, "this server keeps no schedules")
	}
	return h.Schedules(r.Context())
}

func (h *handler) usage(r *http.Request) (any, error) {
	values := r.URL.Query()
	return h.Usage(r.Context(), values.Get("from"), values.Get("to"), values.Get("by"))
}

func (h *handler) advice(r *http.Request) (any, error) { return h.Advice(r.Context()) }

func (h *handler) network(r *http.Request) (any, error) {
	return h.Network(r.Context(), r.PathValue("name"), nil)
}

func (h *handler) putNetwork(r *http.Request) (any, error) {
	to := new(pinfold.Network)
	if err := readJSON(r, "network", maxNetwork, to); err != nil {
		return nil, err
	}
	if to.Policy == "" { // an empty request must not open anything
		return nil, pinfold.Errorf(pinfold.Invalid, "the network has no policy: send open, none, or list with what it allows")
	}
	return h.Network(r.Context(), r.PathValue("name"), to)
}

// MaxPackage is how large a zip file the control API takes, in bytes. AWS's
// limit for a direct upload is 50 MB; larger packages go through a bucket
// there, for which this upload stands in, up to the limit on unpacked code.
const MaxPackage = 262144000

func (h *handler) putPackage(r *http.Request) (any, error) {
	want := r.PathValue("sha256")
	if sum, err := hex.DecodeString(want); err != nil || len(sum) != sha256.Size || want != strings.ToLower(want) {
		return nil, pinfold.Errorf(pinfold.Invalid, "%q does not name a package: write its SHA-256 in 64 lower-case hexadecimal digits", want)
	}
	pkg, err := h.Packages.Add(r.Context(), &named{r.Body, sha256.New(), want}, MaxPackage)
	if err != nil {
		return nil, err
	}
	return pkg, nil
}

// named reads what must have a certain SHA-256. Where it ends with another, it
// is an error instead of an end, so that nothing is kept of it.
type named struct {
	io.Reader
	sum  hash.Hash
	want string
}

func (n *named) Read(p []byte) (int, error) {
	size, err := n.Reader.Read(p)
	n.sum.Write(p[:size])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(n.sum.Sum(nil)); got != n.want {
			err = pinfold.Errorf(pinfold.Invalid, "it arrived with SHA-256 %s instead of %s: it was changed on its way, upload it again", got, n.want)
		}
	}
	return size, err
}

func readApplication(r *http.Request) (*app.Application, error) {
	a := new(app.Application)
	return a, readJSON(r, "application", maxApplication, a)
}

// readJSON reads a request's one JSON value of at most limit bytes into v.
func readJSON(r *http.Request, what string, limit int64, v any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return pinfold.Errorf(pinfold.Invalid, "reading the %s: %w", what, err)
	}
	if int64(len(body)) > limit {
		return pinfold.Errorf(pinfold.TooLarge, "the %s's description is over %d MB", what, limit>>20)
	}
	// What is not understood is refused: a newer client asks for something by
	// it, which must not be left out in silence.
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return pinfold.Errorf(pinfold.Invalid, "the %s is not in the form that this server reads (%w): `pinfold version` tells which versions client and server are, update the older one", what, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return pinfold.Errorf(pinfold.Invalid, "the %s is followed by something else: send one JSON value", what)
	}
	return nil
}

// writeLines answers with values as JSON, one a line, and with the error that ends
// them, if there is one. What is live is sent as soon as it is there, and so is that
// the client is connected.
func writeLines[T any](w http.ResponseWriter, values iter.Seq2[T, error], live bool) {
	out, enc := http.NewResponseController(w), json.NewEncoder(w)
	// Who follows a log, or reads it in a pager, stops reading at times.
	_ = out.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/x-ndjson")
	if live {
		_ = out.Flush()
	}
	begun := live
	for value, err := range values {
		switch {
		case err != nil && !begun:
			writeError(w, err)
			return
		case err != nil:
			writeLast(w, err)
			return
		case enc.Encode(value) != nil:
			return // the client has gone
		}
		begun = true
		if live {
			_ = out.Flush()
		}
	}
}

// writeLast says how an answer that has begun ends: too late for a status, it is the
// last of its lines.
func writeLast(w io.Writer, err error) {
	_ = json.NewEncoder(w).Encode(errorBody(err)) // or else the client has gone
}

var statuses = map[pinfold.Code]int{
	pinfold.NotFound: http.StatusNotFound, pinfold.Conflict: http.StatusConflict, pinfold.Invalid: http.StatusBadRequest,
	pinfold.Denied: http.StatusForbidden, pinfold.Throttled: http.StatusTooManyRequests, pinfold.TooLarge: http.StatusRequestEntityTooLarge,
	pinfold.Timeout: http.StatusGatewayTimeout, pinfold.Unavailable: http.StatusServiceUnavailable, pinfold.Unserved: http.StatusNotImplemented,
}

func writeError(w http.ResponseWriter, err error) {
	status, known := statuses[pinfold.CodeOf(err)]
	if !known {
		status = http.StatusInternalServerError
	}
	if errors.Is(err, context.Canceled) {
		return // nobody listens any more
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(errorBody(err))
}

// errorBody is how an error is written. Nothing else that the protocol has begins
// with "code".
func errorBody(err error) any {
	return struct {
		Code    pinfold.Code `json:"code"`
		Reason  string       `json:"reason"`
		Message string       `json:"message"`
	}{pinfold.CodeOf(err), pinfold.ReasonOf(err), err.Error()}
}
