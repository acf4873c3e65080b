package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/async"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/schedule"
	queuesource "pinfold.dev/pinfold/internal/source/queue"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/jetstream"
)

// events is what keeps what happens, and acts on it.
type events struct {
	eventLog *measuredLog
	owned    context.Context // done when another server has taken the log over
	backlogs *backlog.Hub
	queues   *queue.Service

	async     *async.Service
	mappings  *mapping.Registry
	pollers   *queuesource.Source
	schedules *schedule.Service
}

// openLog opens the log and waits until it is this server's. That is before any
// address is taken: a server that stands by is not there for its clients.
func (p *Platform) openLog(ctx context.Context) error {
	o := jetstream.Options{
		URL: p.config.Log, Credentials: p.config.LogCredentials, NKey: p.config.LogNKey,
		CA: p.config.LogCA, Certificate: p.config.LogCertificate, Key: p.config.LogKey,
		Replicas: p.config.LogReplicas, SyncAlways: p.config.LogSync == "always",
		Prefix: "pinfold-" + p.config.Account + "-" + p.config.Region, Logger: p.log,
	}
	if o.URL == "" {
		var err error
		if o.Dir, err = p.folder.sub("events"); err != nil {
			return err
		}
	}
	l, err := jetstream.Open(ctx, o)
	if err != nil {
		return err
	}
	p.closing(l.Close)
	host, _ := os.Hostname()                                          // for people
	waiting, giveUp := context.WithCancel(context.WithoutCancel(ctx)) // what is owned is so until Close
	patient := context.AfterFunc(ctx, giveUp)
	owned, release, err := l.Own(waiting, "server", fmt.Sprintf("%s, process %d", host, os.Getpid()), func(holder string) {
		p.log.Warn("another server has the log: standing by until it is gone", "server", holder)
	})
	if err != nil {
		giveUp()
		return err
	}
	patient()
	p.closing(func() error { release(); giveUp(); return nil })
	p.eventLog, p.owned = &measuredLog{Log: l, appended: p.storedEvents, streams: map[string]log.Stream{}}, owned
	return nil
}

// claimLog makes sure that the events in a log elsewhere are those of this control
// state.
// Another's queues and functions are not known here, so their events would be taken
// for what deleted ones have left.
func (p *Platform) claimLog(ctx context.Context) error {
	if p.config.Log == "" {
		return nil // both are in one folder
	}
	id, err := p.stateID(ctx)
	if err != nil {
		return err
	}
	s, err := p.eventLog.Stream(ctx, "platform", log.Limits{PerSubject: 1})
	if err != nil {
		return err
	}
	r, err := s.Read(ctx, log.From{})
	if err != nil {
		return err
	}
	defer r.Close()
	entries, err := r.Next(ctx, 1)
	switch {
	case errors.Is(err, io.EOF):
		return s.Append(ctx, log.Entry{Subject: "state", Meta: id})[0].Err
	case err != nil:
		return err
	case entries[0].Meta != id:
		return pinfold.Errorf(pinfold.Conflict, "the log at %s has the events of a platform with another data folder than %s: give this one an account, a region or a NATS account of its own, or that folder's state.db", p.config.Log, p.folder.path)
	}
	return nil
}

// stateID returns what the control state is told from others by. It is made once.
func (p *Platform) stateID(ctx context.Context) (string, error) {
	key := store.Key{p.config.Account, p.config.Region, "platform.id"}
	var id int64
	err := p.db.Update(ctx, func(tx store.Tx) (err error) {
		if id, err = tx.Sequences().Get(key); pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
		id = rand.Int64()
		return tx.Sequences().Put(key, id)
	})
	return strconv.FormatInt(id, 36), err
}

// openEvents opens the services that stand on the log and need no functions.
func (p *Platform) openEvents(ctx context.Context) error {
	err := p.claimLog(ctx)
	if err != nil {
		return err
	}
	if p.backlogs, err = backlog.Open(ctx, backlog.Options{Log: p.eventLog, Logger: p.log}); err != nil {
		return err
	}
	p.closing(p.backlogs.Close)
	if p.queues, err = queue.Open(ctx, queue.Options{
		Store: timed{p.db, p}, Hub: p.backlogs, Log: p.eventLog, Scope: p.scope(), Logger: p.log,
	}); err != nil {
		return err
	}
	p.schedules = schedule.New(schedule.Options{
		Store: timed{p.db, p}, Sender: deliver{p}, Scope: p.scope(), Missed: pinfold.MissedPolicy(p.config.MissedSchedules), Log: p.log,
	})
	return nil
}

// openSources opens what invokes functions when something happens.
func (p *Platform) openSources(context.Context) error {
	p.async = async.Open(async.Options{
		Hub: p.backlogs, Functions: p.functions, Invoker: p.invoker, Sender: deliver{p}, Scope: p.scope(), Concurrency: p.config.Concurrency,
		Waiting: p.pool.Waiting, Log: p.log,
	})
	p.closing(func() error {
		ctx, cancel := context.WithDeadline(context.Background(), p.drained())
		defer cancel()
		return p.async.Close(ctx)
	})
	p.pollers = queuesource.New(queuesource.Options{
		Account: p.config.Account, Queues: queuesource.Of(p.queues), Mappings: p.mappings, Invoker: p.invoker, Limit: p.limit, Drain: p.config.DrainTimeout, Log: p.log,
	})
	p.functions.OnChange(func(ref pinfold.FunctionRef) {
		p.async.Changed(ref)
		p.pollers.FunctionChanged(ref)
	})
	return nil
}

// limit is how many invocations of a function may run at a time.
func (p *Platform) limit(ref pinfold.FunctionRef) int {
	if set, err := p.functions.Settings(p.stopping, ref.With("")); err == nil && set.Reserved != nil {
		return *set.Reserved
	}
	return p.config.Concurrency
}

// openMappings opens the registry of what sources functions have.
func (p *Platform) openMappings() {
	p.mappings = mapping.New(mapping.Options{
		Store: timed{p.db, p}, Scope: p.scope(),
		Function: func(ctx context.Context, tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error) {
			return p.functions.Within(tx).Resolve(ctx, ref)
		},
		Queue: func(ctx context.Context, tx store.Tx, arn string) (*pinfold.MessageQueue, error) {
			ref, ok := queue.ParseARN(arn)
			if !ok {
				return nil, pinfold.Errorf(pinfold.NotFound, "%q is not the ARN of a queue", arn)
			}
			q, err := p.queues.Within(tx).Record(ctx, ref)
			return &q, err
		},
	})
}

// keepLog waits until ctx ends, or the log is lost.
func (p *Platform) keepLog(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.owned.Done():
		return pinfold.Errorf(pinfold.Unavailable, "the log at %s could not be reached for too long, and is another server's now: this one stops; started again it stands by", p.config.Log)
	}
}

// deliver sends events to what their ARNs name. It implements pinfold.EventSender.
// Whoever said where they go, the owner of a schedule or a function, was asked for
// the right to say so.
type deliver struct{ p *Platform }

func (d deliver) SendEvent(ctx context.Context, by pinfold.Principal, to string, m pinfold.EventMessage) error {
	arn, ok := pinfold.ParseARN(to)
	if !ok {
		return pinfold.Errorf(pinfold.Invalid, "%q is not an ARN", to)
	}
	switch arn.Service {
	case "sqs":
		return d.p.queues.SendEvent(ctx, by, to, m)
	case "lambda":
		return d.p.async.SendEvent(ctx, by, to, m)
	}
	return pinfold.Errorf(pinfold.Unserved, "Pinfold does not send events to %s yet: %s", strings.ToUpper(arn.Service), to)
}

// notStopped is nil for errors that come of stopping.
func notStopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
