package timetable

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Spread returns when, within a flexible time window that begins when a schedule
// is due, it is invoked: anywhere in it, to the second, evenly over keys and due
// times. It is the same for the same key and time, so that servers agree on it
// and one that starts anew finds it again. The key is the schedule's name, with
// its group and account; a window below a second is none. With windows longer
// than the time between two invocations a later one may come first.
func Spread(due time.Time, window time.Duration, key string) time.Time {
	seconds := int64(window / time.Second)
	if seconds <= 0 {
		return due
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(key), uint64(due.Unix())))
	return due.Add(time.Duration(binary.BigEndian.Uint64(sum[:])%uint64(seconds)) * time.Second)
}
