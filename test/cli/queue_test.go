package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// queues is AWS's client of a server's queues, with the root key.
func (p *place) queues(s *server) *sqs.Client {
	p.t.Helper()
	content, err := os.ReadFile(filepath.Join(p.data, platform.RootKeyFile))
	var facts platform.Facts
	if err == nil {
		err = json.Unmarshal(content, &facts.RootKey)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	facts.Endpoints.API, facts.Region = s.api, "us-east-1"
	return sqs.NewFromConfig(gosdk.Config(&platformtest.Platform{Facts: facts}))
}

// makeQueue creates a queue and returns its URL.
func makeQueue(t *testing.T, queues *sqs.Client, name string, attributes map[string]string) string {
	t.Helper()
	out, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func TestQueue(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	p.run("queue", "ls").ok().says("There are no queues.")
	queues := p.queues(s)
	makeQueue(t, queues, "dead", nil)
	jobs := makeQueue(t, queues, "jobs", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}`})
	makeQueue(t, queues, "orders.fifo", map[string]string{"FifoQueue": "true"})

	p.run("queue", "send", "jobs", "one").ok().says("-")
	p.pipe("two\n", "queue", "send", "arn:aws:sqs:us-east-1:000000000000:jobs", "-", "-a", "kind=a").ok()
	p.run("queue", "send", "orders.fifo", "x", "--group", "g", "--dedup", "d").ok()
	p.run("queue", "send", "orders.fifo", "x").exits(1).complains("The request must contain the parameter MessageGroupId.")
	p.run("queue", "ls").ok().says("jobs", "dead", "of jobs", "orders.fifo")
	peeked := decode[[]struct {
		Body       string
		Attributes map[string]string
	}](p.run("queue", "peek", "jobs", "--json").ok())
	if len(peeked) != 2 || peeked[0].Body != "one" || peeked[1].Body != "two\n" || peeked[1].Attributes["kind"] != "a" {
		t.Errorf("peeked %+v", peeked)
	}
	p.run("queue", "peek", "jobs", "-n", "1").ok().says("visible", "one").never("two")

	for range 3 { // received once each, which is as often as they may be
		if _, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &jobs, MaxNumberOfMessages: 10}); err != nil {
			t.Fatal(err)
		}
	}
	p.run("queue", "peek", "dead").ok().says("one", "two")
	p.run("queue", "redrive", "dead").ok().says("where they came from")
	p.run("queue", "redrive", "jobs").exits(1).complains("Source queue must be configured as a Dead Letter Queue.")
	p.sh(`for i in $(seq 100); do pinfold queue ls --json | grep -q COMPLETED && exit 0; done; exit 1`).ok()
	p.run("queue", "peek", "jobs").ok().says("one", "two")

	p.run("queue", "purge", "jobs").exits(1).complains("--yes")
	p.run("queue", "purge", "jobs", "--yes").ok().says("purged jobs")
	p.run("queue", "purge", "jobs", "--yes").exits(1).complains("is allowed every 60 seconds")
	p.run("queue", "peek", "jobs").ok().complains("no messages")

	p.run("queue", "peek", "nothing").exits(1).complains("there is no queue nothing", "`pinfold queue ls`")
	p.run("queue", "peek", "job").exits(1).complains("did you mean jobs?")
	p.run("queue", "peek").exits(2).complains("QUEUE", "Usage: pinfold queue peek QUEUE")
	p.run("queue", "send", "jobs").exits(2).complains("send needs a body")
	p.run("queue").ok().says("Usage:", "redrive")
	for _, name := range []string{"ls", "peek", "send", "redrive", "purge"} {
		p.run("queue", name, "--help").ok().says("Examples:", "pinfold queue "+name)
	}
	s.stop()
}
