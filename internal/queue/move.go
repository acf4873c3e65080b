package queue

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store"
)

// The states of a move task. Source: ListMessageMoveTasks, SQS API reference.
const (
	moveRunning    = "RUNNING"
	moveCompleted  = "COMPLETED"
	moveCancelling = "CANCELLING"
	moveCancelled  = "CANCELLED"
	moveFailed     = "FAILED"
)

const (
	maxMoveRate  = 500 // messages a second
	maxMoveTasks = 10  // that are remembered of a queue
)

func noResource(parameter string) error {
	return pinfold.Errorf(pinfold.NotFound, "The resource that you specified for the %s parameter doesn't exist.", parameter).WithReason("ResourceNotFoundException")
}

// source returns the queue of an ARN that a parameter of the move operations names.
func (s *shared) resource(arn, parameter string) (*line, error) {
	ref, ok := ParseARN(arn)
	if !ok {
		return nil, invalidValue(arn, parameter, "It must be the ARN of a queue.")
	}
	l, err := s.line(ref)
	if err != nil {
		return nil, noResource(parameter)
	}
	return l, nil
}

// StartMove has the messages of a dead-letter queue moved to the queue of an ARN, or
// for "" back to where each came from, at most rate a second (0: as fast as it
// goes). It returns a handle of the task, which Run carries out.
func (s *Service) StartMove(ctx context.Context, source, destination string, rate int) (handle string, err error) {
	from, err := s.resource(source, "SourceArn")
	if err != nil {
		return "", err
	}
	task := pinfold.MoveTask{
		Source: source, SourceBorn: from.record.Load().Born, Destination: destination, MaxPerSecond: rate, Handle: moveHandle(source), Status: moveRunning,
		ToMove: int64(from.backlog.Counts().Visible), Started: time.Now().UTC().Truncate(time.Millisecond),
	}
	if destination != "" {
		to, err := s.resource(destination, "DestinationArn")
		switch {
		case err != nil:
			return "", err
		case to == from:
			return "", invalid("Source queue arn and destination queue arn cannot be the same.")
		case to.record.Load().FIFO != from.record.Load().FIFO:
			return "", invalid("The destination queue must be of the same type as the source queue.")
		}
		task.DestinationBorn = to.record.Load().Born
	}
	if rate < 0 || rate > maxMoveRate {
		return "", invalidValue(rate, "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
	}
	if !slices.ContainsFunc(s.all(), func(l *line) bool { return l.buriesIn(from.arn) }) {
		return "", invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	return task.Handle, s.control.Update(ctx, func(tx store.Tx) error {
		tasks, err := moveTasks(tx, from.ref)
		if err != nil {
			return err
		}
		for i, t := range tasks {
			if t.Status == moveRunning || t.Status == moveCancelling {
				return invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
			}
			if i >= maxMoveTasks-1 {
				if err := tx.MoveTasks().Delete(moveKey(from.ref, t.Handle)); err != nil {
					return err
				}
			}
		}
		tx.AfterCommit(s.moved)
		return tx.MoveTasks().Put(moveKey(from.ref, task.Handle), task)
	})
}

// moved tells Run that move tasks have changed.
func (s *shared) moved() {
	select {
	case s.moves <- struct{}{}:
	default: // it is about to look
	}
}

func moveKey(ref Ref, handle string) store.Key { return append(ref.key(), handle) }

// moveTasks returns the tasks of a queue, the latest first.
func moveTasks(tx store.Tx, ref Ref) ([]pinfold.MoveTask, error) {
	records, err := tx.MoveTasks().List(ref.key(), nil, 0)
	all := make([]pinfold.MoveTask, len(records))
	for i, r := range records {
		all[i] = r.Value
	}
	slices.SortStableFunc(all, func(a, b pinfold.MoveTask) int { return b.Started.Compare(a.Started) })
	return all, err
}

// moveName is what a handle says, in the form that AWS gives it.
type moveName struct {
	Task   string `json:"taskId"`
	Source string `json:"sourceArn"`
}

func moveHandle(source string) string {
	text, _ := json.Marshal(moveName{uuid.NewString(), source}) // of strings: it cannot fail
	return base64.StdEncoding.EncodeToString(text)
}

// MoveSource returns the ARN of the queue whose messages the task of a handle moves.
func MoveSource(handle string) (string, error) {
	text, err := base64.StdEncoding.DecodeString(handle)
	var name moveName
	if err != nil || json.Unmarshal(text, &name) != nil || name.Task == "" || name.Source == "" {
		return "", invalid("Value for parameter TaskHandle is invalid.")
	}
	return name.Source, nil
}

// Moves returns the latest move tasks of a queue, at most max; 0 is 1.
func (s *Service) Moves(ctx context.Context, source string, max int) (all []pinfold.MoveTask, err error) {
	if max == 0 {
		max = 1
	}
	if max < 1 || max > maxMoveTasks {
		return nil, invalidValue(max, "MaxResults", "Must be between 1 and 10, if provided.")
	}
	l, err := s.resource(source, "SourceArn")
	if err != nil {
		return nil, err
	}
	err = s.control.View(ctx, func(tx store.Tx) error {
		all, err = moveTasks(tx, l.ref)
		return err
	})
	return all[:min(max, len(all))], err
}

// CancelMove has a move task end. It returns how many messages it has moved so far;
// those stay where they are.
func (s *Service) CancelMove(ctx context.Context, handle string) (moved int64, err error) {
	source, err := MoveSource(handle)
	if err != nil {
		return 0, err
	}
	l, err := s.resource(source, "SourceArn")
	if err != nil {
		return 0, noResource("SourceArn")
	}
	err = s.control.Update(ctx, func(tx store.Tx) error {
		task, err := tx.MoveTasks().Get(moveKey(l.ref, handle))
		switch {
		case pinfold.CodeOf(err) == pinfold.NotFound:
			return pinfold.Errorf(pinfold.NotFound, "Task does not exist.").WithReason("ResourceNotFoundException")
		case err != nil:
			return err
		case task.Status != moveRunning:
			return invalid("Only active tasks can be cancelled.")
		}
		task.Status, moved = moveCancelling, task.Moved
		tx.AfterCommit(s.moved)
		return tx.MoveTasks().Put(moveKey(l.ref, handle), task)
	})
	return moved, err
}

// movers are the move tasks that Run is carrying out.
type movers struct {
	*shared
	owned   sync.WaitGroup
	mu      sync.Mutex
	running map[string]context.CancelFunc // by handle
}

// look begins tasks that are to run, and ends those that are cancelled.
func (m *movers) look(ctx context.Context) error {
	var all []store.Record[pinfold.MoveTask]
	err := m.control.View(ctx, func(tx store.Tx) (err error) {
		all, err = tx.MoveTasks().List(store.Key{m.scope.Account, m.scope.Region}, nil, 0)
		return err
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range all {
		task := r.Value
		cancel := m.running[task.Handle]
		switch {
		case task.Status == moveCancelling && cancel != nil:
			cancel()
		case task.Status == moveCancelling:
			if err := m.save(ctx, &task, moveCancelled); err != nil {
				return err
			}
		case task.Status == moveRunning && cancel == nil:
			ctx, cancel := context.WithCancel(ctx)
			m.running[task.Handle] = cancel
			m.owned.Go(func() { m.run(ctx, &task) })
		}
	}
	return nil
}

// run carries out a task. When ctx ends because the platform stops, the task goes on
// at the next start.
func (m *movers) run(ctx context.Context, task *pinfold.MoveTask) {
	defer func() {
		m.mu.Lock()
		m.running[task.Handle]()
		delete(m.running, task.Handle)
		m.mu.Unlock()
		m.moved() // if it was cancelled, look says so
	}()
	status := ""
	saved := time.Now()
	for status == "" && ctx.Err() == nil {
		n, failure, err := m.step(ctx, task)
		task.Moved += int64(n)
		switch {
		case failure != "":
			status, task.Failure = moveFailed, failure
		case err != nil:
			m.log.Warn("messages could not be moved from a dead-letter queue: trying again", "queue", task.Source, "error", err)
			pause(ctx, time.Second)
		case n == 0:
			status = moveCompleted
		case task.MaxPerSecond > 0:
			pause(ctx, time.Duration(n)*time.Second/time.Duration(task.MaxPerSecond))
		}
		if status == "" && time.Since(saved) < time.Second {
			continue
		}
		saved = time.Now()
		if err := m.save(context.WithoutCancel(ctx), task, status); err != nil {
			m.log.Error("the progress of a move task could not be stored", "queue", task.Source, "error", err)
		}
	}
	if status == "" {
		if err := m.save(context.WithoutCancel(ctx), task, ""); err != nil {
			m.log.Error("the progress of a move task could not be stored", "queue", task.Source, "error", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// save stores a task's progress, and its status, if that is not "". One whose queue
// has been deleted is gone.
func (m *movers) save(ctx context.Context, task *pinfold.MoveTask, status string) error {
	ref, _ := ParseARN(task.Source)
	key := moveKey(ref, task.Handle)
	return m.control.Update(ctx, func(tx store.Tx) error {
		there, err := tx.MoveTasks().Get(key)
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		there.Moved, there.Failure = max(there.Moved, task.Moved), task.Failure
		if status != "" {
			there.Status = status
		}
		return tx.MoveTasks().Put(key, there)
	})
}

// moveVisibility is for how long messages are out of sight that are being moved.
const moveVisibility = time.Minute

// step moves a few messages and returns how many; 0 without an error is the end. A
// failure is one that trying again does not help.
func (m *movers) step(ctx context.Context, task *pinfold.MoveTask) (n int, failure string, err error) {
	ref, _ := ParseARN(task.Source)
	from, err := m.line(ref)
	if err != nil || !from.is(task.SourceBorn) {
		return 0, nonExistent, nil
	}
	max := MaxReceive
	if task.MaxPerSecond > 0 {
		max = min(max, (task.MaxPerSecond+9)/10) // so that it does not go in bursts
	}
	ms, err := from.backlog.Receive(ctx, max, moveVisibility, 0)
	for i, message := range ms {
		if ctx.Err() == nil {
			failure, err = m.move(ctx, from, message, task)
		}
		if failure != "" || err != nil || ctx.Err() != nil {
			for _, rest := range ms[i:] {
				_ = from.backlog.Return(rest.Receipt, 0) // gone is as good
			}
			break
		}
		n++
	}
	return n, failure, err
}

// is reports whether a queue is the one that was meant, and not another one that has
// its name now.
func (l *line) is(born string) bool { return born == "" || l.record.Load().Born == born }

// The reasons why tasks fail, in AWS's words.
const (
	nonExistent = "AWS.SimpleQueueService.NonExistentQueue"
	noSource    = "CouldNotDetermineMessageSource"
)

// move moves a message: it is a new one where it goes to, with an id and a time of
// its own. Source: "Dead-letter queue redrive", SQS developer guide.
func (m *movers) move(ctx context.Context, from *line, message backlog.Message, task *pinfold.MoveTask) (failure string, err error) {
	o, err := open(message)
	if err != nil {
		return err.Error(), nil
	}
	destination := cmp.Or(task.Destination, o.Source)
	if destination == "" {
		return noSource, nil
	}
	ref, _ := ParseARN(destination)
	to, done, err := m.sendingTo(ctx, ref)
	switch {
	case pinfold.CodeOf(err) == pinfold.NotFound:
		return nonExistent, nil
	case err != nil:
		return "", err
	}
	defer done()
	if !to.is(task.DestinationBorn) {
		return nonExistent, nil
	}
	fresh := envelope{Message: o.Message, MD5Body: o.MD5Body}
	if err := to.put(ctx, &fresh, from.id+"-"+strconv.FormatUint(message.Position, 10)); err != nil {
		return "", err
	}
	return "", from.remove(ctx, message.Receipt)
}
