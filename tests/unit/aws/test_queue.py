"""Messages to the workers, as SQS gets them."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from shared.aws.queue import TurnQueue
from tests.support.aws import aws_client


@pytest.fixture
def turns() -> Iterator[tuple[TurnQueue, Any, str]]:
    """A queue in moto, its client and its URL."""
    with mock_aws():
        client = aws_client("sqs")
        url = client.create_queue(QueueName="turns")["QueueUrl"]
        yield TurnQueue(client, url, url), client, url


def _received(client: Any, url: str) -> dict[str, Any]:
    (message,) = client.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    return dict(message)


def test_a_message_carries_the_trace_of_the_request_that_sent_it(
    turns: tuple[TurnQueue, Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trace header is Lambda's, without the fields that are Lambda's own, so that X-Ray links the worker."""
    queue, client, url = turns
    header = "Root=1-65d4e0a1-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"{header};Lineage=1:2f2ea2c3:0")
    queue.send("task", "ada")
    assert _received(client, url)["Attributes"]["AWSTraceHeader"] == header


@pytest.mark.parametrize("variable", [None, "", "nonsense", "Parent=53995c3f42cd8ad8;Sampled=1"])
def test_a_message_without_a_trace_is_sent_all_the_same(
    turns: tuple[TurnQueue, Any, str], monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    """Outside Lambda, or with tracing off, there is no header."""
    queue, client, url = turns
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    if variable is not None:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", variable)
    queue.send("task", "ada")
    message = _received(client, url)
    assert message["Body"] == '{"task_id": "task"}'
    assert "AWSTraceHeader" not in message["Attributes"]
