package mapping

import (
	"context"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/eventpattern"
	"pinfold.dev/pinfold/internal/store"
)

// Limits of mappings of queues. Source: "Creating and configuring an Amazon SQS
// event source mapping", and "Configuring scaling behavior for SQS event source
// mappings", Lambda developer guide.
const (
	defaultBatch   = 10
	maxBatch       = 10_000
	maxBatchFIFO   = 10
	maxBatchNow    = 10 // without a window
	maxWindow      = 300
	minConcurrency = 2
	maxConcurrency = 1000
	minPollers     = 2
	maxMinPollers  = 200
	maxMaxPollers  = 10_000
	defaultPollers = 200 // MaximumPollers
)

// others are the kinds of sources that AWS has and that are not served, by the
// service in their ARNs.
var others = map[string]string{
	"kinesis":       "Amazon Kinesis",
	"dynamodb":      "Amazon DynamoDB Streams",
	"kafka":         "Amazon MSK",
	"kafka-cluster": "Apache Kafka",
	"mq":            "Amazon MQ",
	"rds":           "Amazon DocumentDB",
}

// Unserved is the error for a kind of source that AWS polls and Pinfold does not
// yet.
func Unserved(kind string) error {
	return pinfold.Errorf(pinfold.Unserved, "Event source mappings of %s are not served by Pinfold yet: use one of an Amazon SQS queue.", kind).WithReason(invalidParameter)
}

// CheckSource makes sure that an ARN names a source that can be polled.
func CheckSource(source string) error {
	arn, ok := pinfold.ParseARN(source)
	if kind := others[arn.Service]; kind != "" {
		return Unserved(kind)
	}
	if !ok || arn.Service != "sqs" || strings.ContainsAny(arn.Resource, ":/") {
		return invalid("Unrecognized event source.")
	}
	return nil
}

// Check holds a mapping against every rule that needs neither its function nor its
// queue nor other mappings.
func Check(m *pinfold.EventSourceMapping) error {
	if err := CheckSource(m.Source); err != nil {
		return err
	}
	if err := checkBatch(m); err != nil {
		return err
	}
	if n := m.MaximumConcurrency; n != 0 && n < minConcurrency {
		return constraint(n, "scalingConfig.maximumConcurrency", "Member must have value greater than or equal to %d", minConcurrency)
	} else if n > maxConcurrency {
		return constraint(n, "scalingConfig.maximumConcurrency", "Member must have value less than or equal to %d", maxConcurrency)
	}
	if err := checkPollers(m); err != nil {
		return err
	}
	if err := checkTags(m.Tags); err != nil {
		return err
	}
	_, err := eventpattern.CompileFilters(eventpattern.SQS, m.Filters)
	return err
}

// checkBatch holds batches to their sizes. The texts: localstack's snapshot of
// test_event_source_mapping_default_batch_size; aws/aws-lambda-dotnet pull request
// 1758; pulumi/pulumi-aws-serverless issue 20.
func checkBatch(m *pinfold.EventSourceMapping) error {
	fifo := strings.HasSuffix(m.Source, ".fifo")
	switch {
	case m.BatchSize < 1:
		return constraint(m.BatchSize, "batchSize", "Member must have value greater than or equal to 1")
	case m.BatchSize > maxBatch:
		return constraint(m.BatchSize, "batchSize", "Member must have value less than or equal to %d", maxBatch)
	case m.Window < 0:
		return constraint(m.Window, "maximumBatchingWindowInSeconds", "Member must have value greater than or equal to 0")
	case m.Window > maxWindow:
		return constraint(m.Window, "maximumBatchingWindowInSeconds", "Member must have value less than or equal to %d", maxWindow)
	case fifo && m.Window > 0:
		return invalid("Batching window is not supported for FIFO queues")
	case fifo && m.BatchSize > maxBatchFIFO:
		return invalid("Maximum batch size must be between 1 and %d inclusive", maxBatchFIFO)
	case m.BatchSize > maxBatchNow && m.Window == 0:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %d", maxBatchNow)
	}
	return nil
}

// checkPollers holds the settings of provisioned pollers to AWS's rules. They are
// kept: here there are as many pollers as help.
func checkPollers(m *pinfold.EventSourceMapping) error {
	if m.MinimumPollers == nil && m.MaximumPollers == nil {
		return nil
	}
	least, most := minPollers, defaultPollers
	if m.MinimumPollers != nil {
		least = *m.MinimumPollers
	}
	if m.MaximumPollers != nil {
		most = *m.MaximumPollers
	}
	switch {
	case least < minPollers || least > maxMinPollers || most < least || most > maxMaxPollers:
		return invalid("MinimumPollers must be between %d and %d, and MaximumPollers between MinimumPollers and %d", minPollers, maxMinPollers, maxMaxPollers)
	case m.MaximumConcurrency != 0:
		return invalid("Provisioned mode for SQS event source mappings does not support MaximumConcurrency. Use MaximumPollers, and remove MaximumConcurrency.")
	}
	return nil
}

// checkEnds makes sure that the function and the queue are there and go together.
// The texts: hashicorp/terraform-provider-aws issue 18099; localstack's
// esm_config_factory and provider.
func (r *Registry) checkEnds(ctx context.Context, tx store.Tx, m *pinfold.EventSourceMapping) error {
	version, err := r.o.Function(ctx, tx, m.Function)
	if err != nil {
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return invalid("Function does not exist")
		}
		return err
	}
	queue, err := r.o.Queue(ctx, tx, m.Source)
	if err != nil {
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return invalid("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.")
		}
		return err
	}
	if queue.VisibilityTimeout < version.Config.Timeout {
		return invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", queue.VisibilityTimeout, version.Config.Timeout)
	}
	return nil
}

// checkUnique makes sure that no other mapping is of the same queue and function.
// Its text: getlift/lift issue 295.
func (r *Registry) checkUnique(tx store.Tx, m *pinfold.EventSourceMapping) error {
	records, err := tx.Mappings().List(r.key(), nil, 0)
	if err != nil {
		return err
	}
	for _, record := range records {
		if other := record.Value; other.UUID != m.UUID && other.Source == m.Source && other.Function == m.Function {
			return pinfold.Errorf(pinfold.Conflict, `An event source mapping with SQS arn (" %s ") and function (" %s ") already exists. Please update or delete the existing mapping with UUID %s`,
				m.Source, m.Function.Name, other.UUID).WithReason(resourceConflict)
		}
	}
	return nil
}
