package record

import (
	"math"

	"github.com/parquet-go/parquet-go"

	"pinfold.dev/pinfold"
)

// match is what a query asks of a record.
type match struct {
	pinfold.RecordQuery
	since, until int64 // the first nanosecond, and the one behind the last
}

func newMatch(q pinfold.RecordQuery, floor int64) *match {
	m := &match{q, floor, math.MaxInt64}
	if !q.Since.IsZero() {
		m.since = max(floor, nanos(q.Since))
	}
	if !q.Until.IsZero() {
		m.until = nanos(q.Until)
	}
	return m
}

// overlaps reports whether a source may have records of the time asked for.
func (m *match) overlaps(s source) bool {
	first, last := s.span()
	return last >= m.since && (first < m.until || m.Until.IsZero())
}

// when reports whether a time is asked for.
func (m *match) when(at int64) bool {
	return at >= m.since && (at < m.until || m.Until.IsZero())
}

func (m *match) takes(r *pinfold.Record) bool {
	return m.when(nanos(r.Time)) &&
		(m.Function == "" || r.Function == m.Function) &&
		(m.RequestID == "" || r.RequestID == m.RequestID) &&
		(m.Trace == pinfold.TraceID{} || r.Trace == m.Trace) &&
		(!m.Cold || r.Cold != pinfold.Warm) &&
		(!m.Errors || r.Status != "ok") &&
		(m.Calls || r.Service == "")
}

// key is what records are ordered by, the largest first.
func (m *match) key(r *pinfold.Record) int64 {
	if m.Slowest {
		return int64(took(r))
	}
	return nanos(r.Time)
}

// took is how long a record's caller waited.
func took(r *pinfold.Record) (sum int64) {
	return int64(r.Queue + r.Place + r.Fetch + r.Sandbox + r.Boot + r.Init + r.Handler + r.Response)
}

// phases are the columns that took adds up.
var phases = [...]string{"queue_ns", "place_ns", "fetch_ns", "sandbox_ns", "boot_ns", "init_ns", "handler_ns", "response_ns"}

// find implements source. It reads the columns that the query asks about, and
// of most of them only where the function is.
func (s *segment) find(m *match, found func(key int64, row int32)) error {
	ids := m.RequestID != "" || m.Trace != pinfold.TraceID{}
	return s.use(func(file *parquet.File) error {
		g := group{file.RowGroups()[0], file.Schema()}
		if ids && !g.mayHave(m) {
			return nil
		}
		in := make([]bool, s.rows)
		for i := range in {
			in[i] = true
		}
		from, to := 0, s.rows
		for _, test := range m.tests() {
			if err := g.keep(test.column, from, in[from:to], test.keep); err != nil {
				return err
			}
			for from < to && !in[from] {
				from++
			}
			for to > from && !in[to-1] {
				to--
			}
			if from == to {
				return nil
			}
		}
		return g.report(m, from, in[from:to], found)
	}, parquet.SkipBloomFilters(!ids))
}

// test is a condition on one column that is text or an id.
type test struct {
	column string
	keep   func([]byte) bool
}

// tests returns the conditions of a query, those first that leave least.
func (m *match) tests() (all []test) {
	is := func(want string) func([]byte) bool { return func(b []byte) bool { return string(b) == want } }
	isNot := func(want string) func([]byte) bool { return func(b []byte) bool { return string(b) != want } }
	if m.Function != "" {
		all = append(all, test{"function", is(m.Function)})
	}
	if m.RequestID != "" {
		all = append(all, test{"request_id", is(m.RequestID)})
	}
	if m.Trace != (pinfold.TraceID{}) {
		all = append(all, test{"trace_id", is(string(m.Trace[:]))})
	}
	if m.Cold {
		all = append(all, test{"cold", isNot("")})
	}
	if m.Errors {
		all = append(all, test{"status", isNot("ok")})
	}
	if !m.Calls {
		all = append(all, test{"service", is("")})
	}
	return all
}

// mayHave asks the filters whether the ids of a query can be there. Without an
// answer they can.
func (g group) mayHave(m *match) bool {
	may := func(name string, id parquet.Value) bool {
		column := g.column(name)
		if column == nil || column.BloomFilter() == nil {
			return true
		}
		has, err := column.BloomFilter().Check(id)
		return has || err != nil
	}
	return (m.RequestID == "" || may("request_id", parquet.ByteArrayValue([]byte(m.RequestID)))) &&
		(m.Trace == pinfold.TraceID{} || may("trace_id", parquet.FixedLenByteArrayValue(m.Trace[:])))
}

// report tells of the rows that are in, if they are of the right time.
func (g group) report(m *match, from int, in []bool, found func(key int64, row int32)) error {
	times := make([]int64, len(in))
	if err := g.add("time", from, times); err != nil {
		return err
	}
	keys := times
	if m.Slowest {
		keys = make([]int64, len(in))
		for _, phase := range phases {
			if err := g.add(phase, from, keys); err != nil {
				return err
			}
		}
	}
	for i, at := range times {
		if in[i] && m.when(at) {
			found(keys[i], int32(from+i))
		}
	}
	return nil
}
