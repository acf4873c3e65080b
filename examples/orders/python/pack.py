"""Gets orders from the queue, each the record of an invocation of order."""
import json


def handler(event, context):
    failures = []
    for message in event["Records"]:
        order = json.loads(message["body"])["responsePayload"]
        if order["sheep"] < 1:
            # This message alone comes back; the third time it goes to Refused.
            failures.append({"itemIdentifier": message["messageId"]})
            continue
        print("packed", order["sheep"], "sheep")
    return {"batchItemFailures": failures}
