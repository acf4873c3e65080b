package platform

import (
	"testing"
	"time"
)

func TestSteadyClock(t *testing.T) {
	const year = 365 * 24 * time.Hour
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	type look struct{ up, says, want time.Duration } // since noon
	for name, looks := range map[string][]look{
		"goes well":              {{0, 0, 0}, {time.Hour, time.Hour, time.Hour}, {9 * time.Hour, 9 * time.Hour, 9 * time.Hour}},
		"drifts":                 {{time.Hour, 90 * time.Minute, 90 * time.Minute}, {2 * time.Hour, 3 * time.Hour, 3 * time.Hour}},
		"an hour back":           {{time.Hour, 0, 0}, {2 * time.Hour, time.Hour, time.Hour}},
		"a year back, and ahead": {{time.Hour, -year, -year}, {2 * time.Hour, 2 * time.Hour, time.Hour - year}, {27 * time.Hour, 27 * time.Hour, 27 * time.Hour}},
		"a year ahead, and back": {{time.Hour, year, time.Hour}, {20 * time.Hour, 20*time.Hour + year, 20 * time.Hour}, {21 * time.Hour, 21 * time.Hour, 21 * time.Hour}, {50 * time.Hour, year, 50 * time.Hour}},
		"a year ahead, and stays": {{time.Hour, year, time.Hour}, {24 * time.Hour, year + 23*time.Hour, 24 * time.Hour}, {25 * time.Hour, year + 24*time.Hour, year + 24*time.Hour},
			{26 * time.Hour, year + 25*time.Hour, year + 25*time.Hour}},
		"slept": {{time.Hour, 9 * time.Hour, time.Hour}, {26 * time.Hour, 34 * time.Hour, 34 * time.Hour}},
	} {
		c := &steadyClock{believed: noon}
		for i, l := range looks {
			if got := c.at(noon.Add(l.says), l.up).Sub(noon); got != l.want {
				t.Errorf("%s: at look %d it is %v after noon, want %v", name, i, got, l.want)
			}
		}
	}
	if now := newSteadyClock().Now(); time.Since(now).Abs() > time.Minute {
		t.Errorf("it is %v", now)
	}
}
