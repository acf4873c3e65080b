package pinfold

import (
	"context"
	"time"
)

// MessageQueue is a queue of messages, as SQS has them. Field meanings, limits
// and defaults are those of SetQueueAttributes, SQS API reference.
type MessageQueue struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"`
	// ID tells the messages of this queue from those of others that had its name;
	// each purge gives another one.
	ID string `json:"id"`
	// Born tells this queue from others that had its name. Queues of before Pinfold
	// knew this have "".
	Born string `json:"born,omitempty"`

	FIFO                      bool          `json:"fifo,omitempty"`
	ContentBasedDeduplication bool          `json:"contentBasedDeduplication,omitempty"`
	DeduplicationScope        string        `json:"deduplicationScope,omitempty"`  // queue or messageGroup
	FifoThroughputLimit       string        `json:"fifoThroughputLimit,omitempty"` // perQueue or perMessageGroupId
	VisibilityTimeout         Seconds       `json:"visibilityTimeout"`
	Delay                     Seconds       `json:"delay,omitempty"`
	ReceiveWait               Seconds       `json:"receiveWait,omitempty"`
	Retention                 Seconds       `json:"retention"`
	MaximumMessageSize        int           `json:"maximumMessageSize"` // bytes
	Redrive                   *Redrive      `json:"redrive,omitempty"`
	RedriveAllow              *RedriveAllow `json:"redriveAllow,omitempty"`
	Policy                    string        `json:"policy,omitempty"` // JSON; kept
	// Kept are attributes that change nothing here, such as those of encryption, by
	// their names.
	Kept map[string]string `json:"kept,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`

	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
}

// ARN returns the queue's.
func (q *MessageQueue) ARN() string {
	return "arn:aws:sqs:" + q.Region + ":" + q.Account + ":" + q.Name
}

// Redrive says where messages go that were received too often.
type Redrive struct {
	DeadLetter      string `json:"deadLetter"` // ARN of a queue
	MaxReceiveCount int    `json:"maxReceiveCount"`
}

// RedriveAllow says which queues may name this one as their dead-letter queue.
type RedriveAllow struct {
	Permission string   `json:"permission"` // allowAll, denyAll or byQueue
	Sources    []string `json:"sources,omitempty"`
}

// MoveTask moves the messages of a dead-letter queue, as StartMessageMoveTask has
// it done.
type MoveTask struct {
	Source       string    `json:"source"`                // ARN
	Destination  string    `json:"destination,omitempty"` // ARN; "": where each message came from
	MaxPerSecond int       `json:"maxPerSecond,omitempty"`
	Handle       string    `json:"handle"`
	Status       string    `json:"status"` // RUNNING, COMPLETED, CANCELLING, CANCELLED, FAILED
	Moved        int64     `json:"moved"`
	ToMove       int64     `json:"toMove"`
	Failure      string    `json:"failure,omitempty"`
	Started      time.Time `json:"started"`
	// SourceBorn and DestinationBorn are the Born of the queues that are meant; "" is
	// any of that name.
	SourceBorn      string `json:"sourceBorn,omitempty"`
	DestinationBorn string `json:"destinationBorn,omitempty"`
}

// EventInvokeConfig is how asynchronous invocations of a function, version or
// alias are handled. Source: PutFunctionEventInvokeConfig, Lambda API reference.
type EventInvokeConfig struct {
	Ref                  FunctionRef `json:"ref"` // Qualifier is "$LATEST" where none was given
	MaximumRetryAttempts *int        `json:"maximumRetryAttempts,omitempty"`
	MaximumEventAge      *Seconds    `json:"maximumEventAge,omitempty"`
	OnSuccess            string      `json:"onSuccess,omitempty"` // ARN
	OnFailure            string      `json:"onFailure,omitempty"` // ARN
	Modified             time.Time   `json:"modified"`
}

// EventSourceMapping has a function invoked with what comes from a queue. Field
// meanings, limits and defaults are those of CreateEventSourceMapping, Lambda API
// reference.
type EventSourceMapping struct {
	UUID               string            `json:"uuid"`
	Account            string            `json:"account"`
	Region             string            `json:"region"`
	Source             string            `json:"source"` // ARN
	Function           FunctionRef       `json:"function"`
	Enabled            bool              `json:"enabled"`
	BatchSize          int               `json:"batchSize"`
	Window             Seconds           `json:"window,omitempty"`
	Filters            []string          `json:"filters,omitempty"` // patterns, of which a record has to meet one
	ReportItemFailures bool              `json:"reportItemFailures,omitempty"`
	MaximumConcurrency int               `json:"maximumConcurrency,omitempty"`
	MinimumPollers     *int              `json:"minimumPollers,omitempty"` // kept
	MaximumPollers     *int              `json:"maximumPollers,omitempty"` // kept
	KMSKey             string            `json:"kmsKey,omitempty"`         // kept
	Metrics            []string          `json:"metrics,omitempty"`        // kept
	Tags               map[string]string `json:"tags,omitempty"`
	Modified           time.Time         `json:"modified"`
}

// ARN returns the mapping's.
func (m *EventSourceMapping) ARN() string {
	return "arn:aws:lambda:" + m.Region + ":" + m.Account + ":event-source-mapping:" + m.UUID
}

// Schedule is a schedule of EventBridge Scheduler. Field meanings, limits and
// defaults are those of CreateSchedule, EventBridge Scheduler API reference.
type Schedule struct {
	Account     string        `json:"account"`
	Region      string        `json:"region"`
	Group       string        `json:"group"`
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Expression  string        `json:"expression"`
	Zone        string        `json:"zone,omitempty"` // IANA name; "" is UTC
	Start       time.Time     `json:"start,omitzero"`
	End         time.Time     `json:"end,omitzero"`
	Window      time.Duration `json:"window,omitempty"` // flexible; 0 is none
	Disabled    bool          `json:"disabled,omitempty"`
	// DeleteAfter has it deleted when it is never due again (ActionAfterCompletion).
	DeleteAfter bool           `json:"deleteAfter,omitempty"`
	Missed      MissedPolicy   `json:"missed,omitempty"`
	KMSKey      string         `json:"kmsKey,omitempty"` // kept
	Target      ScheduleTarget `json:"target"`
	Token       string         `json:"token,omitempty"` // of the request that made it
	Since       time.Time      `json:"since"`           // from when on it may be due: made, enabled, or given other times
	Unsent      []Unsent       `json:"unsent,omitempty"`
	Change      int64          `json:"change,omitempty"` // which of all changes of schedules and rules was its last
	Created     time.Time      `json:"created"`
	Modified    time.Time      `json:"modified"`
}

// ARN returns the schedule's.
func (s *Schedule) ARN() string {
	return "arn:aws:scheduler:" + s.Region + ":" + s.Account + ":schedule/" + s.Group + "/" + s.Name
}

// MissedPolicy says what becomes of the times at which a schedule was due while no
// server ran. It is not AWS's.
type MissedPolicy string

// The policies. "" is what the configuration says.
const (
	MissedOnce MissedPolicy = "once" // it fires once for all of them together
	MissedSkip MissedPolicy = "skip" // it does not fire
)

// ScheduleGroup is a group of schedules.
type ScheduleGroup struct {
	Account  string            `json:"account"`
	Region   string            `json:"region"`
	Name     string            `json:"name"`
	Tags     map[string]string `json:"tags,omitempty"`
	Token    string            `json:"token,omitempty"` // of the request that made it
	Created  time.Time         `json:"created"`
	Modified time.Time         `json:"modified"`
}

// ARN returns the group's.
func (g *ScheduleGroup) ARN() string {
	return "arn:aws:scheduler:" + g.Region + ":" + g.Account + ":schedule-group/" + g.Name
}

// Rule is a rule of an event bus. Field meanings, limits and defaults are those of
// PutRule and PutTargets, EventBridge API reference.
type Rule struct {
	Account     string            `json:"account"`
	Region      string            `json:"region"`
	Bus         string            `json:"bus"` // its name
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Expression  string            `json:"expression,omitempty"` // rate or cron
	Disabled    bool              `json:"disabled,omitempty"`
	Role        string            `json:"role,omitempty"` // ARN; kept
	Missed      MissedPolicy      `json:"missed,omitempty"`
	Targets     []ScheduleTarget  `json:"targets,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Since       time.Time         `json:"since"` // as a schedule's
	Unsent      []Unsent          `json:"unsent,omitempty"`
	Change      int64             `json:"change,omitempty"` // likewise
	Created     time.Time         `json:"created"`
	Modified    time.Time         `json:"modified"`
}

// ARN returns the rule's.
func (r *Rule) ARN() string {
	bus := ""
	if r.Bus != "default" {
		bus = r.Bus + "/"
	}
	return "arn:aws:events:" + r.Region + ":" + r.Account + ":rule/" + bus + r.Name
}

// ScheduleStatus is how a schedule or a rule with one is doing, for people.
type ScheduleStatus struct {
	Name       string          `json:"name"`
	Kind       string          `json:"kind"`  // schedule or rule
	Group      string          `json:"group"` // a rule's is its bus
	ARN        string          `json:"arn"`
	Expression string          `json:"expression"`
	Zone       string          `json:"zone,omitempty"`
	Enabled    bool            `json:"enabled"`
	Next       time.Time       `json:"next,omitzero"` // when it sends next; absent: never, as far as is known
	Targets    []string        `json:"targets"`       // ARNs
	Unsent     int             `json:"unsent,omitempty"`
	Last       *ScheduleResult `json:"last,omitempty"` // since the server started
}

// ScheduleResult is what became, last, of an event of a schedule or rule.
type ScheduleResult struct {
	At    time.Time `json:"at"`
	Due   time.Time `json:"due"`
	Error string    `json:"error,omitempty"` // "": it reached its target
}

// Unsent is an event of a schedule or rule whose time has come and which has not
// reached its target yet.
type Unsent struct {
	Due      time.Time `json:"due"`
	Target   string    `json:"target,omitempty"` // ID of a rule's
	Attempts int       `json:"attempts,omitempty"`
	First    time.Time `json:"first"` // when it was first tried, or first to be
}

// ScheduleTarget is what a schedule or a rule sends an event to.
type ScheduleTarget struct {
	ID              string            `json:"id,omitempty"` // of a rule's
	ARN             string            `json:"arn"`
	Role            string            `json:"role,omitempty"`      // ARN; kept
	Input           string            `json:"input,omitempty"`     // what is sent; "": the event
	InputPath       string            `json:"inputPath,omitempty"` // the part of the event that is sent
	InputPathsMap   map[string]string `json:"inputPathsMap,omitempty"`
	InputTemplate   string            `json:"inputTemplate,omitempty"`
	MessageGroup    string            `json:"messageGroup,omitempty"`    // of a FIFO queue
	MaximumEventAge *Seconds          `json:"maximumEventAge,omitempty"` // nil: a day
	MaximumRetries  *int              `json:"maximumRetries,omitempty"`  // nil: 185
	DeadLetter      string            `json:"deadLetter,omitempty"`      // ARN of a queue
}

// EventMessage is what a part of the platform sends to a queue or a function by
// its ARN: an event, a dead letter, the record of a destination.
type EventMessage struct {
	Body       []byte            // JSON
	Attributes map[string]string // message attributes of type String; functions do not get them
	Numbers    map[string]string // likewise, of type Number
	Group      string            // of a FIFO queue
	// ID is the same in every attempt to send this message. A FIFO queue
	// deduplicates by it; other targets may.
	ID      string
	TraceID string  // X-Amzn-Trace-Id header
	Trigger Trigger // of the invocations that it causes
}

// EventSender sends messages to whatever takes them. The composition root has
// one, which knows the services that ARNs belong to.
type EventSender interface {
	// SendEvent returns when the message is stored. by is who has it sent. Errors have
	// the code NotFound where there is no such target, Unserved where messages cannot
	// be sent to its kind, Denied, Invalid, TooLarge, or one that may pass.
	SendEvent(ctx context.Context, by Principal, to string, m EventMessage) error
}

// AsyncEvent is the event of an asynchronous invocation that has not ended, or that
// was given up.
type AsyncEvent struct {
	ID        string     `json:"id"` // of the request
	Qualifier string     `json:"qualifier,omitempty"`
	State     AsyncState `json:"state"`
	Sent      time.Time  `json:"sent"`
	Attempts  int        `json:"attempts"`            // of the function or, while its record is being sent, of that
	Next      time.Time  `json:"next,omitzero"`       // Delayed, Sending: when it is tried again
	Condition string     `json:"condition,omitempty"` // Failed: why, in the words of AWS's records
	Error     string     `json:"error,omitempty"`     // of the last attempt, as far as that is known
	Target    string     `json:"target,omitempty"`    // ARN of the destination that its record could not be sent to yet
	Bytes     int        `json:"bytes"`
}

// AsyncState is where an [AsyncEvent] is.
type AsyncState string

// The states of events.
const (
	AsyncWaiting AsyncState = "waiting" // for its turn
	AsyncRunning AsyncState = "running"
	AsyncDelayed AsyncState = "delayed" // until it is tried again
	AsyncSending AsyncState = "sending" // the function is done with it, its destination does not take the record
	AsyncFailed  AsyncState = "failed"  // given up, and there was nowhere to send it; only the last ones are kept
)

// AsyncStatus is how the asynchronous invocations of a function are.
type AsyncStatus struct {
	Function string    `json:"function"` // its name
	Waiting  int       `json:"waiting"`
	Running  int       `json:"running"`
	Delayed  int       `json:"delayed"`
	Sending  int       `json:"sending"`
	Failed   int       `json:"failed"`
	Oldest   time.Time `json:"oldest,omitzero"` // when the oldest of those that are not Failed was sent
	// Paused says why events wait though the function is there; nil: they do not.
	Paused *EventPause `json:"paused,omitempty"`
	Ended  AsyncEnded  `json:"ended"`
}

// AsyncEnded is what has become of the events of a function since the server
// started, be it known of each or not.
type AsyncEnded struct {
	Succeeded   uint64 `json:"succeeded"`
	GivenUp     uint64 `json:"givenUp"`     // after the last attempt, or because of their age
	Undelivered uint64 `json:"undelivered"` // records and dead letters that no destination took
}

// AsyncEvents are the events of a function that have not ended, and those that
// were given up: of each kind the oldest ones, if there are too many.
type AsyncEvents struct {
	AsyncStatus
	Events []AsyncEvent `json:"events"`
}

// EventPause is a time in which a function gets one event, or one batch, after the
// other, with waits in between, because it is throttled, keeps failing, or cannot be
// run.
type EventPause struct {
	Since time.Time `json:"since"`
	Next  time.Time `json:"next,omitzero"` // when another one is tried; absent: it is being tried
	Error string    `json:"error"`
}

// MappingStatus is an event source mapping, and how it is.
type MappingStatus struct {
	UUID     string       `json:"uuid"`
	Source   string       `json:"source"`   // ARN
	Function string       `json:"function"` // NAME or NAME:QUALIFIER
	State    string       `json:"state"`    // in Lambda's words
	Phase    MappingPhase `json:"phase"`
	Paused   *EventPause  `json:"paused,omitempty"` // MappingPaused, MappingProbing: why
	Places   int          `json:"places"`           // how many batches may be out at a time
	InFlight int          `json:"inFlight"`         // how many are
	Result   string       `json:"result,omitempty"` // of the last batch, as LastProcessingResult has it
	Last     time.Time    `json:"last,omitzero"`    // when that was over
	// Since the server started.
	Batches  uint64 `json:"batches"`  // that were over
	Messages uint64 `json:"messages"` // that the function has handled
	Failures uint64 `json:"failures"` // messages that came back by themselves
	Filtered uint64 `json:"filtered"` // messages that no filter let pass
	Returned uint64 `json:"returned"` // messages that were given back as if not received
}

// MappingPhase is what becomes of the messages for an [EventSourceMapping].
type MappingPhase string

// The phases of mappings.
const (
	MappingIdle    MappingPhase = "disabled" // nothing is received
	MappingPolling MappingPhase = "polling"
	MappingPaused  MappingPhase = "paused"  // until EventPause.Next nothing is received
	MappingProbing MappingPhase = "probing" // one batch is out, or awaited, that decides
)
