package protocol

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// formatUnix writes seconds since the epoch with milliseconds where there are any.
func formatUnix(t time.Time) string {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.FormatInt(ms/1000, 10)
	}
	return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64)
}

// parseTime reads a timestamp in any of the formats, whichever was modelled:
// clients differ, and no two formats can be mistaken for each other.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02", "20060102T150405Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if t, err := http.ParseTime(s); err == nil {
		return t.UTC(), nil
	}
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return time.Time{}, fmt.Errorf("%q is not a timestamp", s)
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), nil
}

// setText sets a scalar from its text form, as headers, query strings, labels,
// XML and the query protocol have it.
func setText(n *node, v reflect.Value, s string) error {
	switch n.kind {
	case kindString:
		v.SetString(s)
	case kindInt:
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(i)
	case kindFloat:
		f, err := parseFloat(s)
		if err != nil {
			return err
		}
		v.SetFloat(f)
	case kindBool:
		switch {
		case strings.EqualFold(s, "true"):
			v.SetBool(true)
		case strings.EqualFold(s, "false"):
			v.SetBool(false)
		default:
			return fmt.Errorf("%q is neither true nor false", s)
		}
	case kindBlob:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return fmt.Errorf("it is not base64: %w", err)
		}
		v.SetBytes(b)
	case kindTime:
		t, err := parseTime(s)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
	default:
		return fmt.Errorf("a single value was not expected")
	}
	return nil
}

func parseFloat(s string) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return f, nil
}

func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// text returns a scalar's text form; format is the default for timestamps.
func text(n *node, v reflect.Value, format string) string {
	switch n.kind {
	case kindString:
		return v.String()
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		return formatFloat(v.Float())
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindBlob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case kindTime:
		return formatTime(v.Interface().(time.Time), n.timeFormat(format))
	}
	return ""
}
