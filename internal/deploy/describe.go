package deploy

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store"
)

// describeEvents tells the queues and schedules of an application as they stand. What
// was removed behind our back is left out; the next plan shows it.
func (d *Deployer) describeEvents(ctx context.Context, tx store.Tx, a *app.Application, deployed *app.Deployed) error {
	if d.Queues != nil {
		if err := d.describeQueues(ctx, tx, a, deployed); err != nil {
			return err
		}
	}
	if d.Mappings != nil {
		mappings := d.Mappings.Within(tx)
		for _, m := range a.Mappings {
			have, err := ifThere(mappings.Get(ctx, m.Want.UUID))
			if err != nil {
				return err
			}
			if have != nil {
				deployed.Mappings = append(deployed.Mappings, app.DeployedMapping{
					UUID: have.UUID, Source: have.Source, Function: nameOf(have.Function), State: string(have.State), Result: have.Result,
				})
			}
		}
	}
	if d.Schedules != nil {
		return d.describeSchedules(ctx, d.Schedules.Within(tx), a, deployed)
	}
	return nil
}

func (d *Deployer) describeQueues(ctx context.Context, tx store.Tx, a *app.Application, deployed *app.Deployed) error {
	queues := d.Queues.Within(tx)
	for _, q := range a.Queues {
		ref := queueRef(q.Want)
		if _, err := queues.Record(ctx, ref); pinfold.CodeOf(err) == pinfold.NotFound {
			continue
		} else if err != nil {
			return err
		}
		n, err := d.Queues.Counts(ref)
		if err != nil && pinfold.CodeOf(err) != pinfold.NotFound { // it is being made
			return err
		}
		deployed.Queues = append(deployed.Queues, app.DeployedQueue{
			Name: ref.Name, ARN: ref.ARN(), URL: d.Target.Endpoints.API + "/" + ref.Account + "/" + ref.Name,
			Visible: n.Visible, InFlight: n.InFlight, Delayed: n.Delayed,
		})
	}
	return nil
}

func (d *Deployer) describeSchedules(ctx context.Context, schedules *schedule.Service, a *app.Application, deployed *app.Deployed) error {
	for _, n := range a.Schedules {
		have, err := schedules.Schedule(ctx, n.Want.Group, n.Want.Name)
		if pinfold.CodeOf(err) == pinfold.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		deployed.Schedules = append(deployed.Schedules, app.DeployedSchedule{
			Name: scheduleTitle(have), ARN: have.ARN(), Expression: have.Expression, Zone: have.Zone, Enabled: !have.Disabled, Targets: []string{nameOfTarget(have.Target.ARN)},
		})
	}
	for _, r := range a.Rules {
		have, err := schedules.Rule(ctx, r.Want.Bus, r.Want.Name)
		if pinfold.CodeOf(err) == pinfold.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		s := app.DeployedSchedule{Name: have.Name, ARN: have.ARN(), Expression: have.Expression, Enabled: !have.Disabled, Targets: []string{}}
		for _, t := range have.Targets {
			s.Targets = append(s.Targets, nameOfTarget(t.ARN))
		}
		deployed.Schedules = append(deployed.Schedules, s)
	}
	return nil
}

func queueRef(q pinfold.MessageQueue) queue.Ref {
	return queue.Ref{Account: q.Account, Region: q.Region, Name: q.Name}
}
