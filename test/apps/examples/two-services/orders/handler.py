import json
import os
import urllib.error
import urllib.request


def order(event, context):
    try:
        with urllib.request.urlopen(os.environ["USERS_API"] + "/user/" + event["pathParameters"]["user"]) as response:
            user = json.load(response)
    except urllib.error.HTTPError as e:
        return {"statusCode": 424, "body": json.dumps({"users": e.code, "said": e.read().decode()})}
    return {"statusCode": 201, "body": json.dumps({"for": user["name"], **json.loads(event["body"])})}
