import sys


def hello(event, context):
    return {"greeting": "hello", "language": sys.implementation.name, "runtime": context.function_name}
