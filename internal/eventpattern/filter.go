package eventpattern

import (
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// MaxFilters bounds an event source mapping's filters. Source: "Control which
// events Lambda sends to your function": 5, and 10 for those who ask.
const MaxFilters = 10

// Source is a kind of event source. What a filter may want depends on what its
// records have.
type Source int

// The sources. Of SQS, the body of a message is what is filtered; of Kinesis, the
// data of a record. Source: "Using event filtering with an Amazon SQS event
// source", and "… with a Kinesis event source", Lambda developer guide.
const (
	SQS Source = iota
	Kinesis
)

// source is how records look to a machine.
type source struct {
	payload string // path of the text that may be JSON
	base64  bool   // it is encoded so
}

// shape returns how records of a source look, the names that filters may begin
// with, and those of them that records have within an object named kinesis.
func (s Source) shape() (from source, names, within []string) {
	names = []string{"eventSource", "eventSourceARN", "awsRegion"}
	if s == Kinesis {
		within = []string{"data", "partitionKey", "sequenceNumber", "approximateArrivalTimestamp", "kinesisSchemaVersion"}
		return source{"kinesis.data", true}, append(names, "eventVersion", "eventID", "eventName", "invokeIdentityArn"), within
	}
	return source{payload: "body"}, append(names, "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody", "md5OfMessageAttributes"), nil
}

// Filters are the filters of an event source mapping, of which a record must meet
// one. They may be used concurrently.
type Filters struct {
	pattern *Pattern // nil: everything is wanted
}

// CompileFilters reads the patterns of an event source mapping's FilterCriteria;
// none at all let everything pass. Its errors have code Invalid and reason
// InvalidParameterValueException.
func CompileFilters(from Source, patterns []string) (*Filters, error) {
	invalid := func(format string, args ...any) error {
		return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("InvalidParameterValueException")
	}
	if len(patterns) == 0 {
		return &Filters{}, nil
	}
	if len(patterns) > MaxFilters {
		return nil, invalid("There are %d filters, and may be %d. Write alternatives into one of them, with $or.", len(patterns), MaxFilters)
	}
	shape, names, within := from.shape()
	var rules []rule
	for i, pattern := range patterns {
		more, err := parse([]byte(pattern))
		if err != nil {
			return nil, invalid("Invalid filter pattern definition. Filter %d: %w", i+1, err)
		}
		for _, t := range uniqueTerms(more) {
			switch first, _, _ := strings.Cut(t.path, "."); {
			case slices.Contains(within, first):
				t.path = "kinesis." + t.path
			case !slices.Contains(names, first):
				return nil, invalid("Invalid filter pattern definition. Filter %d: records have no field %q; they have %s", i+1, first, strings.Join(slices.Concat(within, names), ", "))
			}
		}
		rules = append(rules, more...)
	}
	return &Filters{newPattern(rules, shape)}, nil
}

// uniqueTerms returns the terms of rules, each once.
func uniqueTerms(rules []rule) []*term {
	var terms []*term
	seen := map[*term]bool{}
	for _, r := range rules {
		for _, t := range r {
			if !seen[t] {
				seen[t] = true
				terms = append(terms, t)
			}
		}
	}
	return terms
}

// Match reports whether a record, as its function would see it in Records, meets
// one of the filters. Its payload (body, or data decoded) is a document if it is a
// JSON object or array, else a text; a filter that wants something in a document
// lets no text pass, and the other way round. A record that is not JSON is an error
// of code Invalid.
func (f *Filters) Match(record []byte) (bool, error) {
	if f.pattern == nil {
		return true, nil
	}
	return f.pattern.Match(record)
}
