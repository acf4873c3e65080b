package timetable_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/timetable"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	when, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func parse(t *testing.T, expression, zone string) timetable.Schedule {
	t.Helper()
	s, err := timetable.Parse(expression, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// following returns the n times that are due after a moment, or less.
func following(s timetable.Schedule, after time.Time, n int) []string {
	var due []string
	for after = s.Next(after); !after.IsZero() && len(due) < n; after = s.Next(after) {
		due = append(due, after.Format(time.RFC3339))
	}
	return due
}

// What the guides say of their examples (sources: "Setting a schedule pattern
// for scheduled rules", Examples and Wildcards; "Schedule types", Examples).
func TestDocumentedExamples(t *testing.T) {
	for expression, c := range map[string]struct {
		after string
		due   []string
	}{
		"cron(0 10 * * ? *)":                 {"2026-03-04T05:06:07Z", []string{"2026-03-04T10:00:00Z", "2026-03-05T10:00:00Z"}},
		"cron(15 12 * * ? *)":                {"2026-03-04T12:15:00Z", []string{"2026-03-05T12:15:00Z"}},
		"cron(0 18 ? * MON-FRI *)":           {"2026-03-06T12:00:00Z", []string{"2026-03-06T18:00:00Z", "2026-03-09T18:00:00Z"}},
		"cron(0 8 1 * ? *)":                  {"2026-12-31T00:00:00Z", []string{"2027-01-01T08:00:00Z", "2027-02-01T08:00:00Z"}},
		"cron(0/15 * * * ? *)":               {"2026-03-04T05:40:00Z", []string{"2026-03-04T05:45:00Z", "2026-03-04T06:00:00Z"}},
		"cron(0/10 * ? * MON-FRI *)":         {"2026-03-06T23:45:00Z", []string{"2026-03-06T23:50:00Z", "2026-03-09T00:00:00Z"}},
		"cron(0/5 8-17 ? * MON-FRI *)":       {"2026-03-06T17:54:00Z", []string{"2026-03-06T17:55:00Z", "2026-03-09T08:00:00Z"}},
		"cron(0/30 20-23 ? * MON-FRI *)":     {"2026-03-06T23:00:00Z", []string{"2026-03-06T23:30:00Z", "2026-03-09T20:00:00Z"}},
		"cron(0 9 ? * 2#1 *)":                {"2026-03-01T00:00:00Z", []string{"2026-03-02T09:00:00Z", "2026-04-06T09:00:00Z"}},
		"cron(0 0 ? * 3#2 *)":                {"2026-03-01T00:00:00Z", []string{"2026-03-10T00:00:00Z"}},
		"cron(15 10 ? * 6L 2022-2023)":       {"2023-11-01T00:00:00Z", []string{"2023-11-24T10:15:00Z", "2023-12-29T10:15:00Z"}},
		"cron(15 10 ? * 6L 2002-2005)":       {"2026-03-04T00:00:00Z", nil},
		"cron(0/5 5 ? JAN 1-5 2022)":         {"2022-01-06T05:50:00Z", []string{"2022-01-06T05:55:00Z", "2022-01-09T05:00:00Z"}},
		"cron(1/10 * * * ? *)":               {"2026-03-04T05:06:00Z", []string{"2026-03-04T05:11:00Z", "2026-03-04T05:21:00Z"}},
		"cron(0 0 3W * ? *)":                 {"2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z", "2026-02-03T00:00:00Z"}},
		"cron(0 0 1 JAN,FEB,MAR ? *)":        {"2026-02-02T00:00:00Z", []string{"2026-03-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
		"cron(0 0 L * ? *)":                  {"2028-02-01T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"}},
		"cron(0 0 ? * L *)":                  {"2026-03-01T00:00:00Z", []string{"2026-03-07T00:00:00Z", "2026-03-14T00:00:00Z"}},
		"cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)": {"2026-03-07T08:15:00Z", []string{"2026-03-09T08:00:00Z", "2026-03-09T08:01:00Z"}},
		"cron(1-31/30 1-1 ? * 1,7 *)":        {"2026-03-06T08:15:00Z", []string{"2026-03-07T01:01:00Z", "2026-03-07T01:31:00Z"}},
		"rate(5 minutes)":                    {"2026-03-04T05:00:00Z", []string{"2026-03-04T05:05:00Z", "2026-03-04T05:10:00Z"}},
		"rate(1 hour)":                       {"2026-03-04T05:00:00Z", []string{"2026-03-04T06:00:00Z"}},
		"rate(7 days)":                       {"1970-01-01T00:00:00Z", []string{"1970-01-08T00:00:00Z", "1970-01-15T00:00:00Z"}},
		"at(2022-11-20T13:00:00)":            {"2022-01-01T00:00:00Z", []string{"2022-11-20T13:00:00Z"}},
	} {
		t.Run(expression, func(t *testing.T) {
			s := parse(t, expression, "")
			got := following(s, at(t, c.after), max(1, len(c.due)))
			if !slices.Equal(got, c.due) {
				t.Errorf("after %s due %v, want %v", c.after, got, c.due)
			}
			if s.Once() != strings.HasPrefix(expression, "at") {
				t.Errorf("once: %t", s.Once())
			}
			if _, err := timetable.ParseRule(expression); (err != nil) != s.Once() {
				t.Errorf("as a rule: %v", err)
			}
		})
	}
}

// What the guides leave open, as Quartz has it, where the dialect is from.
func TestWiderDialect(t *testing.T) {
	for expression, c := range map[string]struct{ after, due string }{
		"cron(0 0 LW * ? *)":        {"2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"},
		"cron(0 0 L-3 * ? *)":       {"2026-02-01T00:00:00Z", "2026-02-25T00:00:00Z"},
		"cron(0 0 1W 8 ? *)":        {"2026-07-31T00:00:00Z", "2026-08-03T00:00:00Z"}, // a Saturday, and not back into July
		"cron(0 0 31W * ? *)":       {"2026-02-01T00:00:00Z", "2026-03-31T00:00:00Z"},
		"cron(0 0 15,L * ? *)":      {"2026-04-16T00:00:00Z", "2026-04-30T00:00:00Z"},
		"cron(0 0 ? * fril *)":      {"2026-03-01T00:00:00Z", "2026-03-27T00:00:00Z"},
		"cron(0 0 ? * mon,L *)":     {"2026-03-03T00:00:00Z", "2026-03-07T00:00:00Z"},
		"cron(0 0 ? * FRI#5 *)":     {"2026-02-01T00:00:00Z", "2026-05-29T00:00:00Z"},
		"cron(0 0 ? 2 6#5 *)":       {"2092-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		"cron(0 22-2 * * ? *)":      {"2026-03-03T23:30:00Z", "2026-03-04T00:00:00Z"},
		"cron(0 0 ? * SAT-THU/2 *)": {"2026-03-05T00:00:00Z", "2026-03-07T00:00:00Z"},
		"cron(0/90 * * * ? *)":      {"2026-03-03T23:30:00Z", "2026-03-04T00:00:00Z"},
		"cron(0 0 1 1 ? 2020/3)":    {"2026-03-03T23:30:00Z", "2029-01-01T00:00:00Z"},
		"cron(0 0 1 1 ? */100)":     {"2026-03-03T23:30:00Z", "2070-01-01T00:00:00Z"},
		"cron(0 0 29 2 ? *)":        {"2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		"cron(0 0 1 1 ? *)":         {"2199-01-01T00:00:00Z", ""},
		"cron(0 0 1 1 ? 1970-2199)": {"2199-01-01T00:00:00Z", ""},
		"cron(0   12  * * ?   *)":   {"2026-03-03T23:30:00Z", "2026-03-04T12:00:00Z"},
		"at(2028-02-29T12:34:56)":   {"2026-03-03T23:30:00Z", "2028-02-29T12:34:56Z"},
	} {
		if due := parse(t, expression, "").Next(at(t, c.after)); !due.Equal(at(t, c.due)) {
			t.Errorf("%s: after %s due %s, want %s", expression, c.after, due, c.due)
		}
	}
}

// Rules and schedules differ in what they take: the guide of EventBridge
// Scheduler has rate(1 days) and calls the year optional.
func TestSchedulesTakeMoreThanRules(t *testing.T) {
	for _, expression := range []string{"rate(1 days)", "rate(1 minutes)", "rate(5 minute)", "cron(0 12 * * ?)", "at(2030-01-01T00:00:00)"} {
		if _, err := timetable.Parse(expression, ""); err != nil {
			t.Errorf("a schedule with %s: %v", expression, err)
		}
		_, err := timetable.ParseRule(expression)
		refused(t, err, "Parameter ScheduleExpression is not valid. (", expression)
	}
}

func TestParseRefuses(t *testing.T) {
	for expression, says := range map[string]string{
		"":                               "write rate(5 minutes)",
		"every day":                      "write rate(5 minutes)",
		"Rate(5 minutes)":                "write rate(5 minutes)",
		" rate(10 minutes)":              "write rate(5 minutes)",
		"rate(10 minutes":                "write rate(5 minutes)",
		"rate()":                         "no such number",
		"rate( 10 minutes )":             "no such number",
		"rate(foo minutes)":              "no such number",
		"rate(0 minutes)":                "no such number",
		"rate(-10 minutes)":              "no such number",
		"rate(1.5 hours)":                "no such number",
		"rate(10)":                       `"" is no unit`,
		"rate(10 seconds)":               `"seconds" is no unit`,
		"rate(10 years)":                 `"years" is no unit`,
		"rate(10 minutess)":              `"minutess" is no unit`,
		"rate(10 MINUTES)":               `"MINUTES" is no unit`,
		"rate(2000000000 days)":          "100 years",
		"cron()":                         "it has 0 fields",
		"cron(INVALID)":                  "it has 1 fields",
		"cron(0 0 12 * * ? *)":           "it has 7 fields",
		"cron(0 1 * * * *)":              "exactly one of day-of-month and day-of-week",
		"cron(0 1 ? * ? *)":              "exactly one of day-of-month and day-of-week",
		"cron(7 20 * * NOT *)":           "exactly one of day-of-month and day-of-week",
		"cron(7 20 ? * NOT *)":           `day-of-week: "NOT" is no value`,
		"cron(0 dummy ? * MON-FRI *)":    `hours: "DUMMY" is no value`,
		"cron(71 8 1 * ? *)":             "minutes: 71 is not in 0-59",
		"cron(0 24 1 * ? *)":             "hours: 24 is not in 0-23",
		"cron(0 8 0 * ? *)":              "day-of-month: 0 is not in 1-31",
		"cron(0 8 1 13 ? *)":             "month: 13 is not in 1-12",
		"cron(0 8 ? * 0 *)":              "day-of-week: 0 is not in 1-7",
		"cron(0 8 ? * -1 *)":             `day-of-week: "" is no value`,
		"cron(0 8 1 * ? 1969)":           "year: 1969 is not in 1970-2199",
		"cron(0 8 1 * ? 2200)":           "year: 2200 is not in 1970-2199",
		"cron(0 8 1 * ? 2030-2020)":      "2030-2020 ends before it begins",
		"cron(0 8 1 * ? ?)":              `year: "?" is no value`,
		"cron(? 8 1 * ? *)":              `minutes: "?" is no value`,
		"cron(0 8 ?,1 * ? *)":            `day-of-month: "?" is no value`,
		"cron(0/0 8 1 * ? *)":            `"0" is no step`,
		"cron(0/x 8 1 * ? *)":            `"X" is no step`,
		"cron(0/99999 8 1 * ? *)":        `"99999" is no step`,
		"cron(0/5, 9-18 ? * MON-FRI *)":  `minutes: "" is no value`,
		"cron(0/5,9,, 18 ? * MON-FRI *)": `minutes: "" is no value`,
		"cron(+5 8 1 * ? *)":             `"+5" is no value`,
		"cron(0 0 W * ? *)":              `"" is no value`,
		"cron(0 0 L3 * ? *)":             `"L3" is no day`,
		"cron(0 0 L-31 * ? *)":           "L-31 is in no month",
		"cron(0 0 32W * ? *)":            "32 is not in 1-31",
		"cron(0 0 ? * 3W *)":             `"3W" is no value`,
		"cron(0 0 ? * 3#1,6#3 *)":        "with # it has one value only",
		"cron(0 0 ? * 3#6 *)":            `"6" is no place in a month`,
		"cron(0 0 ? * 3#0 *)":            `"0" is no place in a month`,
		"cron(0 0 ? * 3# *)":             `"" is no place in a month`,
		"cron(0 0 ? * #2 *)":             `"" is no value`,
		"cron(0 0 ? * 8L *)":             "8 is not in 1-7",
		"cron(0 0 1 1L ? *)":             `month: "1L" is no value`,
		"cron(0 0 1 ANF ? *)":            `month: "ANF" is no value`,
		"cron(0 0 30 2 ? *)":             "no month that it names has such a day",
		"cron(0 0 31 2,4,6,9,11 ? *)":    "no month that it names has such a day",
		"cron(0 0 29 2 ? 2023)":          "no month that it names has such a day",
		"cron(0 0 30W FEB ? *)":          "no month that it names has such a day",
		"cron(0 0 ? 2 6#5 2027)":         "no month that it names has such a day",
		"at()":                           "is no time",
		"at(2021-12-31)":                 "is no time",
		"at(2021-12-31T23:59:59Z)":       "is no time",
		"at(2021-12-31T23:59:59.5)":      "is no time",
		"at(2021-12-31 23:59:59)":        "is no time",
		"at(2021-02-29T00:00:00)":        "is no time",
		"at(0001-01-01T00:00:00)":        "year: 1 is not in 1970-2199",
		"at(2200-01-01T00:00:00)":        "year: 2200 is not in 1970-2199",
		"cron(" + strings.Repeat("1,", 200) + "1 8 1 * ? *)": "at most 256 characters",
	} {
		_, err := timetable.Parse(expression, "")
		refused(t, err, "Invalid Schedule Expression "+expression[:min(256, len(expression))]+". (", says)
		if strings.HasPrefix(expression, "at(") {
			says = "write rate(5 minutes) or cron(0 12 * * ? *)"
		}
		_, err = timetable.ParseRule(expression)
		refused(t, err, "Parameter ScheduleExpression is not valid. (", says)
	}
}

// refused checks that an error has AWS's name and words, and says why.
func refused(t *testing.T, err error, begins, says string) {
	t.Helper()
	if pinfold.CodeOf(err) != pinfold.Invalid || pinfold.ReasonOf(err) != "ValidationException" || !strings.HasPrefix(err.Error(), begins) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v; want Invalid, ValidationException, %q and %q", err, begins, says)
	}
}

func TestParseRefusesZones(t *testing.T) {
	for _, zone := range []string{"Europe/Nowhere", "../../etc/passwd", "Local", "+02:00", strings.Repeat("x", 1<<20)} {
		_, err := timetable.Parse("rate(1 hour)", zone)
		refused(t, err, "Invalid Schedule Expression Timezone "+zone[:min(256, len(zone))]+". (", "Europe/Berlin")
	}
}

// Clocks go forward at 02:00 and back at 03:00 on 29 March and 25 October 2026 in
// Berlin, on 8 March and 1 November (at 02:00) in New York and Los Angeles, and
// by half an hour only on 5 April (back at 02:00) and 4 October on Lord Howe.
// Source: "Daylight savings time on EventBridge Scheduler" and its example.
func TestDaylightSaving(t *testing.T) {
	for name, c := range map[string]struct {
		expression, zone, after string
		due                     []string
	}{
		"the guide's example in spring":  {"cron(30 2 * * ? *)", "America/Los_Angeles", "2026-03-07T00:00:00Z", []string{"2026-03-07T10:30:00Z", "2026-03-09T09:30:00Z"}},
		"the guide's example in autumn":  {"cron(30 1 * * ? *)", "America/Los_Angeles", "2026-10-31T12:00:00Z", []string{"2026-11-01T08:30:00Z", "2026-11-02T09:30:00Z"}},
		"New York skips":                 {"cron(30 2 * * ? *)", "America/New_York", "2026-03-07T08:00:00Z", []string{"2026-03-09T06:30:00Z"}},
		"New York goes on after it":      {"cron(0/30 * * * ? *)", "America/New_York", "2026-03-08T06:15:00Z", []string{"2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z"}},
		"New York does not repeat":       {"cron(0/30 * * * ? *)", "America/New_York", "2026-11-01T05:15:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z"}},
		"in the middle of a repetition":  {"cron(30 1 * * ? *)", "America/New_York", "2026-11-01T06:10:00Z", []string{"2026-11-02T06:30:00Z"}},
		"Berlin skips":                   {"cron(0 2 * * ? *)", "Europe/Berlin", "2026-03-28T00:00:00Z", []string{"2026-03-28T01:00:00Z", "2026-03-30T00:00:00Z"}},
		"Berlin at the end of it":        {"cron(0 3 * * ? *)", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
		"Berlin before it":               {"cron(59 1 * * ? *)", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T00:59:00Z"}},
		"Berlin does not repeat":         {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"Berlin after it":                {"cron(0 3 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:00:00Z"}},
		"Berlin skips for years":         {"cron(30 2 29 3 ? 2026,2031)", "Europe/Berlin", "2026-01-01T00:00:00Z", []string{"2031-03-29T01:30:00Z"}},
		"Lord Howe skips":                {"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-02T00:00:00Z", []string{"2026-10-02T15:45:00Z", "2026-10-04T15:15:00Z"}},
		"Lord Howe at the end of it":     {"cron(30 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z"}},
		"Lord Howe does not repeat":      {"cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		"Lord Howe in the half it keeps": {"cron(0/15 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04T14:20:00Z", []string{"2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-05T14:30:00Z"}},
		"a day that is missing":          {"cron(0 12 30 12 ? *)", "Pacific/Apia", "2011-01-01T00:00:00Z", []string{"2012-12-29T22:00:00Z"}},
		"midnight is missing":            {"cron(0 0 * * ? *)", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"2018-11-05T02:00:00Z"}},
		"a day of a rate has 24 hours":   {"rate(1 days)", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"}},
		"once":                           {"at(2026-07-01T08:00:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", []string{"2026-07-01T06:00:00Z"}},
		"once, at a time that is twice":  {"at(2026-10-25T02:30:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", []string{"2026-10-25T00:30:00Z"}},
		"none in UTC":                    {"cron(30 2 29 3 ? 2026)", "", "2026-01-01T00:00:00Z", []string{"2026-03-29T02:30:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := following(parse(t, c.expression, c.zone), at(t, c.after), max(1, len(c.due)))
			if !slices.Equal(got, c.due) {
				t.Errorf("due %v, want %v", got, c.due)
			}
		})
	}
	for _, never := range []string{"cron(30 2 29 3 ? 2026)", "cron(* 2 ? 3 1L 2026-2029)", "at(2026-03-29T02:30:00)"} {
		if _, err := timetable.Parse(never, "Europe/Berlin"); err == nil || !strings.Contains(err.Error(), "clocks of Europe/Berlin are put forward over") {
			t.Errorf("%s: %v; want an error that tells why", never, err)
		}
	}
}

func TestBetween(t *testing.T) {
	const none, endless = "", "…"
	for name, c := range map[string]struct {
		expression, start, end, after string
		due                           []string
	}{
		"a rate is due at its start":     {"rate(5 minutes)", "2026-03-04T05:06:07.5Z", none, none, []string{"2026-03-04T05:06:07Z", "2026-03-04T05:11:07Z", endless}},
		"and then from it":               {"rate(5 minutes)", "2026-03-04T05:06:07Z", none, "2026-03-04T05:06:07Z", []string{"2026-03-04T05:11:07Z", endless}},
		"long after it":                  {"rate(7 days)", "2026-03-04T05:06:07Z", none, "2199-03-04T00:00:00Z", []string{"2199-03-06T05:06:07Z", endless}},
		"longer than a Duration":         {"rate(1 minute)", "1970-01-01T00:00:30Z", none, "2500-01-01T00:00:00Z", []string{"2500-01-01T00:00:30Z", endless}},
		"a rate that was given no start": {"rate(1 day)", none, none, none, []string{"1970-01-01T00:00:00Z", endless}},
		"until the end":                  {"rate(1 hour)", "2026-03-04T05:00:00Z", "2026-03-04T07:00:00Z", none, []string{"2026-03-04T05:00:00Z", "2026-03-04T06:00:00Z", "2026-03-04T07:00:00Z"}},
		"cron from its start on":         {"cron(0 12 * * ? *)", "2026-03-04T12:00:00Z", none, "2020-01-01T00:00:00Z", []string{"2026-03-04T12:00:00Z", endless}},
		"cron until its end":             {"cron(0 12 * * ? *)", none, "2026-03-05T11:59:59Z", "2026-03-04T00:00:00Z", []string{"2026-03-04T12:00:00Z"}},
		"an end too soon":                {"cron(0 12 * * ? *)", "2026-03-04T12:00:01Z", "2026-03-05T11:59:59Z", none, nil},
		"what is once heeds neither":     {"at(2026-03-04T12:00:00)", "2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z", none, []string{"2026-03-04T12:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := following(parse(t, c.expression, "").Between(at(t, c.start), at(t, c.end)), at(t, c.after), len(c.due)+1)
			if n := len(c.due); n > 0 && c.due[n-1] == endless && len(got) == n+1 {
				got = append(got[:n-1], endless)
			}
			if !slices.Equal(got, c.due) {
				t.Errorf("due %v, want %v", got, c.due)
			}
		})
	}
	if due := (timetable.Schedule{}).Next(time.Time{}); !due.IsZero() {
		t.Errorf("the zero schedule is due at %s", due)
	}
}

func TestSpread(t *testing.T) {
	due := at(t, "2026-03-04T12:00:00Z")
	if got := timetable.Spread(due, 0, "a"); !got.Equal(due) {
		t.Errorf("without a window at %s", got)
	}
	const window, keys = 15 * time.Minute, 9000
	var minutes [15]int
	for i := range keys {
		key := "default/" + time.Duration(i).String()
		got := timetable.Spread(due, window, key)
		if got.Before(due) || !got.Before(due.Add(window)) || !got.Equal(timetable.Spread(due.In(time.FixedZone("", 3600)), window, key)) {
			t.Fatalf("%s: at %s", key, got)
		}
		minutes[got.Sub(due)/time.Minute]++
	}
	for minute, n := range minutes {
		if n < keys/15*3/4 || n > keys/15*5/4 {
			t.Errorf("minute %d has %d of %d", minute, n, keys)
		}
	}
	if timetable.Spread(due, window, "a").Sub(due) == timetable.Spread(due.Add(time.Hour), window, "a").Sub(due.Add(time.Hour)) {
		t.Error("the same second in two windows")
	}
}
