package pinfold

import "time"

// QueueStatus is a queue, and how it is.
type QueueStatus struct {
	Name     string `json:"name"`
	ARN      string `json:"arn"`
	FIFO     bool   `json:"fifo,omitempty"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"inFlight"`
	Delayed  int    `json:"delayed"`
	// Oldest is when the oldest message was sent; zero where there is none, or that is
	// not known.
	Oldest     time.Time `json:"oldest,omitzero"`
	DeadLetter string    `json:"deadLetter,omitempty"` // name of its dead-letter queue
	Sources    []string  `json:"sources,omitempty"`    // names of the queues whose dead-letter queue it is
	Move       *MoveTask `json:"move,omitempty"`       // the latest
}

// QueueMessage is a message in a queue, or one to be sent.
type QueueMessage struct {
	ID       string    `json:"id,omitempty"`
	Body     string    `json:"body"`
	Group    string    `json:"group,omitempty"`
	Dedup    string    `json:"dedup,omitempty"` // deduplication id
	Delay    *Seconds  `json:"delay,omitempty"` // of one to be sent; nil: the queue's
	Sent     time.Time `json:"sent,omitzero"`
	Receives int       `json:"receives,omitempty"`
	State    string    `json:"state,omitempty"`  // visible, delayed or in flight
	Due      time.Time `json:"due,omitzero"`     // when it is visible, if it is not
	Source   string    `json:"source,omitempty"` // ARN of the queue that it comes from, as a dead letter
	// Attributes are the message attributes as text, those of bytes in base64.
	Attributes map[string]string `json:"attributes,omitempty"`
}
