package segment

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkAppend measures how fast lines are compressed and written.
func BenchmarkAppend(b *testing.B) {
	c := config(b)
	c.BlockBytes, c.SegmentBytes, c.KeepBytes = 256<<10, 8<<20, 64<<20
	j := New(b.TempDir(), c)
	origin := NewOrigin("2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef", "hello")
	var batch []byte
	text := 0
	for i := range 2000 {
		at := begin + int64(i)*int64(time.Millisecond)
		before := len(batch)
		batch = Append(batch, origin, at, 0, fmt.Sprintf("6bc9e3a1-7c53-4b0e-9f0a-%012d", i/3), false, sample(i))
		text += len(batch) - before
	}
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		if _, err := j.Append(batch); err != nil {
			b.Fatal(err)
		}
	}
}

// sample is a line as programs write it.
func sample(i int) string {
	level := "INFO"
	if i%100 == 7 {
		level = "ERROR"
	}
	return fmt.Sprintf(`{"time":"2026-11-21T12:00:%02d.%03dZ","level":"%s","msg":"handled request","path":"/orders/%d","status":%d,"ms":%d}`,
		i/1000%60, i%1000, level, i*7919%100_000, 200+i%7*50, i*31%400)
}
