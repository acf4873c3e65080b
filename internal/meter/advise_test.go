package meter

import (
	"strings"
	"testing"
	"time"
)

func TestAdvise(t *testing.T) {
	type row struct {
		requests uint64
		ms       uint64
		memory   int
		peak     int
		cpu      int // ms for each
		day      Day
	}
	for _, test := range []struct {
		name             string
		rows             []row
		want             int
		busy             int
		expected, reason string
	}{
		{"waits", []row{{1000, 200, 1024, 90, 1, 0}}, 128, 1, "", "slower at most"},
		{"waits, peak in between", []row{{1000, 200, 1024, 300, 1, 0}}, 384, 1, "", "up to 300 MB"},
		{"computes", []row{{1000, 200, 1024, 90, 116, 0}}, 1024, 100, "200ms", "next to nothing"},
		{"computes, more than one processor for one", []row{{1000, 200, 3008, 90, 200, 0}}, 1728, 100, "205ms", "3% slower"},
		{"computes on several", []row{{1000, 200, 3520, 90, 390, 0}}, 3520, 98, "200ms", "next to nothing"},
		{"computes a tenth", []row{{1000, 1000, 1024, 90, 57, 0}}, 512, 10, "1.098s", "10% slower"},
		{"processor not measured", []row{{1000, 200, 1024, 90, 0, 0}}, 1024, -1, "200ms", "not measured"},
		{"needs it", []row{{1000, 200, 1024, 800, 1, 0}}, 1024, 1, "200ms", "needs the room"},
		{"too close", []row{{1000, 200, 1024, 1000, 1, 0}}, 1280, 1, "", "give it room"},
		{"smallest", []row{{1000, 200, 128, 40, 1, 0}}, 128, 7, "200ms", ""},
		{"smallest, too close", []row{{1000, 200, 128, 127, 1, 0}}, 192, 7, "", "give it room"},
		{"too few", []row{{99, 200, 1024, 90, 1, 0}}, 1024, 1, "200ms", "only 99"},
		{"by its last size", []row{{1000, 200, 1024, 90, 1, 0}, {1000, 200, 256, 90, 1, 1}}, 128, 3, "", ""},
		{"too few of its last size", []row{{1000, 200, 1024, 90, 1, 0}, {10, 200, 512, 90, 1, 1}}, 512, 2, "200ms", "only 10"},
	} {
		var rows []Usage
		for _, r := range test.rows {
			u := used(X86, r.requests, r.ms, r.memory)
			u.PeakMB, u.CPU, u.Day = r.peak, time.Duration(r.cpu)*time.Duration(r.requests)*time.Millisecond, r.day
			u.Durations[durationBucket(r.ms)], u.Peaks[peakBucket(uint64(r.peak))] = r.requests, r.requests
			rows = append(rows, u)
		}
		all := Advisor{}.Advise(rows, AWS())
		if len(all) != 1 {
			t.Fatalf("%s: %+v", test.name, all)
		}
		a := all[0]
		if a.AdviseMB != test.want || a.Busy != test.busy || !strings.Contains(a.Reason, test.reason) || test.expected != "" && a.Expected.String() != test.expected {
			t.Errorf("%s: %d MB, busy %d%%, then %v, because %s; want %d MB, %d%%, %s, because %q", test.name, a.AdviseMB, a.Busy, a.Expected, a.Reason, test.want, test.busy, test.expected, test.reason)
		}
		if least := a.PeakMB * 125 / 100; a.AdviseMB < a.MemoryMB && (a.AdviseMB < least || a.Saving() <= 0) {
			t.Errorf("%s: %d MB for a peak of %d, saving %v", test.name, a.AdviseMB, a.PeakMB, a.Saving())
		}
		if a.AdviseMB == a.MemoryMB && (a.Saving() != 0 || a.Expected != a.Duration) {
			t.Errorf("%s: it is left as it is and saves %v", test.name, a.Saving())
		}
	}
}

// TestAdviseCost is in money: 1,000 seconds of 1 GB that become 128 MB.
func TestAdviseCost(t *testing.T) {
	u := used(X86, 1000, 1000, 1024)
	u.PeakMB, u.CPU = 50, 1
	v := used(ARM, 1000, 1000, 256)
	v.Function.Name, v.PeakMB, v.CPU = "b", 50, 1
	all := Advisor{}.Advise([]Usage{v, u}, AWS())
	if len(all) != 2 || all[0].Function != u.Function || all[0].Cost.String() != "0.0166667" || all[0].Then.String() != "0.002083338" {
		t.Errorf("%+v", all)
	}
	if all[1].Cost.String() != "0.00333335" || all[1].Then.String() != "0.001666675" {
		t.Errorf("%+v", all[1])
	}
}
