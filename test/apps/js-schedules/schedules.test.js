// EventBridge Scheduler and EventBridge by AWS's SDK for JavaScript, against a whole
// platform: `node --test`, with the platform in the environment (see run in
// test/schedules).
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  DeleteRuleCommand, DescribeRuleCommand, DisableRuleCommand, EnableRuleCommand, EventBridgeClient, ListRuleNamesByTargetCommand, ListRulesCommand,
  ListTagsForResourceCommand, ListTargetsByRuleCommand, PutRuleCommand, PutTargetsCommand, RemoveTargetsCommand, ResourceNotFoundException as NoRule,
} from "@aws-sdk/client-eventbridge";
import {
  ConflictException, CreateScheduleCommand, CreateScheduleGroupCommand, DeleteScheduleCommand, DeleteScheduleGroupCommand, GetScheduleCommand,
  GetScheduleGroupCommand, paginateListSchedules, ResourceNotFoundException, SchedulerClient, UpdateScheduleCommand, ValidationException,
} from "@aws-sdk/client-scheduler";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const { PINFOLD_API: endpoint, PINFOLD_ACCOUNT: account, AWS_REGION: region } = process.env;
const settings = { endpoint, maxAttempts: 1 };
const scheduler = new SchedulerClient(settings), events = new EventBridgeClient(settings), sqs = new SQSClient(settings);
const arn = (service, name) => `arn:aws:${service}:${region}:${account}:${name}`;
const RoleArn = "arn:aws:iam::000000000000:role/schedules";
const off = { Mode: "OFF" };

const queue = async (name) => (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl;
const receive = async (QueueUrl) => (await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))).Messages?.[0];

test("a schedule sends once, in the zone that it is of, and deletes itself", async () => {
  const url = await queue("js-sends");
  for (let ahead = 2; ; ahead *= 4) { // again and later, if the machine was too slow
    const due = new Date(Math.ceil(Date.now() / 1000 + ahead) * 1000);
    const local = new Date(due.getTime() + 9 * 3600e3).toISOString().slice(0, 19); // Tokyo has no summer time
    const Name = `js-${ahead}`;
    await scheduler.send(new CreateScheduleCommand({
      Name, ScheduleExpression: `at(${local})`, ScheduleExpressionTimezone: "Asia/Tokyo", FlexibleTimeWindow: off, ActionAfterCompletion: "DELETE",
      Target: { Arn: arn("sqs", "js-sends"), RoleArn, Input: JSON.stringify({ at: "<aws.scheduler.scheduled-time>" }) },
    }));
    const message = await receive(url);
    if (!message) continue;
    assert.deepEqual(JSON.parse(message.Body), { at: due.toISOString().replace(".000", "") });
    for (;;) {
      const kept = await scheduler.send(new GetScheduleCommand({ Name })).catch((err) => err);
      if (kept instanceof ResourceNotFoundException) return;
      assert.equal(kept.Name, Name);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
});

test("schedules in a group", async () => {
  const GroupName = "js", Target = { Arn: arn("lambda", "function:f"), RoleArn };
  const { ScheduleGroupArn } = await scheduler.send(new CreateScheduleGroupCommand({ Name: GroupName, Tags: [{ Key: "a", Value: "b" }] }));
  const group = await scheduler.send(new GetScheduleGroupCommand({ Name: GroupName }));
  assert.equal(group.Arn, ScheduleGroupArn);
  assert.ok(group.CreationDate instanceof Date);
  const StartDate = new Date("2090-01-01T00:00:00Z"), EndDate = new Date("2091-01-01T00:00:00Z");
  const schedule = (Name, more = {}) => ({ Name, GroupName, ScheduleExpression: "rate(1 hour)", FlexibleTimeWindow: off, Target, ...more });
  for (const name of ["one", "two", "three"]) {
    await scheduler.send(new CreateScheduleCommand(schedule(name, { StartDate, EndDate, FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 5 } })));
  }
  const names = [];
  for await (const page of paginateListSchedules({ client: scheduler, pageSize: 2 }, { GroupName })) {
    names.push(...page.Schedules.map((s) => s.Name));
  }
  assert.deepEqual(names.sort(), ["one", "three", "two"]);
  let kept = await scheduler.send(new GetScheduleCommand({ GroupName, Name: "one" }));
  assert.deepEqual([kept.StartDate, kept.EndDate, kept.FlexibleTimeWindow.MaximumWindowInMinutes, kept.State], [StartDate, EndDate, 5, "ENABLED"]);
  await scheduler.send(new UpdateScheduleCommand(schedule("one", { State: "DISABLED" })));
  kept = await scheduler.send(new GetScheduleCommand({ GroupName, Name: "one" }));
  assert.deepEqual([kept.StartDate, kept.State], [undefined, "DISABLED"]);

  await assert.rejects(scheduler.send(new CreateScheduleCommand(schedule("one"))), (err) => err instanceof ConflictException && err.message.includes("Schedule one already exists."));
  await assert.rejects(scheduler.send(new CreateScheduleCommand(schedule("never", { ScheduleExpression: "cron(0 0 30 2 ? *)" }))), ValidationException);
  await assert.rejects(scheduler.send(new UpdateScheduleCommand(schedule("none"))), ResourceNotFoundException);
  await scheduler.send(new DeleteScheduleCommand({ GroupName, Name: "one" }));
  await scheduler.send(new DeleteScheduleGroupCommand({ Name: GroupName }));
  await assert.rejects(scheduler.send(new GetScheduleCommand({ GroupName, Name: "two" })), ResourceNotFoundException);
});

test("a rule with targets", async () => {
  const Name = "js", target = arn("sqs", "js-rule");
  await queue("js-rule");
  const { RuleArn } = await events.send(new PutRuleCommand({ Name, ScheduleExpression: "cron(0 8 ? * MON-FRI *)", Description: "mornings", Tags: [{ Key: "a", Value: "b" }] }));
  const put = await events.send(new PutTargetsCommand({ Rule: Name, Targets: [
    { Id: "1", Arn: target, InputTransformer: { InputPathsMap: { at: "$.time" }, InputTemplate: '{"at": "<at>"}' } }, { Id: "2", Arn: target, Input: "{}" },
  ] }));
  assert.equal(put.FailedEntryCount, 0);
  const rule = await events.send(new DescribeRuleCommand({ Name }));
  assert.deepEqual([rule.Arn, rule.State, rule.Description, rule.ScheduleExpression], [RuleArn, "ENABLED", "mornings", "cron(0 8 ? * MON-FRI *)"]);
  await events.send(new DisableRuleCommand({ Name }));
  assert.equal((await events.send(new DescribeRuleCommand({ Name }))).State, "DISABLED");
  await events.send(new EnableRuleCommand({ Name }));
  const { Rules } = await events.send(new ListRulesCommand({ NamePrefix: "js" }));
  assert.deepEqual(Rules.map((r) => [r.Name, r.State]), [[Name, "ENABLED"]]);
  assert.deepEqual((await events.send(new ListRuleNamesByTargetCommand({ TargetArn: target }))).RuleNames, [Name]);
  assert.deepEqual((await events.send(new ListTagsForResourceCommand({ ResourceARN: RuleArn }))).Tags, [{ Key: "a", Value: "b" }]);

  await assert.rejects(events.send(new DeleteRuleCommand({ Name })), (err) => err.name === "ValidationException" && err.message.includes("Rule can't be deleted since it has targets."));
  await assert.rejects(events.send(new PutRuleCommand({ Name, ScheduleExpression: "rate(1 minutes)" })), (err) => err.message.includes("Parameter ScheduleExpression is not valid."));
  await events.send(new RemoveTargetsCommand({ Rule: Name, Ids: ["1", "2"] }));
  assert.deepEqual((await events.send(new ListTargetsByRuleCommand({ Rule: Name }))).Targets, []);
  await events.send(new DeleteRuleCommand({ Name }));
  await assert.rejects(events.send(new DescribeRuleCommand({ Name })), NoRule);
});
