"""The whole, as it is deployed: real sockets, IAM enforced, an independent model server, the official clients."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import boto3
import pytest
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from shared.chat.deletion import PURGE_SHARDS
from tests.support.api_client import ApiClient, api_client
from tests.support.deployed import Deployed
from tests.support.node import Place, drive
from tests.support.socket_client import connected, resume_frame, send_frame
from tests.support.sockets import shown_text
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def job(stack: Deployed, session: str, transport: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"token": stack.token("ada"), "session": session, "transport": transport, "steps": list(steps), **more}


@pytest.mark.parametrize("transport", ["default", "workflow", "websocket"])
def test_the_official_clients_chat_with_the_deployment(
    stack: Deployed, place: Place, api: ApiClient, transport: str
) -> None:
    """Reasoning, two parallel tools and a second step arrive whole over each of the three transports."""
    session = api.new_session()
    (report,) = drive(place, [job(stack, session, transport, {"do": "send", "text": "compare", "id": "m1"})])
    assert report["steps"][-1]["status"] == "ready", report
    parts = report["messages"][-1]["parts"]
    kinds = [part["type"] for part in parts]
    assert kinds.count("step-start") == 2
    assert kinds.count("tool-echo") + kinds.count("dynamic-tool") == 2
    assert parts[-1]["text"].startswith("The first thing is the first")


def test_one_message_id_sent_fifty_times_is_one_turn(stack: Deployed, api: ApiClient) -> None:
    """Over HTTP and the socket mixed: one user row, one task, and the same stream for all who watch.

    A few at a time: each that is truly concurrent costs the emulated region a process of its own. The
    contract tests send all fifty at the same instant.
    """
    session = api.new_session()

    def over_http(_: int) -> str:
        with api_client(cast(Any, stack)) as client:
            return client.accept(session, "take a while", "same")

    def over_socket(number: int) -> list[dict[str, Any]]:
        with api_client(cast(Any, stack)) as client, connected(stack.sockets.url, client.ticket()) as socket:
            socket.send(send_frame(f"r{number}", session, "take a while", "same"))
            return socket.until_end(f"r{number}").parts

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(over_http, number) for number in range(30)]
        streams = [pool.submit(over_socket, number) for number in range(20)]
        task_ids = {task.result() for task in tasks}
        texts = {shown_text(stream.result()) for stream in streams}

    assert len(task_ids) == 1
    assert texts == {"One moment, please: here it is."}
    rows = api.get(f"/chat/sessions/{session}").json()["messages"]
    assert [row["role"] for row in rows] == ["user", "assistant"]


def test_a_killed_worker_is_replaced_and_nothing_is_doubled(stack: Deployed, api: ApiClient) -> None:
    """SIGKILL in mid-stream: the turn goes on by itself, ends once, and the shown text is the stored one."""
    session = api.new_session()
    with connected(stack.sockets.url, api.ticket()) as socket:
        socket.send(send_frame("r1", session, "go on forever", "m1"))
        while len(shown_text(socket.of("r1").parts)) < 200:
            socket.next_frame()
        victims = stack.workers("TurnWorkerFunction")
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        received = socket.until_end("r1")
    row = api.get(f"/chat/sessions/{session}").json()["messages"][-1]
    assert received.ends == 1
    assert [part["type"] for part in received.parts].count("finish") == 1
    assert received.text == row["content"] == "And on and on, " * 400


def test_three_viewers_see_the_same(stack: Deployed, api: ApiClient) -> None:
    """One that asked, one that came in the middle, one that came when it was over."""
    session = api.new_session()
    with connected(stack.sockets.url, api.ticket()) as first, connected(stack.sockets.url, api.ticket()) as second:
        first.send(send_frame("r1", session, "compare slowly", "m1"))
        while not any(part["type"] == "tool-output-error" for part in first.of("r1").parts):
            first.next_frame()
        second.send(resume_frame("r2", session))
        early, middle = first.until_end("r1"), second.until_end("r2")
        second.send(resume_frame("r3", session))
        late = second.until_end("r3")
    assert shown_text(early.parts) == shown_text(middle.parts) == shown_text(late.parts) != ""
    assert early.ends == middle.ends == late.ends == 1


@pytest.mark.parametrize("state", ["queued or thinking", "answering", "over"])
def test_stop_in_each_state(stack: Deployed, api: ApiClient, state: str) -> None:
    """It answers truthfully, the partial text stays, and the next send works at once."""
    session = api.new_session()
    task = api.accept(session, "hello" if state == "over" else "go on for ages", "m1")
    if state == "answering":
        eventually(lambda: "text-delta" in api.get(f"/chat/tasks/{task}/stream").text, "some text")
    if state == "over":
        eventually(lambda: api.status(task) == "completed", "the end")

    answer = api.post(f"/chat/sessions/{session}/cancel").json()

    if state == "over":
        assert answer == {"cancelled": False, "task_id": None, "reason": "no_active_task"}
    else:
        assert answer["cancelled"] is True
        assert answer["task_id"] == task
        assert api.status(task) == "cancelled"
    rows = api.get(f"/chat/sessions/{session}").json()["messages"]
    if state == "answering":
        assert rows[-1]["content"].startswith("And on and on")
        assert rows[-1]["status"] == "cancelled"
    api.answered(session, "hello", "m2")


def test_a_second_user_sees_nothing_of_the_first(stack: Deployed, api: ApiClient) -> None:
    """404 over HTTP, a typed error over the socket, which stays open."""
    session = api.new_session()
    task = api.accept(session, "hello")
    with api_client(cast(Any, stack), "grace") as grace:
        for path in (f"/chat/sessions/{session}", f"/chat/tasks/{task}", f"/chat/tasks/{task}/stream"):
            assert grace.get(path).status_code == 404
        assert grace.post(f"/chat/sessions/{session}/cancel").status_code == 404
        with connected(stack.sockets.url, grace.ticket()) as socket:
            for frame in (resume_frame("r1", session), send_frame("r2", session, "hi", "m1")):
                answer = socket.answers(frame)
                assert (answer["type"], answer["code"]) == ("error", "SESSION_NOT_FOUND")
            assert socket.works()


def test_a_ticket_opens_one_socket(stack: Deployed, api: ApiClient) -> None:
    """Used, forged and missing tickets are refused by the authorizer."""
    ticket = api.ticket()
    with connected(stack.sockets.url, ticket) as socket:
        assert socket.works()
    for refused in (ticket, "forged", ""):
        with pytest.raises(Exception, match=r"401|403|rejected"), connected(stack.sockets.url, refused):
            pass


def test_what_no_worker_could_process_is_ended(stack: Deployed, api: ApiClient) -> None:
    """A task whose message landed in the dead-letter queue fails, so that no client waits for it."""
    description = stack.description
    state = boto3.resource("dynamodb", endpoint_url=description["endpoint_url"], **_owner(description)).Table(
        description["state_table"]
    )
    session = api.new_session()
    task = api.accept(session, "go on for ages")
    sqs = boto3.client("sqs", endpoint_url=description["endpoint_url"], **_owner(description))
    dead = next(url for url in sqs.list_queues()["QueueUrls"] if "DeadLetter" in url)
    sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"task_id": task}))
    sqs.send_message(QueueUrl=dead, MessageBody="rubbish")
    eventually(lambda: api.status(task) == "failed", "the end")
    assert state.get_item(Key={"pk": f"TASK#{task}", "sk": "META"})["Item"]["error"]["code"] == "not_processable"
    assert [part["type"] for part in api.stream_of(task)][-2:] == ["error", "finish"]


def test_a_session_gets_a_title_and_is_found_by_it(stack: Deployed, api: ApiClient) -> None:
    """Some seconds after its first answer; the user's own stays."""
    session = api.new_session()
    api.answered(session, "hello", "m1")

    def title() -> str:
        return str(api.get(f"/chat/sessions/{session}").json()["title"])

    eventually(lambda: title() == "A title of the model", "the title")
    mine = f"Rivers of {session}"  # the region keeps the sessions of earlier runs
    assert api.request("PATCH", f"/chat/sessions/{session}", json={"title": mine}).json()["title"] == mine
    found = api.get("/chat/sessions", params={"search": mine.swapcase()}).json()["sessions"]
    assert [row["id"] for row in found] == [session]


def test_a_deleted_session_is_gone_at_once_and_then_for_good(stack: Deployed, api: ApiClient) -> None:
    """While its turn runs. The purge, which the test brings forward, has the permissions that it needs."""
    description = stack.description
    place = {"endpoint_url": description["endpoint_url"], **_owner(description)}
    dynamodb, s3 = boto3.resource("dynamodb", **place), boto3.client("s3", **place)
    state, chunks = dynamodb.Table(description["state_table"]), dynamodb.Table(description["chunks_table"])
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if "workspace" in b["Name"])
    session = api.new_session()
    task = api.accept(session, "go on for ages")
    eventually(lambda: "text-delta" in api.get(f"/chat/tasks/{task}/stream").text, "some text")
    s3.put_object(Bucket=bucket, Key=f"users/ada/sessions/{session}/files/a.txt/1", Body=b"x")

    assert api.request("DELETE", f"/chat/sessions/{session}").status_code == 204
    for path in (f"/chat/sessions/{session}", f"/chat/tasks/{task}", f"/chat/tasks/{task}/stream"):
        assert api.get(path).status_code == 404
    assert state.get_item(Key={"pk": f"TASK#{task}", "sk": "META"})["Item"]["status"] == "cancelled"

    waiting = [item for shard in range(PURGE_SHARDS) for item in _rows(state, f"PURGE#{shard}")]
    (record,) = [item for item in waiting if item["session_id"] == session]
    state.put_item(Item={**record, "sk": f"{1:013d}#{session}"})
    eventually(lambda: not _rows(state, f"SESSION#{session}"), "the purge")
    assert [_rows(state, f"TASK#{task}"), _rows(chunks, task)] == [[], []]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=f"users/ada/sessions/{session}/")


def _rows(table: Any, partition: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.query(KeyConditionExpression=Key("pk").eq(partition))["Items"]
    return rows


def test_the_region_enforces_permissions(stack: Deployed) -> None:
    """Without it, a missing permission in the template would go unnoticed until it is deployed."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=stack.description["endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7NOBODY0",
        aws_secret_access_key="nothing",
    )
    with pytest.raises(ClientError, match=r"InvalidClientTokenId|AccessDenied|Unrecognized|not authorized"):
        sqs.list_queues()


def _owner(description: dict[str, Any]) -> dict[str, Any]:
    """Credentials of the region's own account."""
    return {
        "region_name": description.get("region", "us-east-1"),
        "aws_access_key_id": description.get("access_key_id", "test"),
        "aws_secret_access_key": description.get("secret_access_key", "test"),
    }
