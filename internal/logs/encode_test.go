package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// FuzzEncode holds what is written against encoding/json, which wrote it before
// and reads it still.
func FuzzEncode(f *testing.F) {
	const id = "6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77"
	noon := begin.Unix()
	f.Add(noon, int64(123456789), 0, "hello", "$LATEST", "i-1", id, true, "END RequestId: "+id)
	f.Add(noon, int64(120000000), 3600, "hello", "7", "i-1", "", false, "tab\tquote\"slash\\ line\nreturn\rback\bform\fnul\x00escape\x1bdelete\x7f")
	f.Add(noon, int64(0), -16200, "", "", "", "", false, "<&> ü € 😀 \u2028\u2029 \ufffd \xff\xc3( \xe2\x80 \xed\xa0\x80 \xf0\x9f")
	f.Add(noon, int64(1), 93600, "a\"b", "\x01", "\xff", "\n", true, "a zone of 26 hours")
	f.Add(noon, int64(999999999), 12345, "a", "1", "i", id, false, strings.Repeat("0123456", 30)+"\x80")
	f.Add(int64(253402300800), int64(0), 0, "a", "1", "i", "", false, "the year 10000")
	f.Add(int64(-62167219201), int64(0), 0, "a", "1", "i", "", false, "a year before 0")
	f.Fuzz(func(t *testing.T, unix, nano int64, zone int, name, version, instance, id string, system bool, text string) {
		at := time.Unix(unix%(1<<40), nano%1e9).In(time.FixedZone("", zone%100_000))
		var c clock
		// The same second again, in other fractions and places, is put together
		// from what is known of it.
		for _, at := range []time.Time{at, at, at.Truncate(time.Second), at.Truncate(time.Millisecond), at.UTC(), at.Local()} {
			line := pinfold.LogLine{Time: at, Name: name, Version: version, Instance: instance, RequestID: id, System: system, Text: text}
			var want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			err := enc.Encode(line)
			got, ok := appendLine([]byte("before"), &c, &line)
			if ok != (err == nil) {
				t.Fatalf("%v: %v, encoding/json says %v", at, ok, err)
			}
			if ok && string(got) != "before"+want.String() {
				t.Fatalf("%q\nwant\n%q", got, want.String())
			}
			origin := appendOrigin(nil, name, version, instance)
			if again, _ := appendRest([]byte("before"), &c, at, origin, id, system, []byte(text)); !bytes.Equal(again, got) {
				t.Fatalf("text as bytes: %q\nas a string: %q", again, got)
			}
		}
	})
}
