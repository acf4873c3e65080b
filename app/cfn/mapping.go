package cfn

import (
	"cmp"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/eventpattern"
)

// streamOnly are properties of mappings of streams and brokers.
var streamOnly = []string{
	"StartingPosition", "StartingPositionTimestamp", "ParallelizationFactor", "BisectBatchOnFunctionError", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts",
	"TumblingWindowInSeconds", "DestinationConfig", "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig",
	"AmazonManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
}

const maxBatch, maxFIFOBatch = 10_000, 10

func (e *eventReader) mapping(r Resource, p properties) {
	source := p.text("EventSourceArn")
	if arn, ok := pinfold.ParseARN(source); ok && arn.Service != "sqs" || source == "" && p.get("SelfManagedEventSource") != nil {
		e.unserved(p.place("EventSourceArn"), "%s, whose source is %s", p.owner, cmp.Or(source, "managed by yourself"))
		return
	}
	p.known(append([]string{"EventSourceArn", "FunctionName", "BatchSize", "MaximumBatchingWindowInSeconds", "Enabled", "FilterCriteria", "FunctionResponseTypes",
		"ScalingConfig", "ProvisionedPollerConfig", "MetricsConfig", "KmsKeyArn", "Tags"}, streamOnly...)...)
	for _, key := range streamOnly {
		if p.get(key) != nil {
			p.wrong(key, "is not for queues")
		}
	}
	if !p.need("EventSourceArn", "FunctionName") {
		return
	}
	id, err := e.mappingID(r)
	if err != nil {
		e.fail(r.At, err)
	}
	m := pinfold.EventSourceMapping{
		UUID: id, Account: e.Target.Account, Region: e.Target.Region,
		Source: p.queueARN("EventSourceArn"), Function: e.function(p, "FunctionName"), Enabled: p.flag("Enabled", true),
		BatchSize: p.whole("BatchSize", 1, maxBatch, 10), Window: p.seconds("MaximumBatchingWindowInSeconds", 0, 300, 0),
		Filters: e.filters(p), KMSKey: p.text("KmsKeyArn"), Tags: p.tags("Tags"),
	}
	if p.get("FunctionResponseTypes") != nil {
		for _, text := range p.texts("FunctionResponseTypes") {
			if m.ReportItemFailures = text == "ReportBatchItemFailures"; !m.ReportItemFailures {
				p.wrong("FunctionResponseTypes", "can be ReportBatchItemFailures, not %q", text)
			}
		}
	}
	if s, ok := p.part("ScalingConfig"); ok {
		s.known("MaximumConcurrency")
		m.MaximumConcurrency = s.whole("MaximumConcurrency", 2, 1000, 0)
	}
	if s, ok := p.part("ProvisionedPollerConfig"); ok {
		s.known("MinimumPollers", "MaximumPollers", "PollerGroupName")
		m.MinimumPollers, m.MaximumPollers = s.maybe("MinimumPollers", 1, 200), s.maybe("MaximumPollers", 1, 2000)
	}
	if s, ok := p.part("MetricsConfig"); ok {
		s.known("Metrics")
		m.Metrics = s.texts("Metrics")
	}
	e.once(r, "the mapping of %s to the function %s", m.Source, strings.TrimSuffix(m.Function.Name+":"+m.Function.Qualifier, ":"))
	e.checkBatch(p, m)
	e.found.Events.Mappings = append(e.found.Events.Mappings, made(r, m))
}

// checkBatch holds a batch to the rules of its queue. Source: BatchSize and
// MaximumBatchingWindowInSeconds of CreateEventSourceMapping, Lambda API reference.
func (e *eventReader) checkBatch(p properties, m pinfold.EventSourceMapping) {
	fifo := strings.HasSuffix(m.Source, fifoSuffix)
	switch {
	case fifo && m.BatchSize > maxFIFOBatch:
		p.wrong("BatchSize", "is %d, and a FIFO queue gives %d at most", m.BatchSize, maxFIFOBatch)
	case fifo && m.Window > 0:
		p.wrong("MaximumBatchingWindowInSeconds", "is not for FIFO queues")
	case m.BatchSize > 10 && m.Window == 0:
		p.wrong("BatchSize", "is %d: more than 10 needs %s of at least 1", m.BatchSize, cmp.Or(p.words["MaximumBatchingWindowInSeconds"], "MaximumBatchingWindowInSeconds"))
	}
}

func (e *eventReader) filters(p properties) []string {
	criteria, ok := p.part("FilterCriteria")
	if !ok {
		return nil
	}
	criteria.known("Filters")
	var patterns []string
	for _, f := range criteria.parts("Filters") {
		if f.known("Pattern"); !f.need("Pattern") {
			continue
		}
		pattern := f.text("Pattern")
		if _, err := eventpattern.CompileFilters(eventpattern.SQS, []string{pattern}); err != nil {
			f.wrong("Pattern", "cannot be used: %s", strings.ReplaceAll(err.Error(), "\n", ""))
		}
		patterns = append(patterns, pattern)
	}
	if n := len(patterns); n > eventpattern.MaxFilters {
		criteria.wrong("Filters", "are %d, and %d are allowed", n, eventpattern.MaxFilters)
	}
	return patterns
}

// function returns the function that a property names in any of Lambda's ways.
func (e *eventReader) function(p properties, key string) pinfold.FunctionRef {
	ref, err := pinfold.ParseFunctionRef(p.text(key), e.in())
	if err != nil {
		p.wrong(key, "cannot be used: %v", err)
	}
	return ref
}

func (e *eventReader) eventInvoke(r Resource, p properties) {
	p.known("FunctionName", "Qualifier", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")
	if !p.need("FunctionName", "Qualifier") {
		return
	}
	c := pinfold.EventInvokeConfig{
		Ref:                  e.function(p, "FunctionName").With(p.text("Qualifier")),
		MaximumRetryAttempts: p.maybe("MaximumRetryAttempts", 0, 2),
		MaximumEventAge:      p.maybeSeconds("MaximumEventAgeInSeconds", 60, 21_600),
	}
	e.once(r, "the event invoke config of %s", c.Ref.ARN())
	if d, ok := p.part("DestinationConfig"); ok {
		d.known("OnSuccess", "OnFailure")
		c.OnSuccess, c.OnFailure = e.destination(d, "OnSuccess"), e.destination(d, "OnFailure")
	}
	e.found.Events.EventInvokes = append(e.found.Events.EventInvokes, made(r, c))
}

func (e *eventReader) destination(d properties, key string) (arn string) {
	if one, ok := d.part(key); ok {
		if one.known("Destination"); one.need("Destination") {
			arn, _ = e.target(one, "Destination")
		}
	}
	return arn
}
