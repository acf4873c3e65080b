"""GET /hello-py/{name}"""
import os
import platform


def handler(event, context):
    name = event["pathParameters"]["name"]
    print("greeting", name)
    # An HTTP API takes anything but a response object as the JSON body of a 200.
    return {
        "message": f"{os.environ['GREETING']}, {name}!",
        "from": f"Python {platform.python_version()}",
    }
