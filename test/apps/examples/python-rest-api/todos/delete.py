def delete(event, context):
    return {"statusCode": 204}
