package cfn

import (
	"cmp"
	"strings"

	"pinfold.dev/pinfold"
)

// Limits and defaults of queues. Source: SetQueueAttributes, SQS API reference.
const (
	maxMessage = 1 << 20
	retention  = 4 * 24 * 3600
	fifoSuffix = ".fifo"
)

// keptOfQueue change nothing here.
var keptOfQueue = []string{"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"}

func (e *eventReader) queue(r Resource, p properties) {
	p.known(append([]string{"QueueName", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit", "VisibilityTimeout", "DelaySeconds",
		"ReceiveMessageWaitTimeSeconds", "MessageRetentionPeriod", "MaximumMessageSize", "RedrivePolicy", "RedriveAllowPolicy", "Tags"}, keptOfQueue...)...)
	q := pinfold.MessageQueue{
		Account: e.Target.Account, Region: e.Target.Region, Name: e.name(r, p, "QueueName", "-_."),
		FIFO:                      p.flag("FifoQueue", false),
		ContentBasedDeduplication: p.flag("ContentBasedDeduplication", false),
		DeduplicationScope:        p.oneOf("DeduplicationScope", "", "queue", "messageGroup"),
		FifoThroughputLimit:       p.oneOf("FifoThroughputLimit", "", "perQueue", "perMessageGroupId"),
		VisibilityTimeout:         p.seconds("VisibilityTimeout", 0, 43_200, 30),
		Delay:                     p.seconds("DelaySeconds", 0, 900, 0),
		ReceiveWait:               p.seconds("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
		Retention:                 p.seconds("MessageRetentionPeriod", 60, 1_209_600, retention),
		MaximumMessageSize:        p.whole("MaximumMessageSize", 1024, maxMessage, maxMessage),
		Redrive:                   e.redrive(p),
		RedriveAllow:              e.redriveAllow(p),
		Tags:                      p.tags("Tags"),
	}
	for _, key := range keptOfQueue {
		if p.get(key) != nil {
			if q.Kept == nil {
				q.Kept = map[string]string{}
			}
			q.Kept[key] = p.text(key)
		}
	}
	if q.FIFO {
		q.DeduplicationScope, q.FifoThroughputLimit = cmp.Or(q.DeduplicationScope, "queue"), cmp.Or(q.FifoThroughputLimit, "perQueue")
	}
	e.once(r, "the queue %s", q.Name)
	e.checkFIFO(p, q)
	e.found.Events.Queues = append(e.found.Events.Queues, made(r, q))
}

func (e *eventReader) checkFIFO(p properties, q pinfold.MessageQueue) {
	base, fifo := strings.CutSuffix(q.Name, fifoSuffix)
	switch {
	case q.FIFO && !fifo:
		p.wrong("QueueName", "must end with %s, because the queue is a FIFO queue: write %s%s", fifoSuffix, q.Name, fifoSuffix)
	case !q.FIFO && fifo:
		p.wrong("QueueName", "ends with %s, and the queue is no FIFO queue: write FifoQueue: true", fifoSuffix)
	case strings.Contains(base, "."):
		p.wrong("QueueName", "must not have a dot but in its end %s, as %q has", fifoSuffix, q.Name)
	}
	if !q.FIFO {
		for _, key := range []string{"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"} {
			if n := p.get(key); n != nil && n.Value != false {
				p.wrong(key, "is for FIFO queues: write FifoQueue: true, or take it out")
			}
		}
	}
	if q.FifoThroughputLimit == "perMessageGroupId" && q.DeduplicationScope != "messageGroup" {
		p.wrong("FifoThroughputLimit", "can be perMessageGroupId only where DeduplicationScope is messageGroup")
	}
	if r := q.Redrive; r != nil && r.DeadLetter != "" && strings.HasSuffix(r.DeadLetter, fifoSuffix) != q.FIFO {
		p.wrong("RedrivePolicy", "names %s: the dead-letter queue of a FIFO queue must be one, too, and that of another must not", r.DeadLetter)
	}
}

func (e *eventReader) redrive(p properties) *pinfold.Redrive {
	part, text := p.json("RedrivePolicy")
	if text == "" || len(part.m.Keys) == 0 {
		return nil
	}
	part.known("deadLetterTargetArn", "maxReceiveCount")
	if !part.need("deadLetterTargetArn", "maxReceiveCount") {
		return nil
	}
	return &pinfold.Redrive{DeadLetter: part.queueARN("deadLetterTargetArn"), MaxReceiveCount: part.whole("maxReceiveCount", 1, 1000, 1)}
}

func (e *eventReader) redriveAllow(p properties) *pinfold.RedriveAllow {
	part, text := p.json("RedriveAllowPolicy")
	if text == "" || len(part.m.Keys) == 0 {
		return nil
	}
	part.known("redrivePermission", "sourceQueueArns")
	allow := &pinfold.RedriveAllow{Permission: part.oneOf("redrivePermission", "allowAll", "allowAll", "denyAll", "byQueue"), Sources: part.texts("sourceQueueArns")}
	switch n := len(allow.Sources); {
	case allow.Permission == "byQueue" && (n < 1 || n > 10):
		part.wrong("sourceQueueArns", "must be 1 to 10 ARNs of queues where redrivePermission is byQueue, and are %d", n)
	case allow.Permission != "byQueue" && n > 0:
		part.wrong("sourceQueueArns", "can be given only where redrivePermission is byQueue")
	}
	return allow
}

// queuePolicy gives queues of the application a policy, which is an attribute of
// theirs. It comes after its queues, because it names them.
func (e *eventReader) queuePolicy(r Resource, p properties) {
	p.known("Queues", "PolicyDocument")
	if !p.need("Queues", "PolicyDocument") {
		return
	}
	_, policy := p.json("PolicyDocument")
	for _, n := range p.list("Queues") {
		url, _ := n.Text()
		q := e.queueOf(url)
		if q == nil {
			e.unserved(n.At, "%s %s for %q, which is no queue of this file", r.Type, r.ID, url)
			continue
		}
		if other, twice := e.policies[q.Name]; twice {
			e.problem(r.At, "the queue %s has a policy already (%s), and can have one: put their statements into one", q.Name, other.FileLine())
			continue
		}
		e.policies[q.Name] = r.At
		q.Policy = policy
	}
}

// queueOf returns the queue of the application that a URL means, or nil.
func (e *eventReader) queueOf(url string) *pinfold.MessageQueue {
	for i := range e.found.Events.Queues {
		q := &e.found.Events.Queues[i].Want
		if url == e.Target.Endpoints.API+"/"+q.Account+"/"+q.Name {
			return q
		}
	}
	return nil
}
