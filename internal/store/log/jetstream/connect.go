package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// connect connects to the servers, and has the connection come back whenever it is
// lost.
func (l *Log) connect(ctx context.Context) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("pinfold"),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent is an error, not a hope
		nats.ReconnectHandler(l.onReconnect),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			l.opts.Logger.Warn("the log's connection", "error", err, "subject", subject)
		}),
	}
	if l.server != nil {
		options = append(options, nats.InProcessServer(&door{log: l}), nats.Timeout(answerWait), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
		nc, err := nats.Connect("", options...)
		if err != nil {
			return nil, pinfold.Errorf(pinfold.Internal, "open the log in %s: %w", l.opts.Dir, err)
		}
		return nc, nil
	}
	options = append(options,
		nats.SetCustomDialer(&door{log: l, Dialer: net.Dialer{Timeout: patience}}),
		nats.Timeout(patience),
		nats.ReconnectWait(250*time.Millisecond),
		nats.PingInterval(10*time.Second),
		nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort()) // a password that is being changed
	who, err := l.credentials()
	if err != nil {
		return nil, err
	}
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() { // nats.Connect knows no contexts; it ends by its own timeout
		nc, err := nats.Connect(l.opts.URL, append(options, who...)...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, pinfold.Errorf(pinfold.Unavailable, "connect to the log at %s: %w", l.where(), r.err)
		}
		return r.nc, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.nc != nil {
				r.nc.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// credentials returns the options that say who we are.
func (l *Log) credentials() (all []nats.Option, err error) {
	o := &l.opts
	if o.Credentials != "" {
		all = append(all, nats.UserCredentials(o.Credentials))
	}
	if o.NKey != "" {
		nkey, err := nats.NkeyOptionFromSeed(o.NKey)
		if err != nil {
			return nil, pinfold.Errorf(pinfold.Invalid, "the nkey of the log: %w", err)
		}
		all = append(all, nkey)
	}
	if o.Token != "" {
		all = append(all, nats.Token(o.Token))
	}
	if o.User != "" {
		all = append(all, nats.UserInfo(o.User, o.Password))
	}
	if o.CA != "" {
		all = append(all, nats.RootCAs(o.CA))
	}
	if o.Certificate != "" || o.Key != "" {
		all = append(all, nats.ClientCert(o.Certificate, o.Key))
	}
	return all, nil
}

// door makes connections, each a reason to doubt: it may lead to servers that have
// lost something.
type door struct {
	log *Log
	net.Dialer
}

// Dial implements nats.CustomDialer.
func (d *door) Dial(network, address string) (net.Conn, error) {
	d.log.doubts.Add(1)
	return d.Dialer.Dial(network, address)
}

// InProcessConn implements nats.InProcessConnProvider.
func (d *door) InProcessConn() (net.Conn, error) {
	d.log.doubts.Add(1)
	return d.log.server.InProcessConn()
}

// inspect looks whether external servers can do what the log needs.
func (l *Log) inspect(ctx context.Context) error {
	if !atLeast(l.nc.ConnectedServerVersion(), 2, 12) {
		return pinfold.Errorf(pinfold.Invalid, "the log at %s is nats-server %s: 2.12 is the oldest that can keep entries for later", l.where(), l.nc.ConnectedServerVersion())
	}
	for deadline := time.Now().Add(answerWait); ; {
		ask, cancel := context.WithTimeout(ctx, askWait)
		_, err := l.js.AccountInfo(ask)
		cancel()
		if err == nil {
			break
		}
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && time.Now().Before(deadline) {
			continue // a cluster that elects
		}
		return l.failed(ctx, err, "the log at %s needs JetStream, for this account", l.where())
	}
	if have, want := l.nc.MaxPayload(), int64(log.MaxData+2*log.MaxMeta); have < want {
		l.opts.Logger.Warn("the servers of the log take smaller messages than Pinfold's largest: raise max_payload in their configuration", "servers", l.where(), "max_payload", have, "wanted", want)
	}
	return nil
}

// atLeast reports whether the version of a server is not older than major.minor.
func atLeast(version string, major, minor int) bool {
	var x, y int
	if n, _ := fmt.Sscanf(version, "%d.%d", &x, &y); n != 2 {
		return true // a build of their own
	}
	return x > major || x == major && y >= minor
}
