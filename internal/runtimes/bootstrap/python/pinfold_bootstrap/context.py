"""The context object that a handler gets as its second argument."""

import json
import os
import sys
import time


class _Fields:
    """An object with the named fields, taken from a dict."""

    __slots__ = ()

    def __init__(self, values=None):
        for name in self.__slots__:
            setattr(self, name, (values or {}).get(name))

    def __repr__(self):
        return "%s([%s])" % (type(self).__name__, ",".join(f"{n}={getattr(self, n)}" for n in self.__slots__))


class CognitoIdentity(_Fields):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(_Fields):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Fields):
    __slots__ = ("custom", "env", "client")


class LambdaContext:
    def __init__(self, head):
        self.aws_request_id = head["requestId"]
        self.invoked_function_arn = head["arn"]
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = CognitoIdentity()
        self.client_context = None
        if head.get("clientContext"):
            self.client_context = ClientContext(json.loads(head["clientContext"]))
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        self.tenant_id = None
        self._deadline = head["deadline"]

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = (f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return "LambdaContext([%s])" % ",".join(shown)
