def hello(event, context):
    return {"statusCode": 200, "body": f"Hello, {event['queryStringParameters']['name']}!"}


def raises(event, context):
    raise ValueError("raised on purpose")
