//go:build amd64 || arm64

package seccomp

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// measured are nanoseconds: of one Load, and of one call of each kind.
type measured struct{ Load, Plain, Ruled int64 }

func measure() error {
	var m measured
	if os.Args[1] == "filtered" {
		start := time.Now()
		if err := Load(); err != nil {
			return err
		}
		m.Load = time.Since(start).Nanoseconds()
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	each := func(call, first uintptr) int64 {
		start := time.Now()
		for range n {
			unix.RawSyscall(call, first, 0, 0)
		}
		return time.Since(start).Nanoseconds() / int64(n)
	}
	m.Plain = each(unix.SYS_GETPPID, 0)
	m.Ruled = each(unix.SYS_PERSONALITY, 0xffffffff)
	return json.NewEncoder(os.Stdout).Encode(m)
}

// BenchmarkLoad measures, in processes of their own, loading the filter, a call
// that passes whatever its arguments, and one with a rule.
func BenchmarkLoad(b *testing.B) {
	for _, kind := range []string{"unfiltered", "filtered"} {
		b.Run(kind, func(b *testing.B) {
			var all []measured
			for b.Loop() {
				out, err := in(b, "measure", kind, "100000").Output()
				if err != nil {
					b.Fatal(err)
				}
				var m measured
				if err := json.Unmarshal(out, &m); err != nil {
					b.Fatal(err)
				}
				all = append(all, m)
			}
			median := func(name string, of func(measured) int64) {
				slices.SortFunc(all, func(x, y measured) int { return int(of(x) - of(y)) })
				b.ReportMetric(float64(of(all[len(all)/2])), name)
			}
			b.ReportMetric(0, "ns/op")
			median("load-ns", func(m measured) int64 { return m.Load })
			median("call-ns", func(m measured) int64 { return m.Plain })
			median("ruled-call-ns", func(m measured) int64 { return m.Ruled })
		})
	}
}
