package queue

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/queue/policy"
)

// The values of attributes of FIFO queues that mean something here.
const (
	scopeQueue   = "queue"
	scopeGroup   = "messageGroup"
	limitQueue   = "perQueue"
	limitGroup   = "perMessageGroupId"
	fifoSuffix   = ".fifo"
	attributeSSE = "SqsManagedSseEnabled"
	attributeKMS = "KmsMasterKeyId"
	attributeKey = "KmsDataKeyReusePeriodSeconds"
)

// defaults is a new queue. Source: CreateQueue, SQS API reference.
func defaults(ref Ref) pinfold.MessageQueue {
	return pinfold.MessageQueue{
		Account: ref.Account, Region: ref.Region, Name: ref.Name,
		VisibilityTimeout: 30, Retention: 345_600, MaximumMessageSize: MaxMessage,
	}
}

func badValue(name string) error {
	return pinfold.Errorf(pinfold.Invalid, "Invalid value for the parameter %s.", name).WithReason("InvalidAttributeValue")
}

func badName(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("InvalidAttributeName")
}

func unknownAttribute(name string) error { return badName("Unknown Attribute %s.", name) }

// numbers are the attributes that are numbers: where they are, and their bounds.
var numbers = map[string]struct {
	field       func(*pinfold.MessageQueue) *int
	least, most int
}{
	"DelaySeconds":                  {func(q *pinfold.MessageQueue) *int { return (*int)(&q.Delay) }, 0, 900},
	"MaximumMessageSize":            {func(q *pinfold.MessageQueue) *int { return &q.MaximumMessageSize }, 1024, MaxMessage},
	"MessageRetentionPeriod":        {func(q *pinfold.MessageQueue) *int { return (*int)(&q.Retention) }, 60, 1_209_600},
	"ReceiveMessageWaitTimeSeconds": {func(q *pinfold.MessageQueue) *int { return (*int)(&q.ReceiveWait) }, 0, maxWait},
	"VisibilityTimeout":             {func(q *pinfold.MessageQueue) *int { return (*int)(&q.VisibilityTimeout) }, 0, maxVisibility},
}

// setAttributes changes a queue's record as attributes say, in the order of their
// names. What they say of other queues is for checkRedrive.
func setAttributes(q *pinfold.MessageQueue, attributes map[string]string) error {
	q.Kept = maps.Clone(q.Kept)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := setAttribute(q, name, attributes[name]); err != nil {
			return err
		}
	}
	return checkTogether(q)
}

func setAttribute(q *pinfold.MessageQueue, name, value string) (err error) {
	if n, ok := numbers[name]; ok {
		return setNumber(n.field(q), name, value, n.least, n.most)
	}
	switch name {
	case "Policy":
		q.Policy = value
		return policy.Check(value)
	case "RedrivePolicy":
		q.Redrive, err = parseRedrive(q, value)
		return err
	case "RedriveAllowPolicy":
		q.RedriveAllow, err = parseRedriveAllow(value)
		return err
	case attributeSSE, attributeKMS, attributeKey:
		return keep(q, name, value)
	case "FifoQueue":
		switch {
		case !q.FIFO:
			return unknownAttribute(name)
		case value != "true":
			return pinfold.Errorf(pinfold.Invalid, "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.").WithReason("InvalidAttributeValue")
		}
		return nil
	case "ContentBasedDeduplication":
		if !q.FIFO {
			return unknownAttribute(name)
		}
		return setBool(&q.ContentBasedDeduplication, name, value)
	case "DeduplicationScope":
		return setChoice(q, &q.DeduplicationScope, name, value, scopeQueue, scopeGroup)
	case "FifoThroughputLimit":
		return setChoice(q, &q.FifoThroughputLimit, name, value, limitQueue, limitGroup)
	}
	return unknownAttribute(name)
}

func setNumber(to *int, name, value string, least, most int) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return badValue(name)
	}
	*to = n
	return nil
}

func setBool(to *bool, name, value string) error {
	switch strings.ToLower(value) {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return badValue(name)
	}
	return nil
}

func setChoice(q *pinfold.MessageQueue, to *string, name, value string, choices ...string) error {
	if !q.FIFO {
		return badName("You can specify the %s only when FifoQueue is set to true.", name)
	}
	if !slices.Contains(choices, value) {
		return badValue(name)
	}
	*to = value
	return nil
}

// keep keeps what is said about encryption, which there is none of.
func keep(q *pinfold.MessageQueue, name, value string) error {
	var n int
	var on bool
	switch {
	case name == attributeSSE:
		if err := setBool(&on, name, value); err != nil {
			return err
		}
		value = strconv.FormatBool(on)
	case name == attributeKey:
		if err := setNumber(&n, name, value, 60, 86_400); err != nil {
			return err
		}
	case value == "":
		delete(q.Kept, name)
		return nil
	}
	if q.Kept == nil {
		q.Kept = map[string]string{}
	}
	q.Kept[name] = value
	return nil
}

// checkTogether returns what is wrong with attributes that are right by themselves.
func checkTogether(q *pinfold.MessageQueue) error {
	if q.Kept[attributeKMS] != "" && q.Kept[attributeSSE] == "true" {
		return badName("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	if q.FifoThroughputLimit == limitGroup && q.DeduplicationScope != scopeGroup {
		return badName("The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	return nil
}

type redrivePolicy struct {
	DeadLetter      *string         `json:"deadLetterTargetArn"`
	MaxReceiveCount json.RawMessage `json:"maxReceiveCount"`
}

func parseRedrive(q *pinfold.MessageQueue, text string) (*pinfold.Redrive, error) {
	if text == "" {
		return nil, nil
	}
	wrong := func(reason string) error { return invalidValue(text, "RedrivePolicy", reason) }
	var members map[string]json.RawMessage
	var p redrivePolicy
	if json.Unmarshal([]byte(text), &members) != nil || members == nil || json.Unmarshal([]byte(text), &p) != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.").WithReason("InvalidAttributeValue")
	}
	count := strings.Trim(string(p.MaxReceiveCount), `"`) // CloudFormation sends it as text
	n, err := strconv.Atoi(count)
	switch {
	case p.MaxReceiveCount == nil:
		return nil, wrong("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	case p.DeadLetter == nil:
		return nil, wrong("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	case err != nil || n < 1 || n > 1000:
		return nil, wrong("Invalid value for maxReceiveCount: " + count + ", valid values are from 1 to 1000 both inclusive.")
	}
	arn, ok := pinfold.ParseARN(*p.DeadLetter)
	switch {
	case !ok:
		return nil, wrong("Invalid value for deadLetterTargetArn.")
	case arn.Service != "sqs":
		return nil, wrong("Only SQS queues are valid resources for deadLetterTargetArn.")
	case arn.Account != q.Account:
		return nil, wrong("Dead-letter target owner should be same as the source.")
	case arn.Region != q.Region:
		return nil, wrong("Dead-letter target must be in same region as the source.")
	case strings.HasSuffix(arn.Resource, fifoSuffix) != q.FIFO:
		return nil, wrong("Dead-letter queue must be same type of queue as the source..")
	case len(members) > 2:
		return nil, wrong("Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].")
	}
	return &pinfold.Redrive{DeadLetter: *p.DeadLetter, MaxReceiveCount: n}, nil
}

// redriveText is a redrive policy as attributes have it.
func redriveText(r *pinfold.Redrive) string {
	text, _ := json.Marshal(struct { // of a string and a number: it cannot fail
		DeadLetter string `json:"deadLetterTargetArn"`
		Count      int    `json:"maxReceiveCount"`
	}{r.DeadLetter, r.MaxReceiveCount})
	return string(text)
}

type redriveAllowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

const maxSources = 10

func parseRedriveAllow(text string) (*pinfold.RedriveAllow, error) {
	if text == "" {
		return nil, nil
	}
	const name, cannot = "RedriveAllowPolicy", "Amazon SQS can't create the redrive allow policy"
	wrong := func(reason string) error { return invalidValue(text, name, cannot+". "+reason) }
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var p redriveAllowPolicy
	if dec.Decode(&p) != nil || dec.More() || !slices.Contains([]string{"allowAll", "denyAll", "byQueue"}, p.Permission) {
		return nil, pinfold.Errorf(pinfold.Invalid, "Invalid value for the parameter %s. Reason: %s, as it’s in an unsupported format.", name, cannot).WithReason("InvalidAttributeValue")
	}
	switch {
	case p.Permission != "byQueue" && p.Sources != nil:
		return nil, wrong("To specify one or more source queue ARNs, you must set redrivePermission to byQueue.")
	case p.Permission == "byQueue" && len(p.Sources) == 0:
		return nil, wrong("When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.")
	case len(p.Sources) > maxSources:
		return nil, wrong("The maximum number of source queue ARNs you can specify is 10.")
	}
	return &pinfold.RedriveAllow{Permission: p.Permission, Sources: p.Sources}, nil
}

// allows reports whether a queue may have another one's messages redriven to it.
func allows(to *pinfold.MessageQueue, source string) bool {
	switch a := to.RedriveAllow; {
	case a == nil || a.Permission == "allowAll":
		return true
	case a.Permission == "byQueue":
		return slices.Contains(a.Sources, source)
	}
	return false
}

// attributes returns all attributes of a queue. Those that come from its messages
// are left out without counts.
func attributes(q *pinfold.MessageQueue, counts *backlog.Counts) map[string]string {
	all := map[string]string{
		"QueueArn":              q.ARN(),
		"CreatedTimestamp":      strconv.FormatInt(q.Created.Unix(), 10),
		"LastModifiedTimestamp": strconv.FormatInt(q.Modified.Unix(), 10),
		attributeSSE:            "false",
	}
	for name, n := range numbers {
		all[name] = strconv.Itoa(*n.field(q))
	}
	maps.Copy(all, q.Kept)
	if q.Kept[attributeKMS] == "" {
		delete(all, attributeKey)
	} else if q.Kept[attributeKey] == "" {
		all[attributeKey] = "300"
	}
	if q.FIFO {
		all["FifoQueue"] = "true"
		all["ContentBasedDeduplication"] = strconv.FormatBool(q.ContentBasedDeduplication)
		all["DeduplicationScope"] = q.DeduplicationScope
		all["FifoThroughputLimit"] = q.FifoThroughputLimit
	}
	if q.Policy != "" {
		all["Policy"] = q.Policy
	}
	if q.Redrive != nil {
		all["RedrivePolicy"] = redriveText(q.Redrive)
	}
	if a := q.RedriveAllow; a != nil {
		text, _ := json.Marshal(redriveAllowPolicy{a.Permission, a.Sources}) // of strings: it cannot fail
		all["RedriveAllowPolicy"] = string(text)
	}
	if counts != nil {
		all["ApproximateNumberOfMessages"] = strconv.Itoa(counts.Visible)
		all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(counts.InFlight)
		all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(counts.Delayed)
	}
	return all
}

// attributeNames are the names that may be asked for. Source: GetQueueAttributes, SQS
// API reference.
var attributeNames = []string{
	"Policy", "VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod", "ApproximateNumberOfMessages",
	"ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
	"ApproximateNumberOfMessagesDelayed", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy", "FifoQueue",
	"ContentBasedDeduplication", attributeKMS, attributeKey, "DeduplicationScope", "FifoThroughputLimit",
	"RedriveAllowPolicy", attributeSSE,
}
