package function

import (
	"context"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Bounds of how asynchronous invocations are handled. Source:
// PutFunctionEventInvokeConfig, Lambda API reference.
const (
	maxRetryAttempts                 = 2
	minEventAgeSecs, maxEventAgeSecs = 60, 21600
)

// EventInvokeChange is a change of how asynchronous invocations are handled: nil
// leaves a field as it is, or without a value where there was no configuration.
type EventInvokeChange struct {
	MaximumRetryAttempts *int
	MaximumEventAge      *pinfold.Seconds
	OnSuccess, OnFailure *string // ARNs; "" takes the destination away
}

// PutEventInvoke says how asynchronous invocations of a function, or of the version
// or alias that ref's Qualifier names, are handled, in place of all that was said
// before. Texts and order of the rules here and below:
// put_function_event_invoke_config in localstack/localstack,
// services/lambda_/provider.py, and testdata/aws/lambda/event_edge_cases.json in
// radkawar/stackd, recorded from AWS.
func (r *Registry) PutEventInvoke(ctx context.Context, ref pinfold.FunctionRef, c EventInvokeChange) (*pinfold.EventInvokeConfig, error) {
	return r.changeEventInvoke(ctx, ref, c, func(store.Tx, pinfold.FunctionRef) (pinfold.EventInvokeConfig, error) {
		return pinfold.EventInvokeConfig{}, nil
	})
}

// UpdateEventInvoke changes how asynchronous invocations are handled.
func (r *Registry) UpdateEventInvoke(ctx context.Context, ref pinfold.FunctionRef, c EventInvokeChange) (*pinfold.EventInvokeConfig, error) {
	return r.changeEventInvoke(ctx, ref, c, getEventInvoke)
}

// changeEventInvoke makes a change of what was before.
func (r *Registry) changeEventInvoke(ctx context.Context, ref pinfold.FunctionRef, c EventInvokeChange, before func(store.Tx, pinfold.FunctionRef) (pinfold.EventInvokeConfig, error)) (*pinfold.EventInvokeConfig, error) {
	ref, err := r.eventInvokeRef(ref)
	if err != nil {
		return nil, err
	}
	if c == (EventInvokeChange{}) {
		return nil, invalid("You must specify at least one of error handling or destination setting.")
	}
	var config pinfold.EventInvokeConfig
	err = r.update(ctx, ref, func(tx store.Tx) error {
		if err := eventInvokeOwner(tx, ref); err != nil {
			return err
		}
		if config, err = before(tx, ref); err != nil {
			return err
		}
		config.Ref, config.Modified = ref, r.now()
		set(&config.OnSuccess, c.OnSuccess)
		set(&config.OnFailure, c.OnFailure)
		if c.MaximumRetryAttempts != nil {
			config.MaximumRetryAttempts = c.MaximumRetryAttempts
		}
		if c.MaximumEventAge != nil {
			config.MaximumEventAge = c.MaximumEventAge
		}
		if err := r.checkEventInvoke(tx, config); err != nil {
			return err
		}
		return tx.EventInvokes().Put(versionKey(ref, ref.Qualifier), config)
	})
	if err != nil {
		return nil, err
	}
	return &config, nil
}

// GetEventInvoke returns what is said of a function, version or alias.
func (r *Registry) GetEventInvoke(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.EventInvokeConfig, error) {
	ref, err := r.eventInvokeRef(ref)
	if err != nil {
		return nil, err
	}
	var config pinfold.EventInvokeConfig
	err = r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		config, err = getEventInvoke(tx, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &config, nil
}

// DeleteEventInvoke has asynchronous invocations handled as they are by default.
func (r *Registry) DeleteEventInvoke(ctx context.Context, ref pinfold.FunctionRef) error {
	ref, err := r.eventInvokeRef(ref)
	if err != nil {
		return err
	}
	return r.update(ctx, ref, func(tx store.Tx) error {
		if _, err := getEventInvoke(tx, ref); err != nil {
			return err
		}
		return tx.EventInvokes().Delete(versionKey(ref, ref.Qualifier))
	})
}

// ListEventInvokes returns what is said of a function, its versions and aliases,
// and the marker of the next page or "".
func (r *Registry) ListEventInvokes(ctx context.Context, ref pinfold.FunctionRef, p Page) (configs []*pinfold.EventInvokeConfig, next string, err error) {
	if err := r.unqualified(ref, "The function name must not include a version number or alias."); err != nil {
		return nil, "", err
	}
	configs, next, err = listOf(ctx, r, ref, p, store.Tx.EventInvokes, nil)
	return configs, next, orMissing(err, noFunction())
}

// eventInvoke is where routes keep the answer of EventInvoke.
type eventInvoke struct{ qualifier string }

// EventInvoke returns how asynchronous invocations in the name of ref are handled:
// a zero configuration where nothing is said of exactly that function, version or
// alias. Once read it is served from memory, as Resolve is.
func (r *Registry) EventInvoke(ctx context.Context, ref pinfold.FunctionRef) (pinfold.EventInvokeConfig, error) {
	ref, err := r.eventInvokeRef(ref)
	if err != nil {
		return pinfold.EventInvokeConfig{}, err
	}
	if r.joined {
		return r.readEventInvoke(ctx, ref)
	}
	known := r.shared.routes.of(ref.With(""))
	if config, ok := known.Load(eventInvoke{ref.Qualifier}); ok {
		return config.(pinfold.EventInvokeConfig), nil
	}
	config, err := r.readEventInvoke(ctx, ref)
	if err != nil {
		r.shared.routes.release(ref.With(""), known)
		return config, err
	}
	known.Store(eventInvoke{ref.Qualifier}, config)
	return config, nil
}

func (r *Registry) readEventInvoke(ctx context.Context, ref pinfold.FunctionRef) (config pinfold.EventInvokeConfig, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref))
		}
		config, err = tx.EventInvokes().Get(versionKey(ref, ref.Qualifier))
		return orMissing(err, nil)
	})
	return config, err
}

// eventInvokeRef returns a reference as configurations have it: a function without
// a qualifier is its $LATEST.
func (r *Registry) eventInvokeRef(ref pinfold.FunctionRef) (pinfold.FunctionRef, error) {
	if ref.Qualifier == "" {
		ref.Qualifier = pinfold.LatestVersion
	}
	return ref, r.mine(ref)
}

// getEventInvoke reads a configuration that must be there.
func getEventInvoke(tx store.Tx, ref pinfold.FunctionRef) (pinfold.EventInvokeConfig, error) {
	config, err := tx.EventInvokes().Get(versionKey(ref, ref.Qualifier))
	return config, orMissing(err, notFound("The function %s doesn't have an EventInvokeConfig", ref.ARN()))
}

func noFunction() error { return notFound("The function doesn't exist.") }

// eventInvokeOwner makes sure that what ref names is there.
func eventInvokeOwner(tx store.Tx, ref pinfold.FunctionRef) (err error) {
	if isAlias(ref.Qualifier) {
		_, err = tx.Aliases().Get(qualifiedKey(ref, ref.Qualifier))
	} else {
		_, err = tx.Versions().Get(versionKey(ref, ref.Qualifier))
	}
	return orMissing(err, noFunction())
}

func (r *Registry) checkEventInvoke(tx store.Tx, c pinfold.EventInvokeConfig) error {
	if n := c.MaximumRetryAttempts; n != nil {
		if err := checkRange(*n, "maximumRetryAttempts", 0, maxRetryAttempts); err != nil {
			return err
		}
	}
	if age := c.MaximumEventAge; age != nil {
		if err := checkRange(int(*age), "maximumEventAgeInSeconds", minEventAgeSecs, maxEventAgeSecs); err != nil {
			return err
		}
	}
	for _, destination := range []string{c.OnSuccess, c.OnFailure} {
		if err := r.checkDestination(tx, c, destination); err != nil {
			return err
		}
	}
	return nil
}

// checkDestination holds a destination against AWS's rules. A queue need not be
// there yet: records wait until it is.
func (r *Registry) checkDestination(tx store.Tx, c pinfold.EventInvokeConfig, destination string) error {
	if destination == "" {
		return nil
	}
	wrong := invalid("The destination ARN %s is invalid.", destination)
	arn, ok := pinfold.ParseARN(destination)
	if !ok {
		return wrong
	}
	switch arn.Service {
	case "lambda":
		ref, err := r.Ref(destination, "")
		switch {
		case err != nil:
			return wrong
		case ref.Name == c.Ref.Name:
			return invalid("You can't specify the function as a destination for itself.")
		}
		_, err = tx.Functions().Get(functionKey(ref))
		return orMissing(err, wrong)
	case "sqs":
		if arn.Resource == "" || strings.ContainsAny(arn.Resource, ":/") || strings.HasSuffix(arn.Resource, ".fifo") {
			return wrong
		}
		return nil
	case "sns", "events", "s3":
		return unservedTarget("a destination", arn.Service)
	}
	return invalid("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", shown("OnSuccess", c.OnSuccess), shown("OnFailure", c.OnFailure))
}

// shown is a destination as that error has it.
func shown(kind, destination string) string {
	if destination == "" {
		return "null"
	}
	return kind + "(destination=" + destination + ")"
}

// unservedTarget is the error for a kind of target that Pinfold does not have.
func unservedTarget(what, service string) error {
	kind := map[string]string{"sns": "An SNS topic", "events": "An event bus", "s3": "A bucket"}[service]
	return pinfold.Errorf(pinfold.Unserved, "%s as %s is not served by Pinfold yet: use an SQS queue.", kind, what).WithReason(invalidParameter)
}

// checkDeadLetter holds a dead-letter queue against AWS's rules. Texts:
// internal/services/lambda/destination_validation.go in radkawar/stackd, recorded
// from AWS.
func (r *Registry) checkDeadLetter(target string) error {
	if target == "" {
		return nil
	}
	arn, ok := pinfold.ParseARN(target)
	switch {
	case !ok || arn.Resource == "":
		return constraint(target, "deadLetterConfig.targetArn", `Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`)
	case arn.Region != r.o.Scope.Region:
		return invalid("Invalid dead letter queue ARN: The resource specified by the TargetArn must be in the same region as the Lambda function it's associated with.")
	case arn.Service == "sns":
		return unservedTarget("a dead-letter target", arn.Service)
	case arn.Service != "sqs":
		return invalid("Invalid dead letter queue ARN: Only Amazon SQS queues and Amazon SNS topics are supported.")
	case strings.HasSuffix(arn.Resource, ".fifo"):
		return invalid("Invalid dead letter queue ARN: FIFO SQS queue is not supported for dead letter configuration")
	}
	return nil
}
