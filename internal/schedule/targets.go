package schedule

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Bounds of targets. Sources: "Amazon EventBridge quotas", Target of the API
// reference; "Quotas for EventBridge Scheduler".
const (
	maxTargets       = 5      // of a rule
	maxRuleInput     = 8192   // characters
	maxScheduleInput = 256000 // bytes
)

// PutTargets adds targets to a rule, or replaces those that have the same IDs: all,
// or none.
func (s *Service) PutTargets(ctx context.Context, bus, rule string, targets []pinfold.ScheduleTarget) error {
	return s.changeRule(ctx, bus, rule, func(r *pinfold.Rule) error {
		r.Targets = slices.Clone(r.Targets)
		for _, t := range targets {
			if err := s.checkRuleTarget(t); err != nil {
				return err
			}
			if i := slices.IndexFunc(r.Targets, func(old pinfold.ScheduleTarget) bool { return old.ID == t.ID }); i >= 0 {
				r.Targets[i] = t
			} else {
				r.Targets = append(r.Targets, t)
			}
		}
		if len(r.Targets) > maxTargets {
			return pinfold.Errorf(pinfold.Invalid, "The requested resource exceeds the maximum number allowed.").WithReason("LimitExceededException")
		}
		return nil
	})
}

// RemoveTargets removes targets of a rule by their IDs, and returns those IDs that
// it does not have.
func (s *Service) RemoveTargets(ctx context.Context, bus, rule string, ids []string) (unknown []string, err error) {
	err = s.changeRule(ctx, bus, rule, func(r *pinfold.Rule) error {
		had := func(id string) bool {
			return slices.ContainsFunc(r.Targets, func(t pinfold.ScheduleTarget) bool { return t.ID == id })
		}
		for _, id := range ids {
			if !had(id) {
				unknown = append(unknown, id)
			}
		}
		r.Targets = slices.DeleteFunc(r.Targets, func(t pinfold.ScheduleTarget) bool { return slices.Contains(ids, t.ID) })
		return nil
	})
	return unknown, err
}

// Targets lists the targets of a rule by ID, and returns the token of the next page
// or "".
func (s *Service) Targets(ctx context.Context, bus, rule string, p Page) (found []pinfold.ScheduleTarget, next string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		r, err := s.rule(tx, bus, rule)
		if err != nil {
			return err
		}
		found, next, err = page(r.Targets, p, func(t pinfold.ScheduleTarget) string { return t.ID })
		return err
	})
	return found, next, err
}

// checkRuleTarget holds a rule's target against the rules of PutTargets. AWS's words
// are recorded in localstack/localstack and getmoto/moto, and quoted in public
// issues.
func (s *Service) checkRuleTarget(t pinfold.ScheduleTarget) error {
	if err := checkName(t.ID, "targets.member.id"); err != nil {
		return err
	}
	kind, err := s.kindOf(t.ARN)
	switch {
	case pinfold.CodeOf(err) == pinfold.Invalid:
		return invalid("Parameter %s is not valid. Reason: %w", t.ARN, err)
	case err != nil:
		return err
	case kind == fifo && t.MessageGroup == "":
		return invalid("Parameter(s) SqsParameters must be specified for target: %s.", t.ID)
	}
	given := 0
	for _, text := range []string{t.Input, t.InputPath, t.InputTemplate} {
		if text != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", t.ID)
	case len([]rune(t.Input)) > maxRuleInput:
		return constraint(t.Input, "targets.member.input", "Member must have length less than or equal to 8192")
	case t.Input != "" && !json.Valid([]byte(t.Input)):
		return invalid("JSON syntax error in input for target %s.", t.ID)
	}
	if _, ok := parsePath(t.InputPath); t.InputPath != "" && !ok {
		return invalid("InputPath for target %s is invalid.", t.ID)
	}
	if err := checkTransformer(t, kind == function); err != nil {
		return err
	}
	return s.checkDelivery(t)
}

// checkScheduleTarget holds a schedule's target against the rules of CreateSchedule.
func (s *Service) checkScheduleTarget(t pinfold.ScheduleTarget) error {
	kind, err := s.kindOf(t.ARN)
	switch {
	case err != nil:
		return err
	case kind == fifo && t.MessageGroup == "":
		return invalid("Parameters SqsParameters must be specified for the target.")
	case kind == queue && t.MessageGroup != "":
		return invalid("Parameters MessageGroupId not valid for the target.")
	case kind == function && t.MessageGroup != "":
		return invalid("Parameters SqsParameters not supported for the target.")
	case len(t.Input) > maxScheduleInput:
		return invalid("Input has %d bytes: the target's input can have at most %d.", len(t.Input), maxScheduleInput)
	case kind == function && t.Input != "" && !json.Valid([]byte(t.Input)):
		return invalid("JSON syntax error in input for the target.")
	}
	return s.checkDelivery(t)
}

// checkDelivery holds what targets of both have in common.
func (s *Service) checkDelivery(t pinfold.ScheduleTarget) error {
	if n := t.MaximumEventAge; n != nil && (*n < 60 || *n > 86400) {
		return constraint(*n, "retryPolicy.maximumEventAgeInSeconds", "Member must be between 60 and 86400")
	}
	if n := t.MaximumRetries; n != nil && (*n < 0 || *n > 185) {
		return constraint(*n, "retryPolicy.maximumRetryAttempts", "Member must be between 0 and 185")
	}
	if len(t.MessageGroup) > 128 {
		return constraint(t.MessageGroup, "sqsParameters.messageGroupId", "Member must have length less than or equal to 128")
	}
	if t.DeadLetter == "" {
		return nil
	}
	arn, ok := pinfold.ParseARN(t.DeadLetter)
	switch kind, err := s.kindOf(t.DeadLetter); {
	case !ok:
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", t.DeadLetter)
	case arn.Service != "sqs":
		return invalid("%s is not supported as a dead letter resource.", arn.Service)
	case kind == fifo:
		return invalid("SQS FIFO is not supported by Dead Letter Queues.")
	default:
		return err
	}
}

// kind is what a target is, as far as that makes a difference.
type kind int

const (
	function kind = iota + 1
	queue
	fifo
)

// kindOf tells what a target is by its ARN. What cannot be one here is Unserved by
// its name, or Invalid if it cannot be one anywhere.
func (s *Service) kindOf(text string) (kind, error) {
	arn, ok := pinfold.ParseARN(text)
	if !ok {
		return 0, invalid("Provided Arn is not in correct format.")
	}
	if arn.Service == "scheduler" && strings.HasPrefix(arn.Resource, "aws-sdk:") {
		return 0, unserved("The universal target %s is not served by Pinfold: name a function or a queue by its own ARN", text)
	}
	if arn.Service != "lambda" && arn.Service != "sqs" {
		return 0, unserved("Targets of the service %s are not served by Pinfold (%s): name a function or a queue", arn.Service, text)
	}
	if arn.Region != s.o.Scope.Region || arn.Account != s.o.Scope.Account {
		return 0, invalid("The target ARN provided does not match the current region %s. (or account %s)", s.o.Scope.Region, s.o.Scope.Account)
	}
	if arn.Service == "lambda" {
		if _, err := pinfold.ParseFunctionRef(text, s.o.Scope); err != nil || !strings.HasPrefix(arn.Resource, "function:") {
			return 0, invalid("Provided Arn is not in correct format.")
		}
		return function, nil
	}
	name, ordered := strings.CutSuffix(arn.Resource, ".fifo")
	if name == "" || strings.ContainsAny(name, ":/.*") {
		return 0, invalid("Provided Arn is not in correct format.")
	}
	if ordered {
		return fifo, nil
	}
	return queue, nil
}
