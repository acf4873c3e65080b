import json


def handler(event, context):
    print("told", json.dumps(event, separators=(",", ":")))
