"""Asking Lambda for a further invocation, without waiting for it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from shared.kernel.errors import Retryable


class LambdaClient(Protocol):
    """What is used of boto3's client."""

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> Any:
        """Invoke the function; with `Event` its answer is not waited for."""


class Invocations:
    """Invocations of one function; the client is made when the first is asked for."""

    def __init__(self, client: Callable[[], LambdaClient], function: str) -> None:
        self._client = client
        self._function = function

    def ask(self, event: Mapping[str, Any]) -> None:
        """Have the function invoked with `event`, at least once.

        Raises:
            Retryable: Lambda may not have taken it.
        """
        try:
            self._client().invoke(
                FunctionName=self._function, InvocationType="Event", Payload=json.dumps(event).encode()
            )
        except (BotoCoreError, ClientError) as error:
            raise Retryable("Lambda did not take the event", code="invocation_failed") from error
