package schedule

// queues is who is sent next: targets take turns, so that none waits for another
// that is slow.
type queues struct {
	byARN   map[string]*line
	turns   []*line // those that have something to send and may
	running int     // messages on their way
}

// line is what waits for its turn to be sent to one target.
type line struct {
	ready   []*job
	running int
	listed  bool // among turns
}

// put puts a job at the end of its line.
func (q *queues) put(j *job) {
	l := q.byARN[j.arn]
	if l == nil {
		l = &line{}
		q.byARN[j.arn] = l
	}
	l.ready = append(l.ready, j)
	q.list(l)
}

func (q *queues) list(l *line) {
	if !l.listed && len(l.ready) > 0 && l.running < maxSame {
		l.listed = true
		q.turns = append(q.turns, l)
	}
}

// take returns the job whose turn it is, or nil if there is none now. It counts as
// running until done is called.
func (q *queues) take() *job {
	for q.running < maxRunning && len(q.turns) > 0 {
		l := q.turns[0]
		q.turns = q.turns[1:]
		l.listed = false
		j := l.ready[0]
		l.ready = l.ready[1:]
		if j.series == nil { // it is not wanted any more
			q.tidy(j.arn, l)
			continue
		}
		l.running++
		q.running++
		q.list(l)
		return j
	}
	return nil
}

func (q *queues) done(j *job) {
	l := q.byARN[j.arn]
	l.running--
	q.running--
	q.tidy(j.arn, l)
}

// tidy gives a line its next turn, or forgets it.
func (q *queues) tidy(arn string, l *line) {
	q.list(l)
	if len(l.ready) == 0 && l.running == 0 {
		delete(q.byARN, arn)
	}
}
