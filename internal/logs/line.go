package logs

import (
	"fmt"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// kept is a line, and where it is kept.
type kept struct {
	pinfold.LogLine
	group  GroupRef
	stream string
}

// day is how the name of a function's stream begins.
const day = "2006/01/02/"

// streamName names the stream of an instance. Source: "Working with Lambda
// function logs", Lambda developer guide: 2026/11/21/[$LATEST]0123...
func streamName(began time.Time, version, instance string) string {
	return began.UTC().Format(day) + "[" + version + "]" + instance
}

// parseStream is the way back from streamName.
func parseStream(stream string) (version, instance string) {
	if len(stream) > len(day) && stream[len(day)] == '[' {
		version, instance, _ = strings.Cut(stream[len(day)+1:], "]")
	}
	return version, instance
}

// decode makes a line of a record in a group.
func decode(group GroupRef, r segment.Record) pinfold.LogLine {
	line := pinfold.LogLine{
		Time: r.Time(), Name: string(r.Function()),
		RequestID: string(r.Request()), System: r.System(), Text: valid(r.Text()),
	}
	if line.Name != "" {
		line.Version, line.Instance = parseStream(string(r.Stream()))
		line.Function = pinfold.FunctionRef{Account: group.Account, Region: group.Region, Name: line.Name, Qualifier: line.Version}
	}
	return line
}

// valid returns a text with U+FFFD for each run of what is not UTF-8, which no
// protocol here could pass on.
func valid(text []byte) string { return strings.ToValidUTF8(string(text), "\ufffd") }

// keepable reports whether a time can be told in nanoseconds since 1970: it is
// between the years 1678 and 2262.
func keepable(t time.Time) bool {
	const most = 1<<63/1_000_000_000 - 1
	return t.Unix() < most && t.Unix() > -most
}

// cut shortens a text that is too long, and says so.
func cut[Text string | []byte](text Text) string {
	return strings.ToValidUTF8(string(text[:MaxText]), "") + fmt.Sprintf(" [cut: the line has %d bytes]", len(text))
}

// gap is the line that stands for lines that are missing.
func gap(ref pinfold.FunctionRef, n int, why string) pinfold.LogLine {
	return pinfold.LogLine{
		Time: time.Now(), Function: ref, Name: ref.Name, Version: ref.Qualifier, System: true,
		Text: fmt.Sprintf("PINFOLD %d log lines are missing here: %s", n, why),
	}
}

// encodeGap returns the record of a gap in a function's log.
func encodeGap(line *pinfold.LogLine) []byte {
	origin := segment.NewOrigin(streamName(line.Time, line.Version, ""), line.Name)
	return segment.Append(nil, origin, line.Time.UnixNano(), 0, "", true, line.Text)
}
