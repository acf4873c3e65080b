package cli_test

import (
	"strings"
	"testing"
)

// makeQueue creates a queue with the aws command.
func (p *place) makeQueue(t *testing.T, name string, attributes ...string) {
	t.Helper()
	args := []string{"sqs", "create-queue", "--queue-name", name}
	if len(attributes) > 0 {
		args = append(args, "--attributes", attributes[0])
	}
	p.sh(`eval "$(pinfold env)"; aws --endpoint-url "$AWS_ENDPOINT_URL" ` + quote(args)).ok()
}

func quote(args []string) string {
	for i, a := range args {
		args[i] = "'" + a + "'"
	}
	return strings.Join(args, " ")
}

func TestQueue(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	p.run("queue", "ls").ok().says("There are no queues.")
	p.makeQueue(t, "dead")
	p.makeQueue(t, "jobs", `{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":1}"}`)
	p.makeQueue(t, "orders.fifo", "FifoQueue=true")

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

	p.sh(`eval "$(pinfold env)"; sqs="aws --endpoint-url $AWS_ENDPOINT_URL sqs"; url=$($sqs get-queue-url --queue-name jobs --query QueueUrl --output text); for i in 1 2 3; do $sqs receive-message --queue-url "$url" --visibility-timeout 0 --max-number-of-messages 10; done`).ok()
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
