"""EventBridge Scheduler and EventBridge by AWS's SDK for Python."""

import datetime
import json
import os
import unittest

import boto3
from botocore.config import Config

SETTINGS = Config(retries={"max_attempts": 0}, parameter_validation=False, inject_host_prefix=False)
ROLE = "arn:aws:iam::000000000000:role/schedules"


def client(name):
    return boto3.client(name, endpoint_url=os.environ["PINFOLD_API"], config=SETTINGS)


scheduler, events, sqs = client("scheduler"), client("events"), client("sqs")


class Case(unittest.TestCase):
    def refused(self, service, name, text, call, **kwargs):
        with self.assertRaises(service.exceptions.ClientError) as caught:
            call(**kwargs)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], name)
        self.assertIn(text, error["Message"])

    def test_sends(self):
        url = sqs.create_queue(QueueName="boto3-sends")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        messages, ahead = [], 2
        while not messages:  # again and later, if the machine was too slow
            name, due = "boto3-%d" % ahead, datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead)
            scheduler.create_schedule(
                Name=name, ScheduleExpression=due.strftime("at(%Y-%m-%dT%H:%M:%S)"), FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": arn, "RoleArn": ROLE, "Input": json.dumps({"at": "<aws.scheduler.scheduled-time>"})},
            )
            for _ in range(2 + ahead // 20):
                messages = messages or sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", [])
            ahead *= 4
        self.assertEqual(json.loads(messages[0]["Body"]), {"at": due.strftime("%Y-%m-%dT%H:%M:%SZ")})
        kept = scheduler.get_schedule(Name=name)
        self.assertEqual(kept["ActionAfterCompletion"], "NONE")
        scheduler.delete_schedule(Name=name)

    def test_dates(self):
        start = datetime.datetime(2090, 1, 1, tzinfo=datetime.timezone.utc)
        arn = "arn:aws:lambda:%s:%s:function:f" % (os.environ["AWS_REGION"], os.environ["PINFOLD_ACCOUNT"])
        target = {"Arn": arn, "RoleArn": ROLE}
        scheduler.create_schedule(
            Name="boto3-dates", ScheduleExpression="rate(1 hours)", FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
            StartDate=start, EndDate=start.replace(year=2091), Target=target,
        )
        kept = scheduler.get_schedule(Name="boto3-dates")
        self.assertEqual((kept["StartDate"], kept["FlexibleTimeWindow"]["MaximumWindowInMinutes"]), (start, 5))
        listed = [s["Name"] for page in scheduler.get_paginator("list_schedules").paginate(NamePrefix="boto3-d") for s in page["Schedules"]]
        self.assertEqual(listed, ["boto3-dates"])
        self.refused(
            scheduler, "ValidationException", "must come before the EndDate", scheduler.update_schedule,
            Name="boto3-dates", ScheduleExpression="rate(1 hours)", FlexibleTimeWindow={"Mode": "OFF"}, StartDate=start, EndDate=start, Target=target,
        )
        self.refused(scheduler, "ResourceNotFoundException", "Schedule boto3-none does not exist.", scheduler.get_schedule, Name="boto3-none")
        scheduler.delete_schedule(Name="boto3-dates")

    def test_rule(self):
        arn = events.put_rule(Name="boto3", ScheduleExpression="cron(0 8 * * ? *)", State="DISABLED")["RuleArn"]
        out = events.put_targets(Rule="boto3", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:%s:%s:q" % (os.environ["AWS_REGION"], os.environ["PINFOLD_ACCOUNT"])}])
        self.assertEqual(out["FailedEntryCount"], 0)
        self.assertEqual(events.describe_rule(Name="boto3")["Arn"], arn)
        self.refused(events, "ValidationException", "Rule can't be deleted since it has targets.", events.delete_rule, Name="boto3")
        events.remove_targets(Rule="boto3", Ids=["1"])
        events.delete_rule(Name="boto3")
        self.refused(events, "ValidationException", "Parameter ScheduleExpression is not valid.", events.put_rule, Name="boto3", ScheduleExpression="rate(1 minutes)")


if __name__ == "__main__":
    unittest.main()
