package schedule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
)

// namespace is that of the IDs of moments.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://pinfold.dev/schedule"))

// idOf returns the ID of a moment: the same for the same schedule and time.
func idOf(arn string, due time.Time) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte(arn+" "+due.UTC().Format(time.RFC3339Nano)))
}

// event is an event of EventBridge. Source: "Events", EventBridge user guide.
type event struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// scheduledEvent returns the event that says that it is time. What EventBridge
// Scheduler sends has a detail that is a string.
func scheduledEvent(source, arn string, scope pinfold.Scope, due time.Time, detail any) []byte {
	text, _ := json.Marshal(event{ // strings always encode
		Version: "0", ID: idOf(arn, due).String(), DetailType: "Scheduled Event", Source: source,
		Account: scope.Account, Time: stamp(due), Region: scope.Region, Resources: []string{arn}, Detail: detail,
	})
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// checkEvent holds an event against what TestEventPattern wants of it. Source: Event
// of TestEventPattern, EventBridge API reference.
func checkEvent(text []byte) error {
	var e map[string]json.RawMessage
	if err := json.Unmarshal(text, &e); err != nil || e == nil {
		return invalid("Parameter Event is not valid. (it is no JSON object)")
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "resources", "detail-type"} {
		if _, ok := e[name]; !ok {
			return invalid("Parameter Event is not valid. (it has no %s)", name)
		}
	}
	return nil
}

// scheduleBody returns what a schedule sends: its input, with the keywords replaced
// that stand for what AWS calls context attributes, or else an event. Source: "Adding
// context attributes", EventBridge Scheduler user guide.
func scheduleBody(n pinfold.Schedule, due time.Time, attempt int) []byte {
	arn := n.ARN()
	if n.Target.Input == "" {
		return scheduledEvent("aws.scheduler", arn, pinfold.Scope{Account: n.Account, Region: n.Region}, due, "{}")
	}
	return []byte(strings.NewReplacer(
		"<aws.scheduler.schedule-arn>", arn,
		"<aws.scheduler.scheduled-time>", stamp(due),
		"<aws.scheduler.execution-id>", executionID(arn, due),
		"<aws.scheduler.attempt-number>", strconv.Itoa(attempt),
	).Replace(n.Target.Input))
}

// executionID looks as AWS's do: "d32c5kddcf5bb8c3".
func executionID(arn string, due time.Time) string {
	id := idOf(arn, due)
	return fmt.Sprintf("%x", id[:8])
}

// ruleBody returns what a rule sends to a target of an event: its input, a part of
// the event, what its template makes of it, or the event.
func ruleBody(r pinfold.Rule, t pinfold.ScheduleTarget, text []byte, at time.Time) []byte {
	switch {
	case t.Input != "":
		return []byte(t.Input)
	case t.InputPath == "" && t.InputTemplate == "":
		return text
	}
	var document any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	_ = dec.Decode(&document) // the event is our own
	if t.InputPath != "" {
		p, _ := parsePath(t.InputPath)
		part, _ := p.find(document) // null, where there is nothing
		return encode(part)
	}
	return []byte(transform(t.InputTemplate, func(name string) (any, bool) {
		switch name {
		case ruleARN:
			return r.ARN(), true
		case ruleName:
			return r.Name, true
		case ingestionTime:
			return stamp(at), true
		case eventJSON:
			return json.RawMessage(text), true
		case eventWithout:
			head := maps.Clone(document.(map[string]any))
			delete(head, "detail")
			return head, true
		}
		p, _ := parsePath(t.InputPathsMap[name])
		return p.find(document)
	}))
}

// The variables that every template has. Source: "Predefined variables", EventBridge
// user guide.
const (
	ruleARN       = "aws.events.rule-arn"
	ruleName      = "aws.events.rule-name"
	ingestionTime = "aws.events.event.ingestion-time"
	eventJSON     = "aws.events.event.json" // the event
	eventWithout  = "aws.events.event"      // the event without its detail
)

// transform fills in a template of an input transformer. Outside of quotes a variable
// is replaced by its value as JSON, within quotes by its text, which is escaped, so
// that what was JSON before is JSON afterwards. One that is nothing is an empty text.
func transform(template string, value func(name string) (any, bool)) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(template); i++ {
		switch c := template[i]; {
		case c == '\\' && quoted && i+1 < len(template):
			out.WriteString(template[i : i+2])
			i++
		case c == '<' && variable(template[i:]) != "":
			name := variable(template[i:])
			v, ok := value(name)
			if !ok {
				v = ""
			}
			text := encode(v)
			if _, plain := v.(string); quoted {
				if !plain {
					text = encode(string(text))
				}
				text = text[1 : len(text)-1]
			}
			out.Write(text)
			i += len(name) + 1
		default:
			if c == '"' {
				quoted = !quoted
			}
			out.WriteByte(c)
		}
	}
	return out.String()
}

// variable returns the name of the variable that a text begins with, or "".
func variable(text string) string {
	end := strings.IndexByte(text, '>')
	if end < 0 {
		return ""
	}
	name := text[1:end]
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '.' && (notInName(r) || r == '/') }) {
		return ""
	}
	return name
}

// checkTransformer holds an input transformer against the rules of PutTargets. A
// template is a JSON object, or one or more texts in quotes; for a function it is one
// JSON value.
func checkTransformer(t pinfold.ScheduleTarget, single bool) error {
	if t.InputTemplate == "" {
		if len(t.InputPathsMap) > 0 {
			return invalid("Parameter(s) InputTemplate must be specified for target: %s.", t.ID)
		}
		return nil
	}
	if len(t.InputPathsMap) > 100 {
		return constraint(len(t.InputPathsMap), "inputTransformer.inputPathsMap", "Member must have length less than or equal to 100")
	}
	for _, name := range sorted(t.InputPathsMap) {
		if _, ok := parsePath(t.InputPathsMap[name]); !ok {
			return invalid("InputPath for target %s is invalid. (of the variable %s: %s)", t.ID, name, t.InputPathsMap[name])
		}
		if variable("<"+name+">") == "" || strings.Contains(name, ".") {
			return constraint(name, "inputTransformer.inputPathsMap", "Map keys must satisfy regular expression pattern: [A-Za-z0-9\\_\\-]+")
		}
	}
	if len([]rune(t.InputTemplate)) > maxRuleInput {
		return constraint(t.InputTemplate, "inputTransformer.inputTemplate", "Member must have length less than or equal to 8192")
	}
	object := strings.HasPrefix(strings.TrimSpace(t.InputTemplate), "{")
	var wrong error
	filled := transform(t.InputTemplate, func(name string) (any, bool) {
		_, known := t.InputPathsMap[name]
		switch name {
		case ruleARN, ruleName, ingestionTime:
		case eventJSON, eventWithout:
			if !object && wrong == nil {
				wrong = invalid("InputTemplate for target %s contains placeholder %s valid only for JSON template.", t.ID, name)
			}
		default:
			if !known && wrong == nil {
				wrong = invalid("InputTemplate for target %s contains invalid placeholder %s.", t.ID, name)
			}
		}
		return "", true
	})
	if wrong != nil {
		return wrong
	}
	values := 0
	dec := json.NewDecoder(strings.NewReader(filled))
	for {
		var value any
		if err := dec.Decode(&value); err == io.EOF {
			break
		} else if err != nil {
			return invalid("Invalid InputTemplate for target %s : [%w: write a JSON object, or a text in quotes]", t.ID, err)
		}
		if _, text := value.(string); !text {
			object = true
		}
		values++
	}
	if values != 1 && (object || single || values == 0) {
		return invalid("Invalid InputTemplate for target %s : [it has %d JSON values: write one JSON object, or one text in quotes]", t.ID, values)
	}
	return nil
}

// encode returns a value as JSON, without more escapes than JSON needs.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // what was decoded always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
