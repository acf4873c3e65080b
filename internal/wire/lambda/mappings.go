package lambda

import (
	"context"
	"reflect"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/mapping"
)

// notOfQueues are settings of event source mappings that those of queues do not
// have.
var notOfQueues = []string{
	"AmazonManagedKafkaEventSourceConfig", "BisectBatchOnFunctionError", "DestinationConfig", "DocumentDBEventSourceConfig", "LoggingConfig",
	"MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor", "ProvisionedPollerConfig.PollerGroupName", "Queues",
	"SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig", "SourceAccessConfigurations", "StartingPositionTimestamp", "Topics", "TumblingWindowInSeconds",
}

// refuseOfQueues refuses them. The text is Lambda's for one of them, recorded in
// localstack's test_event_source_mapping_exceptions.
func refuseOfQueues(in any) error {
	v := reflect.ValueOf(in).Elem()
	for _, name := range notOfQueues {
		if f := member(v, name); f.IsValid() && used(f, "") {
			return pinfold.Errorf(pinfold.Invalid, "Unsupported %s parameter for given event source mapping type.", name)
		}
	}
	return nil
}

func (a *adapter) CreateEventSourceMapping(ctx context.Context, in *CreateEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	if in.EventSourceArn == nil && in.SelfManagedEventSource != nil {
		return nil, mapping.Unserved("Apache Kafka")
	}
	if err := mapping.CheckSource(value(in.EventSourceArn)); err != nil {
		return nil, err
	}
	if in.StartingPosition != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "StartingPosition is not valid for SQS event sources.")
	}
	if err := refuseOfQueues(in); err != nil {
		return nil, err
	}
	m := pinfold.EventSourceMapping{Source: *in.EventSourceArn, Enabled: true, Tags: in.Tags}
	change, err := a.mappingChange(&UpdateEventSourceMappingRequest{
		BatchSize: in.BatchSize, Enabled: in.Enabled, FilterCriteria: in.FilterCriteria, FunctionName: in.FunctionName,
		FunctionResponseTypes: in.FunctionResponseTypes, KMSKeyArn: in.KMSKeyArn, MaximumBatchingWindowInSeconds: in.MaximumBatchingWindowInSeconds,
		MetricsConfig: in.MetricsConfig, ProvisionedPollerConfig: in.ProvisionedPollerConfig, ScalingConfig: in.ScalingConfig,
	})
	if err != nil {
		return nil, err
	}
	change(&m)
	return mapped(a.Mappings.Create(ctx, m))
}

func (a *adapter) GetEventSourceMapping(ctx context.Context, in *GetEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	return mapped(a.Mappings.Get(ctx, *in.UUID))
}

func (a *adapter) UpdateEventSourceMapping(ctx context.Context, in *UpdateEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	if err := refuseOfQueues(in); err != nil {
		return nil, err
	}
	change, err := a.mappingChange(in)
	if err != nil {
		return nil, err
	}
	return mapped(a.Mappings.Update(ctx, *in.UUID, change))
}

func (a *adapter) DeleteEventSourceMapping(ctx context.Context, in *DeleteEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	return mapped(a.Mappings.Delete(ctx, *in.UUID))
}

func (a *adapter) ListEventSourceMappings(ctx context.Context, in *ListEventSourceMappingsRequest) (*ListEventSourceMappingsResponse, error) {
	q := mapping.Query{Source: value(in.EventSourceArn), Marker: value(in.Marker), Max: int(value(in.MaxItems))}
	if in.FunctionName != nil {
		ref, err := a.Registry.Ref(*in.FunctionName, "")
		if err != nil {
			return nil, err
		}
		q.Function = &ref
	}
	found, next, err := a.Mappings.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return &ListEventSourceMappingsResponse{EventSourceMappings: each(found, mappingConfiguration), NextMarker: present(next)}, nil
}

// mappingChange reads what a request sets. What it leaves out stays; an empty
// object or list takes a setting back.
func (a *adapter) mappingChange(in *UpdateEventSourceMappingRequest) (func(*pinfold.EventSourceMapping), error) {
	var function *pinfold.FunctionRef
	if in.FunctionName != nil {
		ref, err := a.Registry.Ref(*in.FunctionName, "")
		if err != nil {
			return nil, err
		}
		function = &ref
	}
	return func(m *pinfold.EventSourceMapping) {
		set(&m.Function, function)
		set(&m.Enabled, in.Enabled)
		set(&m.KMSKey, in.KMSKeyArn)
		if in.BatchSize != nil {
			m.BatchSize = int(*in.BatchSize)
		}
		if in.MaximumBatchingWindowInSeconds != nil {
			m.Window = pinfold.Seconds(*in.MaximumBatchingWindowInSeconds)
		}
		if in.FilterCriteria != nil {
			m.Filters = nil
			for _, f := range in.FilterCriteria.Filters {
				m.Filters = append(m.Filters, value(f.Pattern))
			}
		}
		if in.FunctionResponseTypes != nil {
			m.ReportItemFailures = len(in.FunctionResponseTypes) > 0
		}
		if in.ScalingConfig != nil {
			m.MaximumConcurrency = int(value(in.ScalingConfig.MaximumConcurrency))
		}
		if in.MetricsConfig != nil {
			m.Metrics = in.MetricsConfig.Metrics
		}
		if p := in.ProvisionedPollerConfig; p != nil {
			m.MinimumPollers, m.MaximumPollers = integer(p.MinimumPollers), integer(p.MaximumPollers)
		}
	}, nil
}

// set sets a field that a request names.
func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// integer converts a number that may be missing.
func integer(n *int64) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

func long(n *int) *int64 {
	if n == nil {
		return nil
	}
	return new(int64(*n))
}

func mapped(d *mapping.Description, err error) (*EventSourceMappingConfiguration, error) {
	if err != nil {
		return nil, err
	}
	return new(mappingConfiguration(d)), nil
}

// mappingConfiguration writes a mapping. Which members there are without a value
// is as recorded in localstack's test_lambda_integration_sqs.snapshot.json.
func mappingConfiguration(d *mapping.Description) EventSourceMappingConfiguration {
	out := EventSourceMappingConfiguration{
		UUID: &d.UUID, EventSourceMappingArn: new(d.ARN()), EventSourceArn: &d.Source, FunctionArn: new(d.Function.ARN()),
		BatchSize: new(int64(d.BatchSize)), MaximumBatchingWindowInSeconds: new(int64(d.Window)),
		State: new(string(d.State)), StateTransitionReason: &d.Reason, LastProcessingResult: present(d.Result), LastModified: &d.Changed,
		FunctionResponseTypes: []string{}, KMSKeyArn: present(d.KMSKey),
	}
	if d.ReportItemFailures {
		out.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
	}
	if len(d.Filters) > 0 {
		out.FilterCriteria = &FilterCriteria{Filters: each(d.Filters, func(p string) Filter { return Filter{Pattern: &p} })}
	}
	if d.MaximumConcurrency > 0 {
		out.ScalingConfig = &ScalingConfig{MaximumConcurrency: new(int64(d.MaximumConcurrency))}
	}
	if len(d.Metrics) > 0 {
		out.MetricsConfig = &EventSourceMappingMetricsConfig{Metrics: d.Metrics}
	}
	if d.MinimumPollers != nil || d.MaximumPollers != nil {
		out.ProvisionedPollerConfig = &ProvisionedPollerConfig{MinimumPollers: long(d.MinimumPollers), MaximumPollers: long(d.MaximumPollers)}
	}
	return out
}
