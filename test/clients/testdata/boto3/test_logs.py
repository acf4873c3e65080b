"""CloudWatch Logs by AWS's SDK for Python: see test_lambda.py."""

import os
import time
import unittest
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SETTINGS = Config(retries={"max_attempts": 0}, parameter_validation=False, inject_host_prefix=False)
logs = boto3.client("logs", endpoint_url=os.environ["PINFOLD_API"], config=SETTINGS)


def now():
    return int(time.time() * 1000)


class Case(unittest.TestCase):
    def setUp(self):
        self.group = "boto3/" + uuid.uuid4().hex
        logs.create_log_group(logGroupName=self.group, tags={"by": "boto3"})
        self.addCleanup(logs.delete_log_group, logGroupName=self.group)

    def stream(self, name="s"):
        logs.create_log_stream(logGroupName=self.group, logStreamName=name)
        return {"logGroupName": self.group, "logStreamName": name}

    def refused(self, name, text, call, **kwargs):
        with self.assertRaises(getattr(logs.exceptions, name, ClientError)) as caught:
            call(**kwargs)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], name)
        self.assertIn(text, error["Message"])

    def test_put_with_tokens(self):
        s = self.stream()
        token = {}
        for i in range(3):
            out = logs.put_log_events(logEvents=[{"timestamp": now(), "message": "event %d" % i}], **s, **token)
            token = {"sequenceToken": out["nextSequenceToken"]}
        logs.put_log_events(logEvents=[{"timestamp": now(), "message": "event 3"}], sequenceToken="wrong", **s)
        out = logs.get_log_events(startFromHead=True, **s)
        self.assertEqual([e["message"] for e in out["events"]], ["event 0", "event 1", "event 2", "event 3"])
        again = logs.get_log_events(startFromHead=True, nextToken=out["nextForwardToken"], **s)
        self.assertEqual((again["events"], again["nextForwardToken"]), ([], out["nextForwardToken"]))
        back = logs.get_log_events(limit=2, **s)
        self.assertEqual([e["message"] for e in back["events"]], ["event 2", "event 3"])
        back = logs.get_log_events(nextToken=back["nextBackwardToken"], **s)
        self.assertEqual([e["message"] for e in back["events"]], ["event 0", "event 1"])

    def test_paginators(self):
        for name in ("x", "y", "z"):
            logs.put_log_events(logEvents=[{"timestamp": now(), "message": '{"n": %d, "in": "%s"}' % (n, name)} for n in range(5)], **self.stream(name))
        streams = logs.get_paginator("describe_log_streams").paginate(logGroupName=self.group, orderBy="LastEventTime", PaginationConfig={"PageSize": 2})
        self.assertEqual(sorted(streams.search("logStreams[].logStreamName")), ["x", "y", "z"])
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.group, filterPattern='{ $.n >= 2 && $.in != "y" }', interleaved=True, PaginationConfig={"PageSize": 2})
        events = pages.build_full_result()["events"]
        self.assertEqual(sorted(e["message"] for e in events), sorted('{"n": %d, "in": "%s"}' % (n, s) for n in (2, 3, 4) for s in "xz"))
        self.assertEqual([e["timestamp"] for e in events], sorted(e["timestamp"] for e in events))
        groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="boto3/", PaginationConfig={"PageSize": 1})
        self.assertIn(self.group, list(groups.search("logGroups[].logGroupName")))

    def test_rejected_events(self):
        day = 24 * 3600 * 1000
        events = [{"timestamp": now() + d, "message": "m"} for d in (-30 * day, -15 * day, 0, day)]
        out = logs.put_log_events(logEvents=events, **self.stream())
        self.assertEqual(out["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3})

    def test_refusals(self):
        s = self.stream()
        self.refused("ResourceAlreadyExistsException", "The specified log stream already exists", logs.create_log_stream, **s)
        self.refused("ResourceNotFoundException", "The specified log stream does not exist.", logs.get_log_events, logGroupName=self.group, logStreamName="none")
        self.refused("InvalidParameterException", "Invalid filter pattern", logs.filter_log_events, logGroupName=self.group, filterPattern='"never closed')
        self.refused("InvalidParameterException", "The specified nextToken is invalid.", logs.filter_log_events, logGroupName=self.group, nextToken="wrong")
        self.refused("InvalidParameterException", "1 validation error detected", logs.filter_log_events, logGroupName=self.group, limit=10001)
        self.refused("NotImplementedException", "DescribeSubscriptionFilters", logs.describe_subscription_filters, logGroupName=self.group)

    @unittest.skipUnless(hasattr(logs, "start_live_tail"), "this version of boto3 has no start_live_tail")
    def test_live_tail(self):
        s = self.stream()
        stream = logs.start_live_tail(logGroupIdentifiers=[self.group])["responseStream"]
        for event in stream:
            if "sessionStart" in event:
                logs.put_log_events(logEvents=[{"timestamp": now(), "message": "seen"}], **s)
            elif event["sessionUpdate"]["sessionResults"]:
                self.assertEqual([e["message"] for e in event["sessionUpdate"]["sessionResults"]], ["seen"])
                break
        stream.close()


if __name__ == "__main__":
    unittest.main()
