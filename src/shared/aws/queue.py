"""Messages to the workers. A message names a task; everything else is in its record."""

import json
import os
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from shared.kernel.errors import Retryable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageSystemAttributeValueTypeDef

_TRACE_FIELDS = ("Root", "Parent", "Sampled")


class TurnQueue:
    """The turn queue, and beside it the run queue for tasks of all other kinds: at-least-once, fair by user."""

    def __init__(self, client: "SQSClient", url: str, run_url: str) -> None:
        self._client = client
        self._url = url
        self._run_url = run_url

    def send(self, task_id: str, user_id: str, delay_seconds: int = 0, kind: str = "turn") -> None:
        """Ask a worker of that kind of task to advance it; `delay_seconds` is 900 at most.

        The message group makes the standard queue fair: a user with a long backlog is served after
        the others (docs: SQS fair queues).

        Raises:
            Retryable: the message may not have been sent; the task's timer repairs that.
        """
        try:
            self._client.send_message(
                QueueUrl=self._url if kind == "turn" else self._run_url,
                MessageBody=json.dumps({"task_id": task_id}),
                MessageGroupId=user_id[:128],
                DelaySeconds=delay_seconds,
                MessageSystemAttributes=_trace(),
            )
        except (BotoCoreError, ClientError) as error:
            raise Retryable("The queue did not take the message", code="queue_unavailable") from error


def _trace() -> "dict[Literal['AWSTraceHeader'], MessageSystemAttributeValueTypeDef]":
    """The trace that this invocation belongs to, so that X-Ray links the worker's trace to it.

    Lambda renews the variable with every invocation. Its further fields (`Lineage`) are Lambda's own.
    """
    given = dict(field.split("=", 1) for field in os.environ.get("_X_AMZN_TRACE_ID", "").split(";") if "=" in field)
    header = ";".join(f"{name}={given[name]}" for name in _TRACE_FIELDS if name in given)
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": header}} if "Root" in given else {}
