"""The context object that a handler gets as its second argument."""

import os
import sys
from time import monotonic

from . import faults

_of_instance = {}  # what all contexts of this instance have in common


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

    def __init__(self):
        self.cognito_identity_id = self.cognito_identity_pool_id = None


class Client(_Fields):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Fields):
    __slots__ = ("custom", "env", "client")


class LambdaContext:
    def __init__(self, request_id, arn, limit, client_context):
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.__dict__.update(_of_instance)
        self.identity = CognitoIdentity()
        self.client_context = _client_context(client_context) if client_context else None
        self.tenant_id = None
        self._deadline = monotonic() + limit / 1000

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - monotonic()) * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = (f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return "LambdaContext([%s])" % ",".join(shown)


def set_up():
    """Reads what is the same for all invocations from the environment."""
    for name, variable in (
        ("function_name", "AWS_LAMBDA_FUNCTION_NAME"),
        ("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
        ("memory_limit_in_mb", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        ("log_group_name", "AWS_LAMBDA_LOG_GROUP_NAME"),
        ("log_stream_name", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ):
        _of_instance[name] = os.environ.get(variable)


def _client_context(text):
    import json

    try:
        found = ClientContext(json.loads(text))
        if found.client is not None:
            found.client = Client(found.client)
    except Exception as error:
        raise faults.Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}")
    return found
