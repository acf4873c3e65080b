package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// What was acknowledged is delivered: messages of standard and FIFO queues,
// asynchronous invocations and their results, schedules, although the server is
// killed again and again in the middle of it. The order of a message group holds,
// and what comes twice is no more than what was in flight.
func TestNoEventIsLost(t *testing.T) {
	rounds := times(t, 10)
	if long, err := strconv.Atoi(os.Getenv("PINFOLD_KILLS")); err == nil {
		rounds = long
	}
	s := newServer(t)
	s.start()
	s.mustDeploy(platformtest.Files(t, map[string]string{
		"serverless.yml": "service: app\nprovider: {name: aws, runtime: nodejs22.x, versionFunctions: false}\nfunctions:\n  echo: {handler: index.handler}\n",
		"index.js":       `exports.handler = async (event) => event;`,
	}))
	e := &events{server: s, tally: tally{acknowledged: map[string]bool{}, seen: map[string]int{}, last: map[string][]string{}}}
	e.connect()
	e.prepare(t.Context())
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		e.run(ctx, &load, round)
		s.killSoon(250 * time.Millisecond)()
		cancel()
		load.Wait()
		s.start()
		e.connect()
	}
	e.drain(t, rounds)
}

// events is a load of everything that is acknowledged, and who takes it.
type events struct {
	*server
	sqs       *sqs.Client
	lambda    *lambda.Client
	scheduler *scheduler.Client
	standard  string // URLs of queues
	fifo      string
	results   string
	tally
}

// consumers is how many receive from each queue, ten messages at a time.
const consumers = 2

// tally is what was promised, and what came of it.
type tally struct {
	sync.Mutex
	acknowledged map[string]bool
	seen         map[string]int
	last         map[string][]string // acknowledged messages of a group, in order
	disorder     []string
}

func (c *tally) promise(id string) {
	c.Lock()
	defer c.Unlock()
	c.acknowledged[id] = true
}

func (c *tally) promiseInOrder(group, id string) {
	c.Lock()
	defer c.Unlock()
	c.acknowledged[id] = true
	c.last[group] = append(c.last[group], id)
}

func (c *tally) see(id string) {
	c.Lock()
	defer c.Unlock()
	c.seen[id]++
}

// seeInOrder notes the first time that a message comes before one of its group that
// was acknowledged earlier.
func (c *tally) seeInOrder(group, id string) {
	c.Lock()
	defer c.Unlock()
	if c.seen[id]++; c.seen[id] > 1 {
		return
	}
	for len(c.last[group]) > 0 && c.seen[c.last[group][0]] > 0 {
		c.last[group] = c.last[group][1:]
	}
	if len(c.last[group]) > 0 && c.last[group][0] < id {
		c.disorder = append(c.disorder, fmt.Sprintf("%s came before %s", id, c.last[group][0]))
	}
}

func (c *tally) lost() (ids []string) {
	c.Lock()
	defer c.Unlock()
	for id := range c.acknowledged {
		if c.seen[id] == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (e *events) connect() {
	cfg := gosdk.Config(&platformtest.Platform{Facts: e.facts, Client: e.client})
	key := e.key()
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
	})
	e.sqs, e.lambda, e.scheduler = sqs.NewFromConfig(cfg), lambda.NewFromConfig(cfg), scheduler.NewFromConfig(cfg)
}

func (e *events) prepare(ctx context.Context) {
	e.t.Helper()
	for name, url := range map[string]*string{"standard": &e.standard, "order.fifo": &e.fifo, "results": &e.results} {
		attributes := map[string]string{"VisibilityTimeout": "600"}
		if strings.HasSuffix(name, ".fifo") {
			attributes["FifoQueue"] = "true"
		}
		out, err := e.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			e.t.Fatal(err)
		}
		*url = *out.QueueUrl
	}
	if _, err := e.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName:      aws.String("app-dev-echo"),
		DestinationConfig: &lambdatypes.DestinationConfig{OnSuccess: &lambdatypes.OnSuccess{Destination: aws.String(e.arn("results"))}},
	}); err != nil {
		e.t.Fatal(err)
	}
}

func (e *events) arn(queue string) string {
	return "arn:aws:sqs:" + e.facts.Region + ":" + e.facts.Account + ":" + queue
}

// run puts the server under load until ctx ends. What fails is not acknowledged.
func (e *events) run(ctx context.Context, load *sync.WaitGroup, round int) {
	repeat := func(do func(n int)) {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				do(n)
			}
		})
	}
	repeat(func(n int) { e.sendBatch(ctx, fmt.Sprintf("standard/%04d/%05d", round, n)) })
	for g := range 3 {
		group := fmt.Sprint("g", g)
		repeat(func(n int) {
			id := fmt.Sprintf("fifo/%s/%04d/%05d", group, round, n)
			if _, err := e.sqs.SendMessage(ctx, &sqs.SendMessageInput{
				QueueUrl: &e.fifo, MessageBody: &id, MessageGroupId: &group, MessageDeduplicationId: aws.String(strings.ReplaceAll(id, "/", "-")),
			}); err == nil {
				e.promiseInOrder(group, id)
			}
		})
	}
	repeat(func(n int) {
		id := fmt.Sprintf("async/%04d/%05d", round, n)
		if _, err := e.lambda.Invoke(ctx, &lambda.InvokeInput{
			FunctionName: aws.String("app-dev-echo"), InvocationType: lambdatypes.InvocationTypeEvent, Payload: fmt.Appendf(nil, "%q", id),
		}); err == nil {
			e.promise(id)
		}
		pause(ctx, 5*time.Millisecond)
	})
	repeat(func(n int) {
		id := fmt.Sprintf("schedule/%04d/%05d", round, n)
		if _, err := e.scheduler.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
			Name: aws.String(strings.ReplaceAll(id, "/", "-")), ScheduleExpression: aws.String("at(" + time.Now().Add(3*time.Second).UTC().Format("2006-01-02T15:04:05") + ")"),
			FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff}, ActionAfterCompletion: schedulertypes.ActionAfterCompletionDelete,
			Target: &schedulertypes.Target{Arn: aws.String(e.arn("results")), RoleArn: aws.String("arn:aws:iam::000000000000:role/r"), Input: aws.String(fmt.Sprintf("%q", id))},
		}); err == nil {
			e.promise(id)
		}
		pause(ctx, 20*time.Millisecond)
	})
	e.consume(ctx, load)
}

func (e *events) sendBatch(ctx context.Context, id string) {
	var entries []sqstypes.SendMessageBatchRequestEntry
	for i := range 10 {
		entries = append(entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprintf("%s/%d", id, i))})
	}
	out, err := e.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &e.standard, Entries: entries})
	if err != nil {
		return
	}
	for _, ok := range out.Successful {
		e.promise(id + "/" + *ok.Id)
	}
}

// consume has messages received and deleted until ctx ends.
func (e *events) consume(ctx context.Context, load *sync.WaitGroup) {
	for url, see := range map[string]func(sqstypes.Message){
		e.standard: func(m sqstypes.Message) { e.see(*m.Body) },
		e.fifo:     func(m sqstypes.Message) { e.seeInOrder(m.Attributes["MessageGroupId"], *m.Body) },
		e.results:  func(m sqstypes.Message) { e.see(result(*m.Body)) },
	} {
		for range consumers {
			load.Go(func() {
				for ctx.Err() == nil {
					e.take(ctx, url, see)
				}
			})
		}
	}
}

func (e *events) take(ctx context.Context, url string, see func(sqstypes.Message)) {
	out, err := e.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
	})
	if err != nil {
		pause(ctx, 10*time.Millisecond)
		return
	}
	var entries []sqstypes.DeleteMessageBatchRequestEntry
	for i, m := range out.Messages {
		see(m)
		entries = append(entries, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	if len(entries) > 0 {
		_, _ = e.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries}) // else it comes again
	}
}

// result is the id in what an asynchronous invocation or a schedule has sent.
func result(body string) (id string) {
	if json.Unmarshal([]byte(body), &id) == nil {
		return id
	}
	var record struct{ RequestPayload string }
	_ = json.Unmarshal([]byte(body), &record)
	return record.RequestPayload
}

// pause lets others have the server for a while.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// drain takes what is left, and counts.
func (e *events) drain(t *testing.T, rounds int) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var load sync.WaitGroup
	e.consume(ctx, &load)
	for len(e.lost()) > 0 && ctx.Err() == nil {
		pause(ctx, 50*time.Millisecond)
	}
	cancel()
	load.Wait()
	http.DefaultClient.CloseIdleConnections()
	if lost := e.lost(); len(lost) > 0 {
		t.Errorf("%d of %d acknowledged events are lost, the first: %s", len(lost), len(e.acknowledged), lost[:min(5, len(lost))])
	}
	if len(e.disorder) > 0 {
		t.Errorf("%d messages came out of order, the first: %s", len(e.disorder), e.disorder[0])
	}
	twice := map[string]int{}
	for id, n := range e.seen {
		kind, _, _ := strings.Cut(id, "/")
		twice[kind] += n - 1
	}
	t.Logf("%d kills, %d events acknowledged, delivered once more: %v", rounds, len(e.acknowledged), twice)
	for _, kind := range slices.Sorted(maps.Keys(twice)) {
		// What a consumer had was ten messages; of asynchronous invocations, those that
		// ran; of results, what consumers had besides.
		if bound := rounds * consumers * 10; twice[kind] > 2*bound {
			t.Errorf("%d of kind %s were delivered once more; in flight were %d at most", twice[kind], kind, 2*bound)
		}
	}
}
