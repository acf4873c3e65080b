package queue

import (
	"context"
	"encoding/base64"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store"
)

// Desk is what people see of queues, and do to them by their names or ARNs: for the
// control API.
type Desk struct{ *Service }

// ref returns the queue that somebody means by a name, an ARN or a URL.
func (d Desk) ref(name string) (Ref, error) {
	ref, ok := ParseARN(name)
	if !ok {
		ref = d.Ref(name[strings.LastIndexByte(name, '/')+1:])
	}
	if d.Exists(ref) != nil {
		return ref, pinfold.Errorf(pinfold.NotFound, "there is no queue %s", name)
	}
	return ref, nil
}

// Queues tells all queues.
func (d Desk) Queues(ctx context.Context) ([]pinfold.QueueStatus, error) {
	moves := map[string]pinfold.MoveTask{} // the latest, by ARN
	err := d.control.View(ctx, func(tx store.Tx) error {
		records, err := tx.MoveTasks().List(store.Key{d.scope.Account, d.scope.Region}, nil, 0)
		for _, r := range records {
			if m, ok := moves[r.Value.Source]; !ok || r.Value.Started.After(m.Started) {
				moves[r.Value.Source] = r.Value
			}
		}
		return err
	})
	all := []pinfold.QueueStatus{}
	at := map[string]int{} // by ARN
	for _, l := range d.all() {
		c := l.backlog.Counts()
		at[l.arn] = len(all)
		all = append(all, pinfold.QueueStatus{
			Name: l.ref.Name, ARN: l.arn, FIFO: l.record.Load().FIFO, Visible: c.Visible, InFlight: c.InFlight, Delayed: c.Delayed, Oldest: c.Oldest,
		})
		if m, ok := moves[l.arn]; ok {
			all[len(all)-1].Move = &m
		}
	}
	for i := range all {
		l, err := d.line(d.Ref(all[i].Name))
		if err != nil || l.record.Load().Redrive == nil {
			continue
		}
		ref, _ := ParseARN(l.record.Load().Redrive.DeadLetter)
		all[i].DeadLetter = ref.Name
		if dead, ok := at[ref.ARN()]; ok {
			all[dead].Sources = append(all[dead].Sources, all[i].Name)
		}
	}
	return all, err
}

var stateNames = map[backlog.State]string{backlog.Visible: "visible", backlog.Delayed: "delayed", backlog.InFlight: "in flight"}

// Messages returns the oldest messages of a queue, at most so many, without receiving
// them.
func (d Desk) Messages(ctx context.Context, name string, most int) ([]pinfold.QueueMessage, error) {
	ref, err := d.ref(name)
	if err != nil {
		return nil, err
	}
	l, found, err := d.peek(ctx, ref, most)
	if err != nil {
		return nil, err
	}
	all := make([]pinfold.QueueMessage, len(found))
	for i := range found {
		o := &found[i]
		all[i] = pinfold.QueueMessage{
			ID: o.id(l.id), Body: o.Body, Group: o.Group, Dedup: o.Deduplication, Sent: o.sent(), Receives: o.at.Receive,
			State: stateNames[o.at.State], Due: o.at.Due, Source: o.Source,
		}
		for name, a := range o.Attributes {
			if all[i].Attributes == nil {
				all[i].Attributes = map[string]string{}
			}
			all[i].Attributes[name] = a.Text
			if a.binary() {
				all[i].Attributes[name] = base64.StdEncoding.EncodeToString(a.Binary)
			}
		}
	}
	return all, nil
}

// SendMessage sends a message and returns its id.
func (d Desk) SendMessage(ctx context.Context, by pinfold.Principal, name string, m pinfold.QueueMessage) (string, error) {
	ref, err := d.ref(name)
	if err != nil {
		return "", err
	}
	out := &Message{Body: m.Body, Group: m.Group, Deduplication: m.Dedup, Delay: m.Delay, Sender: by.UserID}
	for name, text := range m.Attributes {
		if out.Attributes == nil {
			out.Attributes = map[string]Attribute{}
		}
		out.Attributes[name] = Attribute{Type: "String", Text: text}
	}
	sent, err := d.Send(ctx, ref, out)
	return sent.ID, err
}

// RedriveMessages has the messages of a dead-letter queue moved to another queue, or
// for "" back to where they came from, at most so many a second (0: as fast as it goes).
func (d Desk) RedriveMessages(ctx context.Context, name, to string, rate int) error {
	ref, err := d.ref(name)
	if err != nil {
		return err
	}
	if to != "" {
		target, err := d.ref(to)
		if err != nil {
			return err
		}
		to = target.ARN()
	}
	_, err = d.StartMove(ctx, ref.ARN(), to, rate)
	return err
}

// PurgeMessages removes all messages of a queue.
func (d Desk) PurgeMessages(ctx context.Context, name string) error {
	ref, err := d.ref(name)
	if err != nil {
		return err
	}
	return d.Purge(ctx, ref)
}
