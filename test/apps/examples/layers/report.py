import naming


def handler(event, context):
    return {"statusCode": 200, "body": naming.of("report")}
