//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
	"pinfold.dev/pinfold/bench/peers"
)

// cycled measures ordinary clients of a queue, beside an emulator that keeps
// everything in memory.
func cycled(ctx context.Context, b *bench) error {
	p, err := b.platform(ctx, "cycles", nil)
	if err != nil {
		return err
	}
	defer p.Stop()
	ours, err := cycling(ctx, "Pinfold", p.API, p.PID(), credentials.NewStaticCredentialsProvider(p.Key.AccessKeyID, p.Key.SecretAccessKey, ""))
	if err != nil {
		return err
	}
	sides := []*side{ours}
	shelf := &peers.Shelf{Cache: filepath.Join(b.cache, "peers"), Dir: filepath.Join(b.dir, "peers"), First: func(what string) { b.say("%s, once", what) }}
	if err := os.MkdirAll(shelf.Dir, 0o755); err != nil {
		return err
	}
	peer := peers.Queues()
	lacking := peer.Fetch(ctx, shelf)
	if lacking == nil {
		server, _, err := peer.Start(ctx, shelf)
		if err != nil {
			return err
		}
		defer server.Stop()
		theirs, err := cycling(ctx, peer.Name, server.URL, server.PID(), credentials.NewStaticCredentialsProvider("test", "test", ""))
		if err != nil {
			return err
		}
		sides = append(sides, theirs)
	}
	b.say("events, messages one by one")
	if err := b.turns(ctx, 16, sides...); err != nil {
		return err
	}
	t := table{
		title: "One message sent, received and deleted, again and again",
		note:  "16 clients of the AWS SDK for Go on one queue, which share the machine with what is measured: the last columns are what each takes of it.",
		head:  []string{"", "cycles", "p50", "p99", "server's processor time, a cycle", "clients'"},
	}
	for _, s := range sides {
		t.row(s.name, perSecond(s.rate()), ms(s.quantile(.5)), ms(s.quantile(.99)), fmt.Sprintf("%.0f us", float64(s.served())/1e3), fmt.Sprintf("%.0f us", float64(s.cost())/1e3))
	}
	name, target := "events: one message sent, received and deleted, 16 clients of the AWS SDK", "2 x "+peer.Name
	if lacking != nil {
		b.lacking(name, target, fmt.Sprintf("%s; %s %s", perSecond(ours.rate()), peer.Name, lacking))
	} else {
		x := ours.beside(sides[1], load.Sample.Rate)
		b.figure(name, target, fmt.Sprintf("%s (%s, %s)", times(x), perSecond(ours.rate()), perSecond(sides[1].rate())), x >= 2)
	}
	b.tables = append(b.tables, t)
	return nil
}

// cycling is a side whose clients share a queue.
func cycling(ctx context.Context, name, endpoint string, pid int, key aws.CredentialsProvider) (*side, error) {
	url, err := createQueue(ctx, queues(endpoint, "us-east-1", key), "cycles")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &side{name: name, client: cycle(endpoint, pid, key, url), targets: func(int) (load.Target, error) { return load.Target{}, nil }}, nil
}

// cycle is the client of a side: several of the SDK, each of which sends, receives
// and deletes one message after the other.
func cycle(endpoint string, pid int, key aws.CredentialsProvider, url string) func(context.Context, load.Target, int, time.Duration) (load.Sample, error) {
	return func(ctx context.Context, _ load.Target, clients int, d time.Duration) (load.Sample, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		each := make([][]time.Duration, clients)
		cpu, served, began := load.ProcessTime(), host.CPU(pid), time.Now()
		var wg sync.WaitGroup
		for i := range clients {
			api := queues(endpoint, "us-east-1", key)
			wg.Go(func() {
				for time.Since(began) < d && ctx.Err() == nil {
					at := time.Now()
					if err := cycleOnce(ctx, api, url); err != nil {
						cancel(err)
						return
					}
					each[i] = append(each[i], time.Since(at))
				}
			})
		}
		wg.Wait()
		s := load.Sample{Elapsed: time.Since(began), CPU: load.ProcessTime() - cpu, Served: host.CPU(pid) - served, Latencies: slices.Concat(each...)}
		slices.Sort(s.Latencies)
		return s, context.Cause(ctx)
	}
}

func cycleOnce(ctx context.Context, api *sqs.Client, url string) error {
	if _, err := api.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("one message of the many")}); err != nil {
		return err
	}
	for {
		got, err := api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url})
		if err != nil {
			return err
		}
		for _, m := range got.Messages {
			_, err := api.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			return err
		}
	}
}

// idling is a platform of which it is measured what things cost that wait.
type idling struct {
	*host.Pinfold
	queues    *sqs.Client // one, as each has connections of its own, which take memory
	schedules *scheduler.Client
	name      string // of the things
	n         int    // of them
	make      func(ctx context.Context, p *idling, i int) error
}

// rested is what a platform was like in a minute in which it had nothing to do.
type rested struct {
	memory int64
	cpu    float64 // of one processor
}

// waiting measures queues and schedules that have nothing to do.
func waiting(ctx context.Context, b *bench) error {
	many := map[bool]int{false: 1, true: 20}[b.quick]
	all := []*idling{{name: "queues", n: 1000 / many, make: idleQueue}, {name: "schedules", n: 10_000 / many, make: idleSchedule}}
	const settled = 10 // what the platform holds once it has worked at all is not theirs
	for _, p := range all {
		var err error
		if p.Pinfold, err = b.platform(ctx, "idle-"+p.name, []string{"PINFOLD_CELLS=0"}); err != nil {
			return err
		}
		defer p.Stop()
		key := credentials.NewStaticCredentialsProvider(p.Key.AccessKeyID, p.Key.SecretAccessKey, "")
		p.queues = queues(p.API, p.Region, key)
		p.schedules = scheduler.New(scheduler.Options{Region: p.Region, BaseEndpoint: &p.API, Credentials: key, RetryMaxAttempts: 1})
		if err := b.fill(ctx, p, 0, settled); err != nil {
			return err
		}
	}
	before, err := b.rest(ctx, all)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := b.fill(ctx, p, settled, p.n+settled); err != nil {
			return err
		}
	}
	after, err := b.rest(ctx, all)
	if err != nil {
		return err
	}
	t := table{
		title: "Queues and schedules that wait",
		note: "Each queue had a message sent, received and deleted. Each schedule is due in many years. Memory is the resident set of the platform's process after a rest, " +
			"less that with 10 of them; the garbage that Go has not given back is in it. Processor time is that of a minute of the rest.",
		head: []string{"", "resident with 10", "with all", "processor with 10", "with all"},
	}
	percent := func(f float64) string { return fmt.Sprintf("%.2f%%", 100*f) }
	most := map[string]int64{"queues": 100 << 20, "schedules": 50 << 20}
	for i, p := range all {
		t.row(fmt.Sprintf("%d %s", p.n, p.name), megabytes(before[i].memory), megabytes(after[i].memory), percent(before[i].cpu), percent(after[i].cpu))
		grown := after[i].memory - before[i].memory
		b.figure(fmt.Sprintf("events: memory of %d idle %s", p.n, p.name), "under "+megabytes(most[p.name]), megabytes(grown), grown < most[p.name])
	}
	more := after[1].cpu - before[1].cpu
	b.figure(fmt.Sprintf("events: processor time of %d schedules that wait", all[1].n), "under 0.1% of one", percent(more), more < .001)
	b.tables = append(b.tables, t)
	return nil
}

// fill makes things from one number to another.
func (b *bench) fill(ctx context.Context, p *idling, from, to int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var made atomic.Int64
	tell := b.counter(p.name+" made", to)
	for i := from; i < to; i++ {
		tell(int(made.Load()))
		g.Go(func() error {
			defer made.Add(1)
			return p.make(ctx, p, i)
		})
	}
	return g.Wait()
}

// rest lets platforms have nothing to do for as long as Go takes to give memory back,
// and says what they were like in the last minute of it.
func (b *bench) rest(ctx context.Context, all []*idling) ([]rested, error) {
	first, minute := 90*time.Second, time.Minute
	if b.quick {
		first, minute = time.Second, time.Second
	}
	b.say("letting platforms rest for %s", first+minute)
	if err := host.Pause(ctx, first); err != nil {
		return nil, err
	}
	var found []rested
	for _, p := range all {
		found = append(found, rested{cpu: -host.CPU(p.PID()).Seconds()})
	}
	if err := host.Pause(ctx, minute); err != nil {
		return nil, err
	}
	for i, p := range all {
		found[i] = rested{memory: host.RSS(p.PID()), cpu: (found[i].cpu + host.CPU(p.PID()).Seconds()) / minute.Seconds()}
	}
	return found, nil
}

func idleQueue(ctx context.Context, p *idling, i int) error {
	url, err := createQueue(ctx, p.queues, fmt.Sprintf("idle-%d", i))
	if err != nil {
		return err
	}
	return cycleOnce(ctx, p.queues, url)
}

// idleSchedule makes a schedule that is not due: one with a rate is when it is made.
func idleSchedule(ctx context.Context, p *idling, i int) error {
	_, err := p.schedules.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
		Name: aws.String(fmt.Sprintf("idle-%d", i)), ScheduleExpression: aws.String("cron(0 12 1 1 ? 2090-2099)"), FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{Arn: aws.String(fmt.Sprintf("arn:aws:sqs:%s:000000000000:idle", p.Region)), RoleArn: aws.String("arn:aws:iam::000000000000:role/bench")},
	})
	return err
}
