"""AWS's SDK for Python against a whole platform: `python3 -m unittest`, with the
platform in the environment (see environ in harness_test.go). Until version 1.29 of
boto3, which Debian 12 has, it speaks SQS's query protocol, and JSON since; the query
protocol is spoken by hand as well."""

import json
import os
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

API = os.environ["PINFOLD_API"]
SETTINGS = Config(retries={"max_attempts": 0}, parameter_validation=False)
sqs = boto3.client("sqs", endpoint_url=API, config=SETTINGS)


def create(suffix="", **attributes):
    return sqs.create_queue(QueueName=str(uuid.uuid4()) + suffix, Attributes=attributes)["QueueUrl"]


def arn(url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url, **more):
    more = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **more}
    return sqs.receive_message(QueueUrl=url, **more).get("Messages", [])


class Queues(unittest.TestCase):
    maxDiff = None

    def refused(self, code, text, call, **parameters):
        with self.assertRaises(ClientError) as caught:
            call(**parameters)
        error = caught.exception.response["Error"]
        self.assertEqual((error["Code"], error["Message"], error.get("Type", "Sender")), (code, text, "Sender"))

    def test_messages(self):
        url = create()
        attributes = {
            "text": {"DataType": "String", "StringValue": "ä€😀"},
            "number": {"DataType": "Number.float", "StringValue": "1.50"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        }
        sent = sqs.send_message(QueueUrl=url, MessageBody="ä€😀 <&>", MessageAttributes=attributes)
        (message,) = receive(url)
        self.assertEqual(message["Body"], "ä€😀 <&>")
        self.assertEqual(message["MessageId"], sent["MessageId"])
        self.assertEqual(message["MessageAttributes"], attributes)
        self.assertEqual(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
        self.assertEqual(message["Attributes"]["ApproximateReceiveCount"], "1")
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        (message,) = receive(url)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self.assertEqual(receive(url, WaitTimeSeconds=0), [])

    def test_batches(self):
        url = create()
        sent = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2"}, {"Id": "c", "MessageBody": "\x02"}])
        self.assertEqual([s["Id"] for s in sent["Successful"]], ["a", "b"])
        self.assertEqual([(f["Id"], f["Code"], f["SenderFault"]) for f in sent["Failed"]], [("c", "InvalidMessageContents", True)])
        handles = [m["ReceiptHandle"] for m in receive(url)]
        changed = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": h, "VisibilityTimeout": 60} for i, h in enumerate(handles)])
        self.assertEqual(len(changed["Successful"]), len(handles))
        removed = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": h} for i, h in enumerate(handles)])
        self.assertEqual(len(removed["Successful"]), len(handles))

    def test_large_message(self):
        url = create()
        body = "x" * (1 << 20)
        sqs.send_message(QueueUrl=url, MessageBody=body)
        self.assertEqual(receive(url)[0]["Body"], body)
        self.refused("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.", sqs.send_message, QueueUrl=url, MessageBody=body + "x")

    def test_queue(self):
        url = create(VisibilityTimeout="7")
        name = url.rsplit("/", 1)[1]
        self.assertEqual(sqs.get_queue_url(QueueName=name)["QueueUrl"], url)
        self.assertEqual(sqs.list_queues(QueueNamePrefix=name)["QueueUrls"], [url])
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
        got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "DelaySeconds"])["Attributes"]
        self.assertEqual(got, {"VisibilityTimeout": "7", "DelaySeconds": "1"})
        sqs.tag_queue(QueueUrl=url, Tags={"a": "b", "c": "d"})
        sqs.untag_queue(QueueUrl=url, TagKeys=["c"])
        self.assertEqual(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"a": "b"})
        sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
        policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
        self.assertEqual(policy["Statement"][0]["Action"], "SQS:SendMessage")
        sqs.remove_permission(QueueUrl=url, Label="l")
        sqs.purge_queue(QueueUrl=url)
        self.refused("AWS.SimpleQueueService.PurgeQueueInProgress", f"Only one PurgeQueue operation on {name} is allowed every 60 seconds.", sqs.purge_queue, QueueUrl=url)
        sqs.delete_queue(QueueUrl=url)
        self.refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", sqs.get_queue_url, QueueName=name)

    def test_redrive(self):
        dead = create()
        url = create(VisibilityTimeout="0", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn(dead), "maxReceiveCount": "1"}))
        sent = sqs.send_message(QueueUrl=url, MessageBody="x")
        receive(url)
        self.assertEqual(receive(url, WaitTimeSeconds=0), [])
        (message,) = receive(dead, VisibilityTimeout=0)
        self.assertEqual((message["MessageId"], message["Attributes"]["DeadLetterQueueSourceArn"]), (sent["MessageId"], arn(url)))
        self.assertEqual(sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])
        if hasattr(sqs, "start_message_move_task"):  # since boto3 1.26.147
            handle = sqs.start_message_move_task(SourceArn=arn(dead))["TaskHandle"]
            (message,) = receive(url)
            self.assertEqual(message["Body"], "x")
            (task,) = sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"]
            self.assertIn(task["Status"], ("RUNNING", "COMPLETED"))
            self.refused("InvalidParameterValue", "Value for parameter TaskHandle is invalid.", sqs.cancel_message_move_task, TaskHandle=handle[:5])

    def test_fifo(self):
        url = create(".fifo", FifoQueue="true")
        first = sqs.send_message(QueueUrl=url, MessageBody="1", MessageGroupId="g", MessageDeduplicationId="d")
        again = sqs.send_message(QueueUrl=url, MessageBody="1", MessageGroupId="g", MessageDeduplicationId="d")
        self.assertEqual((first["MessageId"], first["SequenceNumber"]), (again["MessageId"], again["SequenceNumber"]))
        (message,) = receive(url, VisibilityTimeout=0)
        handle = message["ReceiptHandle"]
        self.refused("InvalidParameterValue", f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", sqs.delete_message, QueueUrl=url, ReceiptHandle=handle)
        self.refused("MissingParameter", "The request must contain the parameter MessageGroupId.", sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="e")

    def test_wrong_batches(self):
        url = create()
        entries = [{"Id": str(i), "MessageBody": "x"} for i in range(11)]
        self.refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11.", sqs.send_message_batch, QueueUrl=url, Entries=entries)
        self.refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id 1 repeated.", sqs.send_message_batch, QueueUrl=url, Entries=[entries[1], entries[1]])
        self.refused("ReceiptHandleIsInvalid", 'The input receipt handle "x" is not a valid receipt handle.', sqs.delete_message, QueueUrl=url, ReceiptHandle="x")
        self.refused("InvalidParameterValue", "Value {} for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain mandatory attribute: maxReceiveCount.", sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": "{}"})

    def test_query_protocol(self):
        """A form, signed, at the queue's own URL."""
        url = create()

        def query(**parameters):
            request = AWSRequest("POST", url, data=urllib.parse.urlencode({"Version": "2012-11-05", **parameters}), headers={"Content-Type": "application/x-www-form-urlencoded"})
            SigV4Auth(boto3.Session().get_credentials(), "sqs", os.environ["AWS_DEFAULT_REGION"]).add_auth(request)
            prepared = request.prepare()
            body = prepared.body if isinstance(prepared.body, bytes) else prepared.body.encode()
            try:
                answer = urllib.request.urlopen(urllib.request.Request(prepared.url, body, dict(prepared.headers)))
            except urllib.error.HTTPError as e:
                answer = e
            return answer.status, ElementTree.fromstring(answer.read())

        space = "{http://queue.amazonaws.com/doc/2012-11-05/}"
        status, answer = query(Action="SendMessage", MessageBody="ä€😀")
        self.assertEqual((status, answer.tag), (200, space + "SendMessageResponse"))
        status, answer = query(Action="ReceiveMessage", WaitTimeSeconds="10")
        self.assertEqual((status, answer.findtext(f".//{space}Body")), (200, "ä€😀"))
        status, answer = query(Action="DeleteMessage", ReceiptHandle="x")
        self.assertEqual((status, answer.findtext(f".//{space}Code")), (404, "ReceiptHandleIsInvalid"))


if __name__ == "__main__":
    unittest.main()
