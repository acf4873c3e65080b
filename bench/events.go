//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
	"pinfold.dev/pinfold/client"
)

// events measures what comes of itself: messages in queues with and without
// functions behind them, invocations that nobody waits for, and what things cost
// that wait for their time.
func events(ctx context.Context, b *bench) error {
	for _, part := range []func(context.Context, *bench) error{delivered, asynchronous, cycled, waiting} {
		if err := part(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// line is a queue with a function behind it, that says what it was invoked with.
type line struct {
	p     *host.Pinfold
	queue *sqs.Client
	logs  *cloudwatchlogs.Client
	url   string
	group string // of the function's log
}

// handled is what the function says of an invocation (bench/app/event.js).
type handled struct {
	First        string // message
	Count        int
	Began, Ended float64 // milliseconds since 1970
}

func wall(ms float64) time.Time { return time.UnixMicro(int64(ms * 1000)) }

// delivered measures queues that invoke functions.
func delivered(ctx context.Context, b *bench) error {
	handler := func(name string) function { return function{name, node, "event.handler"} }
	dir, err := b.lay(app{name: "queues", files: []string{"event.js"}, functions: []function{handler("ten"), handler("hundred")}})
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "events", nil, dir)
	if err != nil {
		return err
	}
	defer p.Stop()
	ten, err := newLine(ctx, p, "ten", 10, 0)
	if err != nil {
		return err
	}
	hundred, err := newLine(ctx, p, "hundred", 100, 1)
	if err != nil {
		return err
	}
	if err := b.one(ctx, ten); err != nil {
		return err
	}
	t := table{
		title: "Messages through a queue to a function",
		note: "Sent in batches of 10 over 8 connections with the generator of `bench/load`, signed before, while the function takes them; from the first byte sent until the last invocation said that it was over. " +
			"The function is Node.js behind walls and writes a line to its log for each batch.",
		head: []string{"the function takes", "messages", "sent", "handled", "invocations", "handled more than once", "platform's processor time, a message"},
	}
	for _, l := range []struct {
		*line
		takes string
	}{{ten, "10 at a time"}, {hundred, "100 at a time, waiting up to 1 s for them"}} {
		rate, err := b.many(ctx, l.line, l.takes, &t)
		if err != nil {
			return err
		}
		b.figure("events: batches of 10 sent until handled, function takes "+l.takes, "5,000 messages/s", perSecond(rate), rate >= 5000)
	}
	b.tables = append(b.tables, t)
	return nil
}

// newLine makes a queue for a function of the application "queues".
func newLine(ctx context.Context, p *host.Pinfold, name string, batch, window int32) (*line, error) {
	key := credentials.NewStaticCredentialsProvider(p.Key.AccessKeyID, p.Key.SecretAccessKey, "")
	api := lambda.New(lambda.Options{Region: p.Region, BaseEndpoint: &p.API, Credentials: key})
	l := &line{
		p: p, queue: queues(p.API, p.Region, key), group: "/aws/lambda/queues-dev-" + name,
		logs: cloudwatchlogs.New(cloudwatchlogs.Options{Region: p.Region, BaseEndpoint: &p.API, Credentials: key}),
	}
	var err error
	if l.url, err = createQueue(ctx, l.queue, name); err != nil {
		return nil, err
	}
	arn := fmt.Sprintf("arn:aws:sqs:%s:000000000000:%s", p.Region, name)
	_, err = api.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
		FunctionName: aws.String("queues-dev-" + name), EventSourceArn: &arn, BatchSize: &batch, MaximumBatchingWindowInSeconds: &window,
	})
	return l, err
}

func queues(endpoint, region string, key aws.CredentialsProvider) *sqs.Client {
	return sqs.New(sqs.Options{Region: region, BaseEndpoint: &endpoint, Credentials: key, RetryMaxAttempts: 1})
}

func createQueue(ctx context.Context, api *sqs.Client, name string) (string, error) {
	q, err := api.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		return "", err
	}
	return *q.QueueUrl, nil
}

// one measures single messages: how long it takes from the call of SendMessage until
// the function has begun.
func (b *bench) one(ctx context.Context, l *line) error {
	warmUp, n := 20, 200
	if b.quick {
		n = 20
	}
	b.say("events, %d single messages", n)
	sent, acknowledged := map[string]time.Time{}, []time.Duration{}
	for i := range warmUp + n {
		body, began := fmt.Sprintf("one-%d", i), time.Now()
		if _, err := l.queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &l.url, MessageBody: &body}); err != nil {
			return err
		}
		if i >= warmUp {
			sent[body], acknowledged = began, append(acknowledged, time.Since(began))
		}
		if err := host.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	all, err := l.handled(ctx, "one-", warmUp+n)
	if err != nil {
		return err
	}
	var took []time.Duration
	for _, h := range all {
		if began, ok := sent[h.First]; ok {
			took = append(took, wall(h.Began).Sub(began))
		}
	}
	slices.Sort(took)
	slices.Sort(acknowledged)
	b.figure("events: SendMessage until the function has begun, p50", "5 ms", ms(load.Quantile(took, .5)), load.Quantile(took, .5) <= 5*time.Millisecond)
	t := table{
		title: "One message to a function that is warm",
		note: fmt.Sprintf("%d messages with the AWS SDK for Go, 200 ms apart, so that the instance is frozen before each. From the call of SendMessage, and by the function's own clock "+
			"(`performance.timeOrigin` and `performance.now()`) until its handler has begun.", n),
		head: []string{"from the call until", "p50", "p90", "p99", "worst"},
	}
	for _, row := range []struct {
		until string
		took  []time.Duration
	}{{"it returns", acknowledged}, {"the function has begun", took}} {
		t.row(row.until, ms(load.Quantile(row.took, .5)), ms(load.Quantile(row.took, .9)), ms(load.Quantile(row.took, .99)), ms(load.Quantile(row.took, 1)))
	}
	b.tables = append(b.tables, t)
	return nil
}

// handled returns what the function has said of messages that begin with a prefix,
// once it has handled n.
func (l *line) handled(ctx context.Context, prefix string, n int) (all []handled, err error) {
	for end := time.Now().Add(patience); ; {
		all = nil
		count := 0
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &l.group, FilterPattern: aws.String("handled")})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, e := range page.Events {
				_, said, _ := strings.Cut(*e.Message, "handled ")
				var h handled
				if err := json.Unmarshal([]byte(said), &h); err != nil {
					return nil, fmt.Errorf("the log of %s says %q: %w", l.group, *e.Message, err)
				}
				if strings.HasPrefix(h.First, prefix) {
					all, count = append(all, h), count+h.Count
				}
			}
		}
		if count >= n {
			return all, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%s has handled %d of %d messages", l.group, count, n)
		}
		if err := host.Pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// many measures how many messages a second come through, and returns the median.
func (b *bench) many(ctx context.Context, l *line, takes string, t *table) (float64, error) {
	n := 20_000
	if b.quick {
		n = 1000
	}
	var rates, sends, costs []float64
	invocations, twice := 0, 0
	for round := range max(b.rounds, 2) { // the first one makes everything warm
		b.say("events, %d messages, %s", n, takes)
		prefix := fmt.Sprintf("many-%d-", round)
		target, err := l.batches(ctx, prefix, n)
		if err != nil {
			return 0, err
		}
		began, served := time.Now(), host.CPU(l.p.PID())
		sent, err := load.Each(ctx, target, 8)
		if err != nil {
			return 0, err
		}
		if err := drained(ctx, l.queue, l.url); err != nil {
			return 0, err
		}
		served = host.CPU(l.p.PID()) - served
		all, err := l.handled(ctx, prefix, n)
		if err != nil {
			return 0, err
		}
		if round == 0 {
			continue
		}
		last := slices.MaxFunc(all, func(a, b handled) int { return int(a.Ended*1000) - int(b.Ended*1000) })
		rates = append(rates, float64(n)/wall(last.Ended).Sub(began).Seconds())
		sends = append(sends, 10*sent.Rate())
		costs = append(costs, float64(served)/float64(n)/1e3)
		invocations += len(all)
		for _, h := range all {
			twice += h.Count
		}
		twice -= n
	}
	t.row(takes, fmt.Sprint(n), perSecond(load.Median(sends)), perSecond(load.Median(rates)), fmt.Sprint(invocations/len(rates)), fmt.Sprint(twice), fmt.Sprintf("%.0f us", load.Median(costs)))
	return load.Median(rates), nil
}

// batches makes SendMessageBatch requests, of 10 messages each.
func (l *line) batches(ctx context.Context, prefix string, n int) (load.Target, error) {
	t := load.Target{Addr: strings.TrimPrefix(l.p.API, "http://"), Want: `"Successful"`}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS.SendMessageBatch"}}
	err := sign(ctx, &t, l.p.Signer("sqs", header), "/", n/10, func(i int) string {
		in := struct {
			QueueUrl string
			Entries  []map[string]string
		}{QueueUrl: l.url}
		for k := range 10 {
			in.Entries = append(in.Entries, map[string]string{"Id": fmt.Sprint(k), "MessageBody": fmt.Sprintf("%s%d", prefix, 10*i+k)})
		}
		body, _ := json.Marshal(in) // strings alone
		return string(body)
	})
	return t, err
}

// drained waits until a queue has no messages.
func drained(ctx context.Context, api *sqs.Client, url string) error {
	for end := time.Now().Add(2 * patience); ; {
		q, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}})
		if err != nil {
			return err
		}
		left := q.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)] + " visible, " + q.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)] + " in flight"
		if left == "0 visible, 0 in flight" {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("a queue does not get empty: " + left)
		}
		if err := host.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// asynchronous measures how fast invocations are taken that nobody waits for.
func asynchronous(ctx context.Context, b *bench) error {
	dir, err := b.hello()
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "asynchronous", nil, dir)
	if err != nil {
		return err
	}
	defer p.Stop()
	api := client.New(p.API, p.Region, p.Key)
	by := p.Signer("lambda", http.Header{"X-Amz-Invocation-Type": {"Event"}})
	s := &side{}
	var whole []float64
	for round := range max(b.rounds, 2) { // the first one makes everything warm
		b.say("events, asynchronous invocations")
		t := load.Target{Addr: strings.TrimPrefix(p.API, "http://"), Status: http.StatusAccepted}
		if err := sign(ctx, &t, by, host.InvokePath("hello-dev-node"), int(20_000*b.length.Seconds()), greet); err != nil {
			return err
		}
		began, served := time.Now(), host.CPU(p.PID())
		sample, err := load.Run(ctx, t, 32, b.length)
		if err != nil {
			return err
		}
		for left := 1; left > 0; {
			found, err := api.Events(ctx, "hello-dev-node", 1)
			if err != nil {
				return err
			}
			left = found.Waiting + found.Running + found.Delayed
			if err := host.Pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		sample.Served = host.CPU(p.PID()) - served // of running them, too
		if round > 0 {
			s.samples = append(s.samples, sample)
			whole = append(whole, float64(sample.Requests())/time.Since(began).Seconds())
		}
	}
	b.figure("events: asynchronous Invoke acknowledged, 32 connections", "5,000/s", perSecond(s.rate()), s.rate() >= 5000)
	t := table{
		title: "Asynchronous invocations",
		note:  "Invoke with SigV4 over 32 connections, signed before, while the function runs them. The whole is from the first request until the last invocation was over.",
		head:  []string{"acknowledged", "p50", "p99", "acknowledged and run", "platform's processor time for both", "generator's, a request"},
	}
	t.row(perSecond(s.rate()), ms(s.quantile(.5)), ms(s.quantile(.99)), perSecond(load.Median(whole)), fmt.Sprintf("%.0f us", float64(s.served())/1e3), fmt.Sprintf("%.1f us", float64(s.cost())/1e3))
	b.tables = append(b.tables, t)
	return nil
}
