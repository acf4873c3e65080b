package serverless

import (
	"regexp"
	"strings"

	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

// eventSettings returns the settings of an event. One that is written without a map is
// the value of the given key.
func (r *reader) eventSettings(e event, key string) (s section, ok bool) {
	name := e.kind + " event of function " + e.f.key
	value, err := r.vars.head(e.value)
	if err != nil {
		r.fail(e.at, err)
		return s, false
	}
	if value.IsNull() {
		r.problem(e.at, "the %s is empty: write \"%s: %s\" or a map with %s", name, e.kind, map[string]string{"arn": "ARN", "rate": "rate(1 hour)"}[key], key)
		return s, false
	}
	if value.Map() != nil && !isCall(value) {
		return r.section(value, name)
	}
	s = section{r: r, name: name, m: doc.NewMap(), at: e.at}
	s.m.Set(doc.Key{Name: key, At: e.at}, value)
	return s, true
}

// sqsEvent makes an event source mapping. Source: compile/events/sqs.js and
// getQueueLogicalId in naming.js.
func (r *reader) sqsEvent(e event) {
	s, ok := r.eventSettings(e, "arn")
	if !ok {
		return
	}
	s.known("arn", "batchSize", "maximumBatchingWindow", "enabled", "functionResponseType", "filterPatterns", "maximumConcurrency")
	arn := s.get("arn")
	if arn == nil {
		r.problem(e.at, "the %s has no arn%s", s.name, s.meant("arn"))
		return
	}
	t := newBlueprint(s.name, e.at)
	t.take(s, map[string]string{
		"EventSourceArn": "arn", "BatchSize": "batchSize", "MaximumBatchingWindowInSeconds": "maximumBatchingWindow", "Enabled": "enabled",
		"FunctionResponseTypes": "functionResponseType",
	})
	t.set("FunctionName", r.invoked(e.f).ARN())
	if n := s.get("maximumConcurrency"); n != nil {
		t.nest("ScalingConfig", "MaximumConcurrency", "maximumConcurrency", n)
	}
	if n := s.get("filterPatterns"); n != nil {
		filters := doc.List{}
		for _, pattern := range n.List() {
			one := doc.NewMap()
			one.Set(doc.Key{Name: "Pattern", At: pattern.At}, call(pattern.At, "Fn::ToJsonString", pattern.Value))
			filters = append(filters, doc.New(pattern.At, one))
		}
		if n.List() == nil {
			r.problem(n.At, "%s must be a list of patterns, not %s", s.label("filterPatterns"), n.What())
		}
		t.nest("FilterCriteria", "Filters", "filterPatterns", doc.New(n.At, filters))
	}
	id := logicalID(e.f.key) + "EventSourceMappingSQS" + upperFirst(notAlphanumeric.ReplaceAllString(sourceName(arn), ""))
	r.compile(e.f, r.free(id), "AWS::Lambda::EventSourceMapping", t)
}

var notAlphanumeric = regexp.MustCompile(`[^0-9A-Za-z]`)

// sourceName returns the part of an ARN, as it is written, that logical IDs are made
// with: the resource of an Fn::GetAtt, or what stands behind the last colon.
func sourceName(arn *doc.Node) string {
	name, isCall := cfn.IsCall(arn)
	if isCall {
		arn = arn.Map().Get(name)
	}
	list := arn.List()
	switch {
	case len(list) > 0 && name == "Fn::Join":
		if parts := list[len(list)-1].List(); len(parts) > 0 {
			return sourceName(parts[len(parts)-1])
		}
	case len(list) > 0: // Fn::GetAtt, Fn::Sub
		return sourceName(list[0])
	}
	text, _ := arn.Text()
	if name == "Fn::GetAtt" {
		text, _, _ = strings.Cut(text, ".")
	}
	return text[strings.LastIndex(text, ":")+1:]
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
