package scheduler

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	service "pinfold.dev/pinfold/internal/schedule"
)

func (a *adapter) CreateSchedule(ctx context.Context, in *CreateScheduleInput) (*CreateScheduleOutput, error) {
	n, err := read((*UpdateScheduleInput)(in))
	if err != nil {
		return nil, err
	}
	n.Token = value(in.ClientToken)
	n, err = a.Service.CreateSchedule(ctx, n)
	return &CreateScheduleOutput{ScheduleArn: new(n.ARN())}, err
}

func (a *adapter) UpdateSchedule(ctx context.Context, in *UpdateScheduleInput) (*UpdateScheduleOutput, error) {
	n, err := read(in)
	if err != nil {
		return nil, err
	}
	n, err = a.Service.UpdateSchedule(ctx, n)
	return &UpdateScheduleOutput{ScheduleArn: new(n.ARN())}, err
}

// read reads a schedule; requests that create one look like those that update one.
func read(in *UpdateScheduleInput) (pinfold.Schedule, error) {
	n := pinfold.Schedule{
		Name: *in.Name, Group: value(in.GroupName), Description: value(in.Description), Expression: *in.ScheduleExpression, Zone: value(in.ScheduleExpressionTimezone),
		Start: value(in.StartDate), End: value(in.EndDate), Disabled: value(in.State) == "DISABLED", DeleteAfter: value(in.ActionAfterCompletion) == "DELETE",
		KMSKey: value(in.KmsKeyArn),
	}
	minutes := in.FlexibleTimeWindow.MaximumWindowInMinutes
	switch flexible := *in.FlexibleTimeWindow.Mode == "FLEXIBLE"; {
	case flexible && minutes == nil:
		return n, invalid("MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE.")
	case !flexible && minutes != nil:
		return n, invalid("MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF.")
	}
	n.Window = time.Duration(value(minutes)) * time.Minute
	t := in.Target
	for name, given := range map[string]bool{
		"EcsParameters": t.EcsParameters != nil, "EventBridgeParameters": t.EventBridgeParameters != nil,
		"KinesisParameters": t.KinesisParameters != nil, "SageMakerPipelineParameters": t.SageMakerPipelineParameters != nil,
	} {
		if given {
			return n, invalid("Parameters %s not supported for the target. (functions and queues are targets that Pinfold serves)", name)
		}
	}
	n.Target = pinfold.ScheduleTarget{ARN: *t.Arn, Role: *t.RoleArn, Input: value(t.Input)}
	if t.SqsParameters != nil {
		n.Target.MessageGroup = value(t.SqsParameters.MessageGroupId)
	}
	if t.DeadLetterConfig != nil {
		n.Target.DeadLetter = value(t.DeadLetterConfig.Arn)
	}
	if r := t.RetryPolicy; r != nil && r.MaximumEventAgeInSeconds != nil {
		n.Target.MaximumEventAge = new(pinfold.Seconds(*r.MaximumEventAgeInSeconds))
	}
	if r := t.RetryPolicy; r != nil && r.MaximumRetryAttempts != nil {
		n.Target.MaximumRetries = new(int(*r.MaximumRetryAttempts))
	}
	return n, nil
}

func (a *adapter) DeleteSchedule(ctx context.Context, in *DeleteScheduleInput) (*DeleteScheduleOutput, error) {
	return &DeleteScheduleOutput{}, a.Service.DeleteSchedule(ctx, value(in.GroupName), *in.Name)
}

// GetSchedule shows what a schedule is, with AWS's defaults where it says nothing.
func (a *adapter) GetSchedule(ctx context.Context, in *GetScheduleInput) (*GetScheduleOutput, error) {
	n, err := a.Service.Schedule(ctx, value(in.GroupName), *in.Name)
	if err != nil {
		return nil, err
	}
	out := &GetScheduleOutput{
		Arn: new(n.ARN()), Name: &n.Name, GroupName: &n.Group, Description: optional(n.Description), KmsKeyArn: optional(n.KMSKey),
		ScheduleExpression: &n.Expression, ScheduleExpressionTimezone: new(cmp.Or(n.Zone, "UTC")), StartDate: moment(n.Start), EndDate: moment(n.End),
		State: new(state(n)), ActionAfterCompletion: new("NONE"), FlexibleTimeWindow: &FlexibleTimeWindow{Mode: new("OFF")},
		CreationDate: moment(n.Created), LastModificationDate: moment(n.Modified), Target: target(n.Target),
	}
	if n.DeleteAfter {
		out.ActionAfterCompletion = new("DELETE")
	}
	if n.Window > 0 {
		out.FlexibleTimeWindow = &FlexibleTimeWindow{Mode: new("FLEXIBLE"), MaximumWindowInMinutes: new(int64(n.Window / time.Minute))}
	}
	return out, nil
}

func state(n pinfold.Schedule) string {
	if n.Disabled {
		return "DISABLED"
	}
	return "ENABLED"
}

func target(t pinfold.ScheduleTarget) *Target {
	out := &Target{
		Arn: &t.ARN, RoleArn: optional(t.Role), Input: optional(t.Input),
		RetryPolicy: &RetryPolicy{MaximumEventAgeInSeconds: new(int64(86400)), MaximumRetryAttempts: new(int64(185))},
	}
	if t.MaximumEventAge != nil {
		out.RetryPolicy.MaximumEventAgeInSeconds = new(int64(*t.MaximumEventAge))
	}
	if t.MaximumRetries != nil {
		out.RetryPolicy.MaximumRetryAttempts = new(int64(*t.MaximumRetries))
	}
	if t.MessageGroup != "" {
		out.SqsParameters = &SqsParameters{MessageGroupId: &t.MessageGroup}
	}
	if t.DeadLetter != "" {
		out.DeadLetterConfig = &DeadLetterConfig{Arn: &t.DeadLetter}
	}
	return out
}

func (a *adapter) ListSchedules(ctx context.Context, in *ListSchedulesInput) (*ListSchedulesOutput, error) {
	found, next, err := a.Service.Schedules(ctx, service.ScheduleQuery{
		Group: value(in.GroupName), Prefix: value(in.NamePrefix), Enabled: value(in.State) == "ENABLED", Disabled: value(in.State) == "DISABLED",
		Page: service.Page{Token: value(in.NextToken), Max: int(value(in.MaxResults))},
	})
	return &ListSchedulesOutput{NextToken: optional(next), Schedules: each(found, func(n pinfold.Schedule) ScheduleSummary {
		return ScheduleSummary{
			Arn: new(n.ARN()), Name: &n.Name, GroupName: &n.Group, State: new(state(n)), Target: &TargetSummary{Arn: &n.Target.ARN},
			CreationDate: moment(n.Created), LastModificationDate: moment(n.Modified),
		}
	})}, err
}

func tags(list []Tag) map[string]string {
	all := map[string]string{}
	for _, t := range list {
		all[*t.Key] = *t.Value
	}
	return all
}

func listTags(all map[string]string) []Tag {
	return each(slices.Sorted(maps.Keys(all)), func(key string) Tag { return Tag{Key: &key, Value: new(all[key])} })
}

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...)
}
