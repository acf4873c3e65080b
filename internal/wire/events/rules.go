package events

import (
	"context"
	"fmt"

	"pinfold.dev/pinfold"
	service "pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func (a *adapter) PutRule(ctx context.Context, in *PutRuleRequest) (*PutRuleResponse, error) {
	if value(in.State) == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" {
		return nil, unserved("State ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "write ENABLED")
	}
	r, err := a.Service.PutRule(ctx, pinfold.Rule{
		Bus: bus(in.EventBusName), Name: *in.Name, Description: value(in.Description), Expression: value(in.ScheduleExpression),
		Disabled: value(in.State) == "DISABLED", Role: value(in.RoleArn), Tags: tags(in.Tags),
	}, value(in.EventPattern))
	return &PutRuleResponse{RuleArn: new(r.ARN())}, err
}

func (a *adapter) DeleteRule(ctx context.Context, in *DeleteRuleRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Service.DeleteRule(ctx, bus(in.EventBusName), *in.Name)
}

func (a *adapter) EnableRule(ctx context.Context, in *EnableRuleRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Service.EnableRule(ctx, bus(in.EventBusName), *in.Name, true)
}

func (a *adapter) DisableRule(ctx context.Context, in *DisableRuleRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Service.EnableRule(ctx, bus(in.EventBusName), *in.Name, false)
}

func (a *adapter) DescribeRule(ctx context.Context, in *DescribeRuleRequest) (*DescribeRuleResponse, error) {
	r, err := a.Service.Rule(ctx, bus(in.EventBusName), *in.Name)
	if err != nil {
		return nil, err
	}
	d := describe(r)
	return &DescribeRuleResponse{
		Arn: d.Arn, Name: d.Name, EventBusName: d.EventBusName, Description: d.Description, RoleArn: d.RoleArn,
		ScheduleExpression: d.ScheduleExpression, State: d.State, CreatedBy: &r.Account,
	}, nil
}

func describe(r pinfold.Rule) Rule {
	out := Rule{
		Arn: new(r.ARN()), Name: &r.Name, EventBusName: &r.Bus, Description: optional(r.Description), RoleArn: optional(r.Role),
		ScheduleExpression: &r.Expression, State: new("ENABLED"),
	}
	if r.Disabled {
		out.State = new("DISABLED")
	}
	return out
}

func (a *adapter) ListRules(ctx context.Context, in *ListRulesRequest) (*ListRulesResponse, error) {
	rules, next, err := a.Service.Rules(ctx, bus(in.EventBusName), value(in.NamePrefix), service.Page{Token: value(in.NextToken), Max: int(value(in.Limit))})
	return &ListRulesResponse{Rules: each(rules, describe), NextToken: optional(next)}, err
}

func (a *adapter) ListRuleNamesByTarget(ctx context.Context, in *ListRuleNamesByTargetRequest) (*ListRuleNamesByTargetResponse, error) {
	names, next, err := a.Service.RuleNames(ctx, bus(in.EventBusName), *in.TargetArn, service.Page{Token: value(in.NextToken), Max: int(value(in.Limit))})
	return &ListRuleNamesByTargetResponse{RuleNames: each(names, func(name string) string { return name }), NextToken: optional(next)}, err
}

// PutTargets takes all targets or none, so that no entry fails by itself.
func (a *adapter) PutTargets(ctx context.Context, in *PutTargetsRequest) (*PutTargetsResponse, error) {
	targets := make([]pinfold.ScheduleTarget, len(in.Targets))
	for i, t := range in.Targets {
		var err error
		if targets[i], err = read(t); err != nil {
			return nil, err
		}
	}
	err := a.Service.PutTargets(ctx, bus(in.EventBusName), *in.Rule, targets)
	return &PutTargetsResponse{FailedEntries: []PutTargetsResultEntry{}, FailedEntryCount: new(int64)}, err
}

func read(in Target) (pinfold.ScheduleTarget, error) {
	t := pinfold.ScheduleTarget{ID: *in.Id, ARN: *in.Arn, Role: value(in.RoleArn), Input: value(in.Input), InputPath: value(in.InputPath)}
	for name, given := range map[string]bool{
		"AppSyncParameters": in.AppSyncParameters != nil, "BatchParameters": in.BatchParameters != nil, "EcsParameters": in.EcsParameters != nil,
		"HttpParameters": in.HttpParameters != nil, "KinesisParameters": in.KinesisParameters != nil, "RedshiftDataParameters": in.RedshiftDataParameters != nil,
		"RunCommandParameters": in.RunCommandParameters != nil, "SageMakerPipelineParameters": in.SageMakerPipelineParameters != nil,
	} {
		if given {
			return t, pinfold.Errorf(pinfold.Invalid, "Parameter(s) %s not supported for target: %s. (functions and queues are targets that Pinfold serves)", name, t.ID)
		}
	}
	if in.InputTransformer != nil {
		t.InputPathsMap, t.InputTemplate = in.InputTransformer.InputPathsMap, *in.InputTransformer.InputTemplate
	}
	if in.SqsParameters != nil {
		t.MessageGroup = value(in.SqsParameters.MessageGroupId)
	}
	if in.DeadLetterConfig != nil {
		t.DeadLetter = value(in.DeadLetterConfig.Arn)
	}
	if r := in.RetryPolicy; r != nil && r.MaximumEventAgeInSeconds != nil {
		t.MaximumEventAge = new(pinfold.Seconds(*r.MaximumEventAgeInSeconds))
	}
	if r := in.RetryPolicy; r != nil && r.MaximumRetryAttempts != nil {
		t.MaximumRetries = new(int(*r.MaximumRetryAttempts))
	}
	return t, nil
}

func (a *adapter) RemoveTargets(ctx context.Context, in *RemoveTargetsRequest) (*RemoveTargetsResponse, error) {
	unknown, err := a.Service.RemoveTargets(ctx, bus(in.EventBusName), *in.Rule, in.Ids)
	return &RemoveTargetsResponse{FailedEntryCount: new(int64(len(unknown))), FailedEntries: each(unknown, func(id string) RemoveTargetsResultEntry {
		return RemoveTargetsResultEntry{
			TargetId: &id, ErrorCode: new("ResourceNotFoundException"),
			ErrorMessage: new(fmt.Sprintf("Rule '%s' does not have a target with the Id '%s'.", *in.Rule, id)),
		}
	})}, err
}

func (a *adapter) ListTargetsByRule(ctx context.Context, in *ListTargetsByRuleRequest) (*ListTargetsByRuleResponse, error) {
	targets, next, err := a.Service.Targets(ctx, bus(in.EventBusName), *in.Rule, service.Page{Token: value(in.NextToken), Max: int(value(in.Limit))})
	return &ListTargetsByRuleResponse{Targets: each(targets, show), NextToken: optional(next)}, err
}

func show(t pinfold.ScheduleTarget) Target {
	out := Target{Id: &t.ID, Arn: &t.ARN, RoleArn: optional(t.Role), Input: optional(t.Input), InputPath: optional(t.InputPath)}
	if t.InputTemplate != "" {
		out.InputTransformer = &InputTransformer{InputPathsMap: t.InputPathsMap, InputTemplate: &t.InputTemplate}
	}
	if t.MessageGroup != "" {
		out.SqsParameters = &SqsParameters{MessageGroupId: &t.MessageGroup}
	}
	if t.DeadLetter != "" {
		out.DeadLetterConfig = &DeadLetterConfig{Arn: &t.DeadLetter}
	}
	if t.MaximumEventAge != nil || t.MaximumRetries != nil {
		out.RetryPolicy = &RetryPolicy{}
	}
	if t.MaximumEventAge != nil {
		out.RetryPolicy.MaximumEventAgeInSeconds = new(int64(*t.MaximumEventAge))
	}
	if t.MaximumRetries != nil {
		out.RetryPolicy.MaximumRetryAttempts = new(int64(*t.MaximumRetries))
	}
	return out
}

// unserved is the error for what a request asks for and Pinfold does not do.
func unserved(what, instead string) error {
	return pinfold.Errorf(pinfold.Unserved, "%s is not served by Pinfold: %s", what, instead).WithReason("ValidationException")
}
