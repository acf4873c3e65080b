package backlog

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// recordSubject is what records of removals are about.
const recordSubject = "removed"

// replay carries out what was written down before a crash. At a position may be another
// message by now, where a log has lost its end: that was stored later.
func (r *removals) replay(ctx context.Context) error {
	info, err := r.records.Info(ctx, "")
	if err != nil || info.Entries == 0 {
		return err
	}
	reader, err := r.records.Read(ctx, log.From{})
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		entries, err := reader.Next(ctx, chunk)
		for _, e := range entries {
			removed, err := parseRecord(e.Data)
			if err != nil {
				return pinfold.Errorf(pinfold.Internal, "what was removed cannot be read at %d of the log: has a newer version of Pinfold written it? %w", e.Position, err)
			}
			for _, one := range removed {
				if err := r.carryOutLate(ctx, one, e.Time); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return r.records.Purge(ctx, recordSubject, 0)
		}
		if err != nil {
			return err
		}
	}
}

// carryOutLate removes messages of a backlog that were removed at a time. If one of
// them is what it was then, so are those before it.
func (r *removals) carryOutLate(ctx context.Context, one removed, at time.Time) error {
	for n := len(one.positions); n > 0; n-- {
		e, err := r.hub.stream.Get(ctx, one.positions[n-1])
		switch {
		case pinfold.CodeOf(err) == pinfold.NotFound:
		case err != nil:
			return err
		case e.Subject == one.id && !e.Time.After(at):
			return removeAll(ctx, r.hub.stream, one.positions[:n])
		}
	}
	return nil
}

// removed is what a record says of one backlog: the positions are ascending.
type removed struct {
	id        string
	positions []uint64
}

// append puts it at the end of a record: the length of the id, the id, how many
// positions, and how far each is from the one before, the numbers as varints.
func (one removed) append(data []byte) []byte {
	data = binary.AppendUvarint(data, uint64(len(one.id)))
	data = append(data, one.id...)
	data = binary.AppendUvarint(data, uint64(len(one.positions)))
	last := uint64(0)
	for _, p := range one.positions {
		data = binary.AppendUvarint(data, p-last)
		last = p
	}
	return data
}

// parseRecord reads a record.
func parseRecord(data []byte) (all []removed, err error) {
	number := func() uint64 {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			err, size = errors.New("a number is missing"), 0
		}
		data = data[size:]
		return n
	}
	for len(data) > 0 && err == nil {
		length := number()
		if length > uint64(len(data)) {
			return nil, errors.New("an id is cut off")
		}
		one := removed{id: string(data[:length])}
		data = data[length:]
		last := uint64(0)
		for n := number(); n > 0 && err == nil; n-- {
			last += number()
			one.positions = append(one.positions, last)
		}
		all = append(all, one)
	}
	return all, err
}
