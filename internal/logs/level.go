package logs

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"pinfold.dev/pinfold"
)

// Level is how much a line matters. Its zero value is that of lines that do not say.
type Level int

// The levels, in their order.
const (
	Trace Level = iota + 1
	Debug
	Info
	Warn
	Error
	Fatal
)

// ParseLevel reads a level in any of the spellings that lines may have; "" is zero.
func ParseLevel(name string) (Level, error) {
	level := levelOfWord([]byte(name))
	if level == 0 && name != "" {
		return 0, pinfold.Errorf(pinfold.Invalid, "%q is not a level: use trace, debug, info, warn, error or fatal", name)
	}
	return level, nil
}

// maxWord is the length of the longest word for a level.
const maxWord = len("informational")

// levelOfWord knows what libraries call their levels: pino, bunyan, winston (npm
// and syslog), Powertools, Python's logging, log4j, slog, zap.
func levelOfWord(word []byte) Level {
	if len(word) > maxWord {
		return 0
	}
	switch strings.ToLower(string(word)) {
	case "trace", "silly", "finest":
		return Trace
	case "debug", "verbose", "http", "fine":
		return Debug
	case "info", "information", "informational", "notice":
		return Info
	case "warn", "warning":
		return Warn
	case "error", "err", "severe":
		return Error
	case "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic":
		return Fatal
	}
	return 0
}

// levelOfNumber knows pino's and bunyan's numbers, from 10 for trace to 60 for
// fatal, and Python's, which begin with 10 for debug.
func levelOfNumber(number []byte, python bool) Level {
	n, err := strconv.Atoi(string(number))
	if python {
		n += 10
	}
	if err != nil || n < 10 || n > 100 {
		return 0
	}
	return Level(min(n/10, int(Fatal)))
}

// leveler finds out the levels of lines. It may be used concurrently.
type leveler struct {
	least   Level // that is wanted; zero wants all, also those without
	readers sync.Pool
}

// levelReader reads JSON, again and again.
type levelReader struct {
	text bytes.Buffer
	dec  jsontext.Decoder
}

// wants reports whether a line has the least level that is wanted, or a higher one.
func (l *leveler) wants(system bool, text []byte) bool {
	return l.least == 0 || l.of(system, text) >= l.least
}

// of returns a line's level.
func (l *leveler) of(system bool, text []byte) Level {
	if system {
		return levelOfPlatform(text)
	}
	text = bytes.TrimLeft(text, " \t")
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '{':
		return l.ofJSON(text)
	case '[': // [ERROR]\t..., as Python's runtime has it, and [ERROR] KeyError: ...
		if word, _, ok := bytes.Cut(text[1:min(len(text), maxWord+2)], []byte("]")); ok {
			return levelOfWord(word)
		}
		return 0
	}
	// TIME\tREQUEST\tERROR\t..., as Node.js's runtime has it. What is logged may be
	// JSON that says more.
	at, rest, _ := bytes.Cut(text, []byte("\t"))
	_, rest, _ = bytes.Cut(rest, []byte("\t"))
	word, message, ok := bytes.Cut(rest, []byte("\t"))
	if !ok || len(at) != len("2006-01-02T15:04:05.000Z") || at[10] != 'T' {
		return 0
	}
	level := levelOfWord(word)
	if bytes.HasPrefix(message, []byte("{")) && level != 0 {
		if own := l.ofJSON(message); own != 0 {
			return own
		}
	}
	return level
}

// levelOfPlatform returns the level of a line that the platform wrote: those of
// what failed are errors. See runtimes, which writes them.
func levelOfPlatform(text []byte) Level {
	first, _, _ := bytes.Cut(text[:min(len(text), 16)], []byte(" "))
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		if bytes.Contains(text, []byte(`"status":"`)) && !bytes.Contains(text, []byte(`"status":"success"`)) {
			return Error
		}
		return Info
	case string(first) == "PINFOLD": // lines are missing
		return Warn
	case string(first) == "REPORT" || string(first) == "INIT_REPORT":
		if bytes.Contains(text, []byte("\tStatus: ")) {
			return Error
		}
		return Info
	case string(first) == "START" || string(first) == "END" || string(first) == "INIT_START":
		return Info
	}
	return Error // how an invocation ended that did not end by itself
}

// ofJSON returns the level that JSON says by one of the names for it, or within
// "log" as the Elastic Common Schema has it. It reads no further than that.
func (l *leveler) ofJSON(text []byte) Level {
	r, _ := l.readers.Get().(*levelReader)
	if r == nil {
		r = new(levelReader)
	}
	defer func() {
		r.text = bytes.Buffer{} // the line is not ours to keep
		l.readers.Put(r)
	}()
	r.text = *bytes.NewBuffer(text)
	r.dec.Reset(&r.text, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return levelIn(&r.dec, false)
}

// levelIn reads an object.
func levelIn(dec *jsontext.Decoder, within bool) Level {
	if _, err := dec.ReadToken(); err != nil {
		return 0
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return 0
		}
		python, found := levelName(string(name[1 : len(name)-1]))
		switch kind := dec.PeekKind(); {
		case found && (kind == '"' || kind == '0'):
			value, err := dec.ReadValue()
			if err != nil {
				return 0
			}
			value = bytes.Trim(value, `"`)
			level := levelOfWord(value)
			if level == 0 {
				level = levelOfNumber(value, python)
			}
			if level != 0 {
				return level
			}
		case kind == '{' && !within && string(name) == `"log"`:
			if level := levelIn(dec, true); level != 0 {
				return level
			}
		default:
			if dec.SkipValue() != nil {
				return 0
			}
		}
	}
	_, _ = dec.ReadToken() // the end of the object, or what is none
	return 0
}

// levelName reports whether a property is a level, and whether its numbers are
// Python's.
func levelName(name string) (python, found bool) {
	switch strings.ToLower(name) {
	case "level", "severity", "severitytext", "severity_text", "lvl", "loglevel", "log_level", "log.level":
		return false, true
	case "levelname", "levelno":
		return true, true
	}
	return false, false
}
