package control

import (
	"context"
	"net/http"
	"strconv"

	"pinfold.dev/pinfold"
)

// Queues are all queues, by names or ARNs; queue.Desk has them.
type Queues interface {
	Queues(ctx context.Context) ([]pinfold.QueueStatus, error)
	// Messages returns the oldest messages, at most so many, without receiving them.
	Messages(ctx context.Context, name string, most int) ([]pinfold.QueueMessage, error)
	SendMessage(ctx context.Context, by pinfold.Principal, name string, m pinfold.QueueMessage) (id string, err error)
	// RedriveMessages has messages moved out of a dead-letter queue; to "" is where they
	// came from, and rate 0 as fast as it goes.
	RedriveMessages(ctx context.Context, name, to string, rate int) error
	PurgeMessages(ctx context.Context, name string) error
}

// Bounds of requests about queues: a message as JSON in bytes, a list in messages.
const (
	maxMessage  = 7 << 20
	maxMessages = 100
)

func (h *handler) haveQueues() error {
	if h.Queues == nil {
		return pinfold.Errorf(pinfold.Unserved, "this server has no queues")
	}
	return nil
}

func (h *handler) queues(r *http.Request) (any, error) {
	if err := h.haveQueues(); err != nil {
		return nil, err
	}
	return h.Queues.Queues(r.Context())
}

func (h *handler) messages(r *http.Request) (any, error) {
	if err := h.haveQueues(); err != nil {
		return nil, err
	}
	most := maxMessages
	if s := r.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, pinfold.Errorf(pinfold.Invalid, "limit=%q is not a number of messages", s)
		}
		most = min(n, maxMessages)
	}
	return h.Queues.Messages(r.Context(), r.PathValue("name"), most)
}

func (h *handler) sendMessage(r *http.Request) (any, error) {
	if err := h.haveQueues(); err != nil {
		return nil, err
	}
	var m pinfold.QueueMessage
	if err := readJSON(r, "message", maxMessage, &m); err != nil {
		return nil, err
	}
	id, err := h.Queues.SendMessage(r.Context(), h.Principal(r.Context()), r.PathValue("name"), m)
	return map[string]string{"id": id}, err
}

// Redrive says where the messages of a dead-letter queue go, and how fast.
type Redrive struct {
	To   string `json:"to,omitempty"`   // a queue; "": where each message came from
	Rate int    `json:"rate,omitempty"` // messages a second; 0: as fast as it goes
}

func (h *handler) redrive(r *http.Request) (any, error) {
	if err := h.haveQueues(); err != nil {
		return nil, err
	}
	var to Redrive
	if err := readJSON(r, "redrive", 1<<10, &to); err != nil {
		return nil, err
	}
	return struct{}{}, h.Queues.RedriveMessages(r.Context(), r.PathValue("name"), to.To, to.Rate)
}

func (h *handler) purge(r *http.Request) (any, error) {
	if err := h.haveQueues(); err != nil {
		return nil, err
	}
	return struct{}{}, h.Queues.PurgeMessages(r.Context(), r.PathValue("name"))
}
