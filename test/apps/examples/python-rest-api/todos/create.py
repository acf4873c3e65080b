import json
import logging
import os
import uuid

from todos import encoder


def create(event, context):
    data = json.loads(event["body"])
    if "text" not in data:
        logging.error("Validation Failed")
        raise Exception("Couldn't create the todo item.")
    item = {"id": str(uuid.uuid1()), "text": data["text"], "checked": False, "table": os.environ["DYNAMODB_TABLE"]}
    return {"statusCode": 200, "body": json.dumps(item, cls=encoder.Encoder)}
