// Package gateway is the public HTTP door: it takes requests for APIs and
// function URLs, turns each into an invocation in the form that AWS gives it,
// and turns the function's answer into a response. It decides nothing about
// functions (that is the Invoker behind it) and keeps no state of its own: what
// can be reached is handed to it with Update.
//
// One request, in the order of the files:
//
//	table.go     which door (API or function URL) by host and path
//	route.go     which route of it
//	request.go   the body, within its limits; who asks
//	event.go     the event for the function, written without reflection
//	invoke.go    the invocation, and what its failures mean
//	limit.go     its context, which sets no timer that nobody needs
//	response.go  the function's answer, scanned once, as a response
//	stream.go    an answer that is passed on while the function writes it
//	access.go    the access log, written by its own goroutine
//
// What AWS does that is not done here: response streaming of REST APIs
// (responseTransferMode STREAM), authorizers, throttling by route, custom
// domains, mutual TLS.
package gateway

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"pinfold.dev/pinfold"
)

// Options is what a Gateway needs. Only Invoker must be set.
type Options struct {
	// Invoker runs the functions. It gets a context that ends at the route's
	// time limit, if it has one, but not when the client goes away: as on AWS, a
	// function that has been called runs on. Waiting for that context's end costs
	// a timer; going by the invocation's Deadline, which is the same, does not.
	Invoker pinfold.Invoker
	// Authenticate says who signed a request to a function URL with AuthType
	// AWS_IAM. The body has been read from the request; it is the second
	// argument. An error, or no Authenticate, is answered with 403.
	Authenticate func(r *http.Request, body []byte) (pinfold.Principal, error)
	// Access is called after each request. It must not block and must not
	// keep its argument's memory waiting for a disk: see [AccessLog].
	Access func(Access)
	// Log gets what the platform's owner should see and a client should not.
	// The default is slog.Default.
	Log *slog.Logger
	// Endpoints is where the gateway is reached, for the page that lists what
	// is there.
	Endpoints pinfold.Endpoints
	// BodyTimeout is how long a client may take to send a body. Default 30 s.
	BodyTimeout time.Duration
	// HeaderNames returns what tells how the client of a request wrote the name
	// of a header that net/http has in canonical form: payload 1.0 keeps that.
	// Both it and what it returns may be nil, for names in canonical form.
	HeaderNames func(r *http.Request) func(canonical string) string
	// TrustForwarded takes the client's address and protocol from the
	// X-Forwarded-For and X-Forwarded-Proto headers: of addresses the last one,
	// which the nearest proxy has written. Set it only behind a proxy that does.
	TrustForwarded bool
	// Inside is the address that functions come from, who are never a proxy.
	Inside string
}

// Gateway is an http.Handler for the public address. It is safe for concurrent
// use and starts no goroutines.
type Gateway struct {
	o     Options
	table atomic.Pointer[table]
	pool  sync.Pool // of *exchange

	bodies *semaphore.Weighted // bytes; see maxBodies
}

// New returns a gateway that has nothing to serve until Update.
func New(o Options) *Gateway {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.BodyTimeout = cmp.Or(o.BodyTimeout, 30*time.Second)
	if o.Access == nil {
		o.Access = func(Access) {}
	}
	g := &Gateway{o: o, bodies: semaphore.NewWeighted(maxBodies), pool: sync.Pool{New: func() any { return new(exchange) }}}
	g.Update(nil, nil)
	return g
}

// Update replaces everything that can be reached. Requests that have begun go
// on with what was there when they came.
func (g *Gateway) Update(apis []pinfold.API, urls []pinfold.URL) {
	g.table.Store(compile(apis, urls, g.o.Endpoints))
}

// exchange is one request and its response. Exchanges are reused.
type exchange struct {
	g *Gateway
	w http.ResponseWriter
	r *http.Request

	table  *table
	door   *door
	event  event
	access Access
	start  time.Time
	trace  string // X-Amzn-Trace-Id
	state  string // tracestate
	reply  reply
	stream stream
	broken bool     // the response must not look complete
	values []string // of headers: see [exchange.one]
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.pool.Get().(*exchange)
	x.g, x.w, x.r, x.start = g, w, r, time.Now()
	x.serve()
	x.access.Duration = time.Since(x.start)
	g.o.Access(x.access)
	broken := x.broken
	x.reset()
	g.pool.Put(x)
	if broken {
		panic(http.ErrAbortHandler) // the server closes the connection in the middle of the body
	}
}

// reset forgets the request but keeps the memory of its lists.
func (x *exchange) reset() {
	e, r := &x.event, &x.reply
	*x = exchange{
		event:  event{headers: emptied(e.headers), query: emptied(e.query), cookies: emptied(e.cookies), values: emptied(e.values)},
		reply:  reply{headers: emptied(r.headers), multi: emptied(r.multi), cookies: emptied(r.cookies), text: r.text[:0]},
		values: emptied(x.values),
	}
	if cap(x.reply.text) > maxKept {
		x.reply.text = nil
	}
}

// maxKept is how many bytes of decoded text an exchange keeps room for.
const maxKept = 64 << 10

// emptied returns a list's memory, without what was in it.
func emptied[T any](list []T) []T {
	clear(list[:cap(list)])
	return list[:0]
}

// one returns a header's only value as the list that an [http.Header] has. It is
// good until the exchange is over: a server copies headers when it writes them.
func (x *exchange) one(value string) []string {
	n := len(x.values)
	x.values = append(x.values, value)
	return x.values[n : n+1 : n+1]
}

func (x *exchange) serve() {
	x.identify()
	x.table = x.g.table.Load()
	to, wrong := x.table.find(x.r)
	if x.door = to.door; x.door == nil {
		x.nobody(x.table.listing)
		return
	}
	x.access.Door, x.access.Stage = x.door.id, x.door.stage
	if wrong != nil {
		x.fail(wrong, "no such stage")
		return
	}
	if x.answerPreflight() {
		return
	}
	e := &x.event
	e.door, e.path, e.domain, e.prefix = x.door, to.path, to.domain, to.prefix
	if e.route, e.values = x.door.routes.match(x.r.Method, to.path, e.values[:0]); e.route == nil {
		x.fail(x.door.failures().route, "no such route")
		return
	}
	x.access.Route = e.route.key
	if e.route.preflight != nil {
		x.answerMock(e.route.preflight)
		return
	}
	x.access.Function = e.route.target.Name
	if x.admit() {
		x.invoke()
	}
}

// nobody answers a request that is for no door. It tells people on the machine
// itself what there is; the world, which may come through a proxy on the
// machine, need not know.
func (x *exchange) nobody(listing string) {
	x.access.Error = "no such API or function URL"
	h := x.r.Header
	proxied := h.Get("X-Forwarded-For") != "" || h.Get("X-Real-Ip") != "" || h.Get("Forwarded") != "" || h.Get("Via") != ""
	if ip := net.ParseIP(x.event.source); ip == nil || !ip.IsLoopback() || proxied {
		listing = noDoor + "\n"
	}
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.send(http.StatusNotFound, []byte(listing))
}
