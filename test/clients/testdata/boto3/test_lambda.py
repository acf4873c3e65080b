"""AWS's SDK for Python against a whole platform: `python3 -m unittest`, with
the platform in the environment (see environ in harness_test.go). It stays
within what boto3 1.26 knows, which Debian 12 has."""

import base64
import hashlib
import http.client
import io
import json
import os
import re
import unittest
import urllib.parse
import urllib.request
import uuid
import zipfile

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

API = os.environ["PINFOLD_API"]
ROLE = os.environ["PINFOLD_ROLE"]
ACCOUNT = os.environ["PINFOLD_ACCOUNT"]

SETTINGS = Config(retries={"max_attempts": 0}, parameter_validation=False)


def client(service):
    return boto3.client(service, endpoint_url=API, config=SETTINGS)


awslambda = client("lambda")


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, content in files.items():
            z.writestr(name, content)
    return out.getvalue()


ECHO = """import os
def handler(event, context):
    if event.get("do") == "raise":
        raise LookupError("raised on purpose")
    if event.get("do") == "print":
        print("printed")
    if "requestContext" in event:
        return {"statusCode": 202, "headers": {"x-method": event["requestContext"]["http"]["method"]}, "body": event.get("body", "")}
    return {"event": event, "version": context.function_version, "arn": context.invoked_function_arn,
            "id": context.aws_request_id, "marker": os.environ.get("MARKER"), "memory": context.memory_limit_in_mb,
            "left": 0 < context.get_remaining_time_in_millis() <= 20000}
"""


class Case(unittest.TestCase):
    maxDiff = None

    def create(self, files=None, **more):
        name = "py-" + uuid.uuid4().hex[:8]
        settings = dict(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Timeout=20,
                        Code={"ZipFile": zipped(files or {"app.py": ECHO})})
        settings.update(more)
        awslambda.create_function(**settings)
        self.addCleanup(awslambda.delete_function, FunctionName=name)
        return name

    def call(self, name, payload=b"{}", **more):
        out = awslambda.invoke(FunctionName=name, Payload=payload, **more)
        out["Payload"] = json.loads(out["Payload"].read() or b"null")
        return out

    def refused(self, error, *texts):
        """A context in which AWS's error must come, as the SDK's own type."""
        case = self

        class Refused:
            def __enter__(self):
                return self

            def __exit__(self, kind, caught, _):
                case.assertIsNotNone(caught, "it was accepted")
                case.assertIsInstance(caught, ClientError)
                case.assertEqual(caught.response["Error"]["Code"], error)
                modelled = getattr(awslambda.exceptions, error, None) if error in MODELLED else ClientError
                case.assertIsInstance(caught, modelled)
                for text in texts:
                    case.assertIn(text, caught.response["Error"]["Message"])
                return True

        return Refused()


MODELLED = {
    "ResourceNotFoundException", "ResourceConflictException", "InvalidParameterValueException", "PreconditionFailedException",
    "InvalidRequestContentException", "RequestTooLargeException", "TooManyRequestsException",
}


class Life(Case):
    def test_life(self):
        name = "py-life"
        code = zipped({"app.py": ECHO})
        made = awslambda.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": code}, MemorySize=256,
            Timeout=20, Environment={"Variables": {"MARKER": "one"}}, Tags={"a": "1"}, Description="d")
        self.assertEqual(made["CodeSha256"], base64.b64encode(hashlib.sha256(code).digest()).decode())
        for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2"):
            awslambda.get_waiter(waiter).wait(FunctionName=name)
        got = awslambda.get_function(FunctionName=name)
        self.assertEqual((got["Configuration"]["State"], got["Configuration"]["LastUpdateStatus"]), ("Active", "Successful"))
        self.assertEqual(got["Tags"], {"a": "1"})
        with urllib.request.urlopen(got["Code"]["Location"]) as link:
            self.assertEqual(link.read(), code)

        out = self.call(name, b'{"n": 1.5, "s": "\xc3\xb6"}', LogType="Tail")
        answer = out["Payload"]
        self.assertEqual((out["StatusCode"], out["ExecutedVersion"]), (200, "$LATEST"))
        self.assertNotIn("FunctionError", out)
        self.assertEqual((answer["event"], answer["marker"], answer["memory"]), ({"n": 1.5, "s": "ö"}, "one", "256"))
        self.assertTrue(answer["left"])
        log = base64.b64decode(out["LogResult"]).decode()
        self.assertRegex(log, r"START RequestId: %s Version: \$LATEST\n(.*\n)*END RequestId: .*\nREPORT RequestId: .*\tMemory Size: 256 MB\t" % answer["id"])

        updated = awslambda.update_function_configuration(
            FunctionName=name, RevisionId=got["Configuration"]["RevisionId"], Environment={"Variables": {"MARKER": "two"}})
        awslambda.get_waiter("function_updated_v2").wait(FunctionName=name)
        with self.refused("PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id."):
            awslambda.update_function_code(FunctionName=name, RevisionId=made["RevisionId"], ZipFile=code)
        self.assertEqual(self.call(name)["Payload"]["marker"], "two")
        awslambda.update_function_code(FunctionName=name, RevisionId=updated["RevisionId"], ZipFile=zipped({"app.py": "handler = lambda e, c: 'new'"}))
        self.assertEqual(self.call(name)["Payload"], "new")
        self.assertEqual(awslambda.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"], 204)
        with self.refused("ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:%s:function:%s" % (ACCOUNT, name)):
            awslambda.get_function(FunctionName=name)

    def test_invoke(self):
        name = self.create()
        out = self.call(name, b'{"do": "raise"}')
        self.assertEqual((out["StatusCode"], out["FunctionError"]), (200, "Unhandled"))
        self.assertEqual((out["Payload"]["errorType"], out["Payload"]["errorMessage"]), ("LookupError", "raised on purpose"))
        self.assertRegex(out["Payload"]["stackTrace"][-1], r'  File ".*app.py", line 4, in handler\n    raise LookupError')
        self.assertEqual(self.call(name, InvocationType="DryRun")["StatusCode"], 204)
        self.assertEqual(awslambda.invoke(FunctionName=name, InvocationType="Event")["StatusCode"], 202)
        with self.refused("RequestEntityTooLargeException", "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"):
            awslambda.invoke(FunctionName=name, InvocationType="Event", Payload=b'"' + b"x" * 1048575 + b'"')
        with self.refused("InvalidRequestContentException", "Could not parse request body into json: "):
            awslambda.invoke(FunctionName=name, Payload=b"no json")
        with self.refused("RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation"):
            awslambda.invoke(FunctionName=name, Payload=b'"' + b"x" * 6291455 + b'"')
        log = base64.b64decode(self.call(name, b'{"do": "print"}', LogType="Tail")["LogResult"]).decode()
        self.assertIn("\nprinted\n", log)

    def test_response_stream(self):
        if not hasattr(awslambda, "invoke_with_response_stream"):
            self.skipTest("this boto3 is older than InvokeWithResponseStream: 1.26.107 knows it")
        name = self.create()
        out = awslambda.invoke_with_response_stream(FunctionName=name, Payload=b'{"n": 1}', LogType="Tail")
        self.assertEqual((out["StatusCode"], out["ExecutedVersion"], out["ResponseStreamContentType"]), (200, "$LATEST", "application/vnd.amazon.eventstream"))
        events = list(out["EventStream"])
        answer = json.loads(b"".join(e["PayloadChunk"]["Payload"] for e in events[:-1]))
        self.assertEqual(answer["event"], {"n": 1})
        self.assertIn("START RequestId: " + answer["id"], base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode())
        events = list(awslambda.invoke_with_response_stream(FunctionName=name, Payload=b'{"do": "raise"}')["EventStream"])
        self.assertEqual(events[-1]["InvokeComplete"]["ErrorCode"], "LookupError")
        self.assertEqual(json.loads(events[-1]["InvokeComplete"]["ErrorDetails"])["errorMessage"], "raised on purpose")
        with self.refused("ResourceNotFoundException", "Function not found: "):
            awslambda.invoke_with_response_stream(FunctionName="nobody")

    def test_timeout_and_crash(self):
        name = self.create({"app.py": "import time, os\ndef handler(e, c):\n    time.sleep(60) if e else os._exit(7)\n"}, Timeout=1)
        for payload, kind, text in (
            (b'{"a": 1}', "Sandbox.Timedout", r"RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds"),
            (b"{}", "Runtime.ExitError", r"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 7"),
        ):
            out = self.call(name, payload)
            self.assertEqual((out["StatusCode"], out["FunctionError"], out["Payload"]["errorType"]), (200, "Unhandled", kind))
            self.assertIsNotNone(re.fullmatch(text, out["Payload"]["errorMessage"]), out["Payload"])

    def test_versions_and_aliases(self):
        name = self.create(Publish=True, Environment={"Variables": {"MARKER": "one"}})
        awslambda.update_function_configuration(FunctionName=name, Environment={"Variables": {"MARKER": "two"}})
        self.assertEqual(awslambda.publish_version(FunctionName=name, Description="second")["Version"], "2")
        awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.0}})
        self.assertEqual({self.call(name, Qualifier="live")["ExecutedVersion"] for _ in range(5)}, {"1"})
        awslambda.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
        self.assertEqual({self.call(name + ":live")["ExecutedVersion"] for _ in range(5)}, {"2"})
        self.assertEqual(awslambda.get_alias(FunctionName=name, Name="live")["RoutingConfig"], {"AdditionalVersionWeights": {"2": 1.0}})
        self.assertEqual([v["Version"] for page in awslambda.get_paginator("list_versions_by_function").paginate(FunctionName=name, PaginationConfig={"PageSize": 1})
                          for v in page["Versions"]], ["$LATEST", "1", "2"])
        self.assertEqual([a["Name"] for a in awslambda.list_aliases(FunctionName=name)["Aliases"]], ["live"])
        with self.refused("ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]"):
            awslambda.delete_function(FunctionName=name, Qualifier="1")
        awslambda.delete_alias(FunctionName=name, Name="live")
        with self.refused("ResourceNotFoundException", "Cannot find alias arn: "):
            awslambda.get_alias(FunctionName=name, Name="live")

    def test_lists(self):
        names = sorted(self.create() for _ in range(3))
        pages = list(awslambda.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1}))
        self.assertTrue(all(len(page["Functions"]) <= 1 for page in pages))
        self.assertEqual([f["FunctionName"] for page in pages for f in page["Functions"] if f["FunctionName"] in names], names)

    def test_layers(self):
        layer = awslambda.publish_layer_version(
            LayerName="py-words", Content={"ZipFile": zipped({"python/words.py": "word = 'from a layer'"})}, CompatibleRuntimes=["python3.11"])
        name = self.create({"app.py": "import words\ndef handler(e, c): return words.word\n"}, Layers=[layer["LayerVersionArn"]])
        self.assertEqual(self.call(name)["Payload"], "from a layer")
        self.assertEqual(awslambda.list_layer_versions(LayerName="py-words")["LayerVersions"][0]["Version"], layer["Version"])
        self.assertIn("py-words", [x["LayerName"] for x in awslambda.list_layers()["Layers"]])
        awslambda.add_layer_version_permission(LayerName="py-words", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*")
        self.assertIn('"s"', awslambda.get_layer_version_policy(LayerName="py-words", VersionNumber=1)["Policy"])
        awslambda.delete_layer_version(LayerName="py-words", VersionNumber=1)
        with self.refused("ResourceNotFoundException"):
            awslambda.get_layer_version(LayerName="py-words", VersionNumber=1)

    def test_settings(self):
        name = self.create()
        arn = awslambda.get_function_configuration(FunctionName=name)["FunctionArn"]
        awslambda.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn="arn:aws:sns:us-east-1:111111111111:t")
        statement = json.loads(awslambda.get_policy(FunctionName=name)["Policy"])["Statement"][0]
        self.assertEqual((statement["Sid"], statement["Principal"], statement["Resource"]), ("s", {"Service": "sns.amazonaws.com"}, arn))
        awslambda.remove_permission(FunctionName=name, StatementId="s")
        awslambda.tag_resource(Resource=arn, Tags={"k": "v", "l": "w"})
        awslambda.untag_resource(Resource=arn, TagKeys=["k"])
        self.assertEqual(awslambda.list_tags(Resource=arn)["Tags"], {"l": "w"})
        awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
        self.assertEqual(awslambda.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"], 3)
        awslambda.delete_function_concurrency(FunctionName=name)
        settings = awslambda.get_account_settings()
        self.assertEqual(settings["AccountLimit"]["ConcurrentExecutions"], 1000)
        self.assertGreaterEqual(settings["AccountUsage"]["FunctionCount"], 1)

    def test_url(self):
        name = self.create()
        made = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE", Cors={"AllowOrigins": ["*"]})
        self.assertEqual(visit(made["FunctionUrl"]), (202, "PUT", "given"))
        awslambda.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
        self.assertEqual(visit(made["FunctionUrl"])[0], 403)
        self.assertEqual(visit(made["FunctionUrl"], boto3.Session().get_credentials()), (202, "PUT", "given"))
        self.assertEqual([u["FunctionUrl"] for u in awslambda.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]], [made["FunctionUrl"]])
        awslambda.delete_function_url_config(FunctionName=name)
        with self.refused("ResourceNotFoundException", "The resource you requested does not exist."):
            awslambda.get_function_url_config(FunctionName=name)

    def test_calls_back(self):
        """A function with this SDK calls the platform as itself."""
        code = """import os
try:
    import boto3
except ImportError:
    boto3 = None
def handler(event, context):
    if boto3 is None:
        return None
    at = dict(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    out = boto3.client("lambda", **at).invoke(FunctionName=event["call"], Payload=b'{"from": "a function"}')
    return [boto3.client("sts", **at).get_caller_identity()["Arn"], out["Payload"].read().decode()]
"""
        other = self.create()
        name = self.create({"app.py": code})
        out = self.call(name, json.dumps({"call": other}).encode())
        self.assertNotIn("FunctionError", out, out["Payload"])
        if out["Payload"] is None:
            self.skipTest("the Python that functions run on has no boto3")
        self.assertTrue(out["Payload"][0].startswith("arn:aws:sts::%s:assumed-role/clients/%s" % (ACCOUNT, name)), out["Payload"][0])
        self.assertEqual(json.loads(out["Payload"][1])["event"], {"from": "a function"})


def visit(url, sign=None):
    """PUTs through the public door. The name below localhost goes to it without a resolver."""
    request = AWSRequest("PUT", url + "a/b?c=d", data=b"given", headers={"Content-Type": "text/plain"})
    if sign:
        SigV4Auth(sign, "lambda", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    at = urllib.parse.urlsplit(url)
    headers["Host"] = at.netloc
    door = http.client.HTTPConnection("127.0.0.1", at.port, timeout=60)
    try:
        door.request("PUT", at.path + "a/b?c=d", b"given", headers)
        answer = door.getresponse()
        return answer.status, answer.getheader("x-method"), answer.read().decode()
    finally:
        door.close()


class Refusals(Case):
    def test_typed_errors(self):
        name = self.create()
        with self.refused("ResourceConflictException", "Function already exist: " + name):
            awslambda.create_function(FunctionName=name, Runtime="python3.11", Handler="a.b", Role=ROLE, Code={"ZipFile": zipped({"a": "b"})})
        with self.refused("InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again."):
            awslambda.update_function_code(FunctionName=name, ZipFile=b"no zip")
        with self.refused("InvalidParameterValueException", "VpcConfig is not served by Pinfold yet"):
            awslambda.update_function_configuration(FunctionName=name, VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": []})
        with self.refused("ValidationException", "1 validation error detected: Value '5' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"):
            awslambda.update_function_configuration(FunctionName=name, MemorySize=5)
        with self.refused("ValidationException", "2 validation errors detected: ", "'memorySize'", "'timeout'"):
            awslambda.update_function_configuration(FunctionName=name, MemorySize=5, Timeout=0)
        with self.refused("InvalidParameterValueException", 'runtime "ruby3.3" is not served'):
            awslambda.update_function_configuration(FunctionName=name, Runtime="ruby3.3")

    def test_mappings(self):
        name = self.create()
        client("sqs").create_queue(QueueName=name)
        source = "arn:aws:sqs:us-east-1:%s:%s" % (ACCOUNT, name)
        made = awslambda.create_event_source_mapping(FunctionName=name, EventSourceArn=source, MaximumBatchingWindowInSeconds=1)
        self.assertEqual((made["State"], made["BatchSize"], made["MaximumBatchingWindowInSeconds"]), ("Creating", 10, 1))
        listed = awslambda.get_paginator("list_event_source_mappings").paginate(EventSourceArn=source).build_full_result()
        self.assertEqual([m["UUID"] for m in listed["EventSourceMappings"]], [made["UUID"]])
        with self.refused("ResourceConflictException", "already exists. Please update or delete the existing mapping with UUID " + made["UUID"]):
            awslambda.create_event_source_mapping(FunctionName=name, EventSourceArn=source)
        with self.refused("InvalidParameterValueException", "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"):
            awslambda.update_event_source_mapping(UUID=made["UUID"], BatchSize=100, MaximumBatchingWindowInSeconds=0)
        self.assertEqual(awslambda.delete_event_source_mapping(UUID=made["UUID"])["State"], "Deleting")

    def test_unserved(self):
        with self.refused("NotImplementedException", "Pinfold does not serve ListCodeSigningConfigs of AWS Lambda yet"):
            awslambda.list_code_signing_configs()
        for service, call, code, text in (
            ("dynamodb", "list_tables", "NotImplementedException", "ListTables of Amazon DynamoDB"),
            ("sns", "list_topics", "NotImplemented", "ListTopics of Amazon Simple Notification Service"),
            ("s3", "list_buckets", "NotImplemented", "Amazon Simple Storage Service"),
            ("iam", "list_users", "NotImplemented", "ListUsers of AWS Identity and Access Management"),
            ("kinesis", "list_streams", "NotImplementedException", "ListStreams of Amazon Kinesis"),
            ("apigateway", "get_rest_apis", "NotImplementedException", "Amazon API Gateway"),
        ):
            with self.subTest(service), self.assertRaises(ClientError) as caught:
                getattr(client(service), call)()
            error = caught.exception.response["Error"]
            self.assertIn(error["Code"], (code, code + "Exception"))
            self.assertIn(text, error["Message"])


class Identity(Case):
    def test_caller(self):
        sts = client("sts")
        got = sts.get_caller_identity()
        self.assertEqual((got["Account"], got["Arn"], got["UserId"]), (ACCOUNT, "arn:aws:iam::%s:root" % ACCOUNT, ACCOUNT))
        wrong = boto3.client("sts", endpoint_url=API, config=SETTINGS, aws_secret_access_key="wrong",
                             aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"])
        with self.refused("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."):
            wrong.get_caller_identity()
        unknown = boto3.client("lambda", endpoint_url=API, config=SETTINGS, aws_secret_access_key="x", aws_access_key_id="AKIAUNKNOWN")
        with self.refused("UnrecognizedClientException", "The security token included in the request is invalid."):
            unknown.list_functions()


if __name__ == "__main__":
    unittest.main()
