// Package jetstream is the engine of the log that production uses: NATS JetStream,
// in the process itself or, by a URL, in servers of their own. Both are the same code
// behind a connection; what only the one in the process needs (starting it, watching
// the disk, bringing it back) is in embedded.go and space.go.
//
// A stream of the log is a stream of JetStream. Entries are messages under the
// subject PREFIX.STREAM.e.SUBJECT; those that are for later wait as schedules under
// PREFIX.STREAM.s.TOKEN.SUBJECT, which nothing reads. docs/adr/0027 says why it is
// laid out so.
package jetstream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Options say where the log is. Either Dir or URL is set.
type Options struct {
	// Dir is the folder of a log in the process. It has to be this process's alone:
	// whoever opens it has locked a folder above.
	Dir string
	// SyncAlways has each entry of a log in the process survive a power cut once it is
	// acknowledged. Else what came in the last SyncInterval may be lost by one.
	SyncAlways   bool
	SyncInterval time.Duration // 0 is a second

	// URL names the servers of an external log: "nats://host:4222", several joined by
	// commas, "tls://" for TLS from the start. It may have user and password.
	URL string
	// One of these says who we are, if the servers ask.
	Credentials    string // path of a credentials file
	NKey           string // path of a file with an nkey seed
	Token          string
	User, Password string
	// CA, Certificate and Key are paths of PEM files: what the servers' certificates are
	// signed by, and what we show them. Each of them has the connection be TLS.
	CA, Certificate, Key string
	// Replicas is in how many servers of a cluster new streams are kept; 0 is 1.
	Replicas int

	// Prefix is what names of streams and subjects begin with, so that several
	// platforms can share servers; "" is "pinfold".
	Prefix string
	Logger *slog.Logger // nil is slog.Default

	// Tests have their own: how many bytes are free where Dir is, and in all; and for
	// how long a name is owned without a word.
	space func(dir string) (free, total uint64, err error)
	lease time.Duration
}

// Log is a log in JetStream.
type Log struct {
	opts     Options
	server   *embedded // nil: external
	nc       *nats.Conn
	js       jetstream.JetStream
	pipeline *pipeline
	closed   context.Context // done when the log is
	close    context.CancelFunc
	owners   owners

	doubts atomic.Uint64 // how often there was reason to doubt that streams have what they had
	kick   chan struct{} // has clear look whether there are new ones
	ended  chan struct{} // closed when clear has ended; nil: it has not begun

	reconnected event // there is another connection

	mu      sync.Mutex
	extents map[string]*extent
}

var _ log.Log = (*Log)(nil)

const (
	// patience is how long calls wait for a connection that is lost.
	patience = 5 * time.Second
	// apiWait is how long servers may take to answer what is asked rarely, and askWait
	// how long before they are asked again.
	apiWait = 10 * time.Second
	askWait = 2 * time.Second
)

// Open opens the log. An error has the code Unavailable if the servers cannot be
// reached or do not know us, Invalid if the options cannot be right.
func Open(ctx context.Context, o Options) (*Log, error) {
	if (o.Dir == "") == (o.URL == "") {
		return nil, pinfold.Errorf(pinfold.Invalid, "a log is in a folder or at a URL")
	}
	o.Prefix, o.lease = cmp.Or(o.Prefix, "pinfold"), cmp.Or(o.lease, defaultLease)
	if err := log.CheckName(o.Prefix); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	l := &Log{
		opts:    o,
		kick:    make(chan struct{}, 1),
		extents: map[string]*extent{},
	}
	l.closed, l.close = context.WithCancel(context.Background())
	if err := l.open(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) open(ctx context.Context) (err error) {
	if l.opts.Dir != "" {
		if l.server, err = startEmbedded(l.opts); err != nil {
			return err
		}
	}
	if l.nc, err = l.connect(ctx); err != nil {
		return err
	}
	if l.js, err = jetstream.New(l.nc, jetstream.WithDefaultTimeout(apiWait)); err != nil {
		return err
	}
	if l.pipeline, err = newPipeline(l); err != nil {
		return l.failed(ctx, err, "open the log at %s", l.where())
	}
	l.ended = make(chan struct{})
	go l.clear()
	l.nc.SetDisconnectErrHandler(func(_ *nats.Conn, err error) {
		l.pipeline.lose()
		if l.closed.Err() == nil && l.server == nil {
			l.opts.Logger.Warn("lost the connection to the log", "servers", l.where(), "error", err)
		}
	})
	if l.server == nil {
		return l.inspect(ctx)
	}
	l.server.watch()
	return nil
}

// Close implements log.Log.
func (l *Log) Close() error {
	l.close()
	l.owners.close()
	if l.nc != nil {
		l.nc.Close()
	}
	if l.ended != nil {
		<-l.ended
	}
	if l.server != nil {
		l.server.close()
	}
	return nil
}

// streamName is how JetStream knows a stream.
func (l *Log) streamName(name string) string { return l.opts.Prefix + "_" + name }

// Stream implements log.Log.
func (l *Log) Stream(ctx context.Context, name string, limits log.Limits) (log.Stream, error) {
	if err := log.CheckName(name); err != nil {
		return nil, err
	}
	if err := l.up(ctx); err != nil {
		return nil, err
	}
	s := l.newStream(name)
	s.limits = limits
	doubt := l.doubts.Load()
	err := l.ask(ctx, func(ctx context.Context) (err error) {
		s.js, err = l.openStream(ctx, s)
		return err
	})
	if err != nil {
		return nil, l.failed(ctx, err, "open stream %s of the log", name)
	}
	s.extent = l.extent(name, doubt)
	s.extent.reach(s.js.CachedInfo().State.LastSeq)
	if l.doubted(s.extent) { // since we asked
		l.look()
	}
	return s, nil
}

func (l *Log) newStream(name string) *stream {
	return &stream{log: l, name: name, subject: l.opts.Prefix + "." + name + ".", storedAs: storedAs(l.streamName(name))}
}

// openStream has the servers have a stream, with the limits that it is to have.
func (l *Log) openStream(ctx context.Context, s *stream) (jetstream.Stream, error) {
	js, err := l.js.Stream(ctx, l.streamName(s.name))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return l.js.CreateOrUpdateStream(ctx, s.config(jetstream.StreamConfig{
			Name:              l.streamName(s.name),
			Description:       "A stream of Pinfold's log",
			Storage:           jetstream.FileStorage,
			Replicas:          max(l.opts.Replicas, 1),
			AllowDirect:       true,
			AllowMsgSchedules: true,
			AllowRollup:       true, // schedules ask for it
		}))
	}
	if err != nil {
		return nil, err
	}
	had := js.CachedInfo().Config
	if want := s.config(had); want.MaxAge != had.MaxAge || want.MaxBytes != had.MaxBytes || want.MaxMsgsPerSubject != had.MaxMsgsPerSubject || want.Duplicates != had.Duplicates {
		return l.js.UpdateStream(ctx, want)
	}
	return js, nil
}

// Delete implements log.Log.
func (l *Log) Delete(ctx context.Context, name string) error {
	if err := log.CheckName(name); err != nil {
		return err
	}
	if err := l.up(ctx); err != nil {
		return err
	}
	if err := l.js.DeleteStream(ctx, l.streamName(name)); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return l.failed(ctx, err, "delete stream %s of the log", name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.extents, name)
	return nil
}

// up waits until there is a connection, for a while.
func (l *Log) up(ctx context.Context) error { return l.await(ctx, l.nc.IsConnected, &l.reconnected) }

// await waits until a log is ready for something, which is so when something happens,
// for a while.
func (l *Log) await(ctx context.Context, ready func() bool, when *event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.closed.Err() != nil {
		return log.Closed()
	}
	if ready() {
		return nil
	}
	happens := when.next()
	if ready() {
		return nil
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-happens.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed.Done():
		return log.Closed()
	case <-late.C:
		return pinfold.Errorf(pinfold.Unavailable, "the log at %s cannot be reached: nothing was stored", l.where())
	}
}

func (l *Log) onReconnect(*nats.Conn) {
	l.reconnected.happen()
	l.look()
}

// event is something that happens again and again.
type event struct {
	mu   sync.Mutex
	wait context.Context // done the next time; nil: nobody waits
	end  context.CancelFunc
}

// next returns what is done the next time that it happens.
func (e *event) next() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wait == nil {
		e.wait, e.end = context.WithCancel(context.Background())
	}
	return e.wait
}

func (e *event) happen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wait != nil {
		e.end()
		e.wait = nil
	}
}

// ask makes a call that waits for an answer, and once more when there is none: what
// is asked is lost with a server that dies, and while a cluster elects.
func (l *Log) ask(ctx context.Context, call func(context.Context) error) error {
	for wait := askWait; ; wait *= 2 {
		err := l.askOnce(ctx, min(wait, apiWait), call)
		if ctx.Err() != nil || l.closed.Err() != nil || wait >= apiWait || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// askOnce makes a call that waits for an answer, until there is another connection.
func (l *Log) askOnce(ctx context.Context, wait time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer context.AfterFunc(l.reconnected.next(), cancel)()
	return call(ctx)
}

// where names the log for people, without passwords.
func (l *Log) where() string {
	if l.server != nil {
		return l.opts.Dir
	}
	var all []string
	for url := range strings.SplitSeq(l.opts.URL, ",") {
		if at := strings.LastIndexByte(url, '@'); at >= 0 {
			scheme, _, _ := strings.Cut(url, "://")
			url = scheme + "://" + url[at+1:]
		}
		all = append(all, strings.TrimSpace(url))
	}
	return strings.Join(all, ",")
}

// failed puts an error of NATS, in a call by a context, into the words and codes of
// the log.
func (l *Log) failed(ctx context.Context, err error, doing string, args ...any) error {
	switch {
	case err == nil:
		return nil
	case l.closed.Err() != nil:
		return log.Closed()
	case ctx.Err() != nil:
		return ctx.Err()
	}
	code := pinfold.Internal
	var api jetstream.JetStreamError
	switch {
	case errors.As(err, new(*pinfold.Error)):
		return err
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrMsgNotFound):
		code = pinfold.NotFound
	case errors.Is(err, nats.ErrMaxPayload):
		code = pinfold.TooLarge
	case !errors.As(err, &api) || api.APIError() == nil || api.APIError().Code == 503:
		code = pinfold.Unavailable // of the connection, or no server could do it
	}
	return pinfold.Errorf(code, doing+": %w", append(args, err)...)
}
