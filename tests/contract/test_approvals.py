"""What the official clients make of a request for approval, and Parley of their answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.stream import parts as wire
from shared.stream.older import for_clients_that_know_no_approvals
from shared.stream.sse import segment
from tests.contract.test_official_clients import TRANSPORTS, played, says, text_of
from tests.support.api_client import ApiClient, events_of
from tests.support.node import Place, parsed_by_versions
from tests.support.server import LiveParley
from tests.support.waiting import eventually

pytestmark = pytest.mark.clients


def tool_parts(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["toolCallId"]: part for part in message["parts"] if part["type"].startswith("tool-")}


def mails(live: LiveParley) -> int:
    return len(live.asking.calls)


def test_an_approval_goes_on_with_the_same_message(live: LiveParley, place: Place) -> None:
    """Over each transport: the chat is ready with an open request; its answer shows the output and the rest."""
    before = mails(live)
    results = played(live, place, says("send a mail"), {"do": "approve", "approved": True})

    for transport, (session, result) in results.items():
        assert [step["status"] for step in result["steps"]] == ["ready", "ready"], (transport, result)
        assert [message["role"] for message in result["messages"]] == ["user", "assistant"], transport
        answer = result["messages"][1]
        assert text_of(answer) == "I write it. That is settled."
        mail = tool_parts(answer)["call_mail"]
        assert (mail["state"], mail["output"]["text"]) == ("output-available", "Dear Bob")
        assert tool_parts(answer)["call_echo"]["state"] == "output-available"
        assert result["finishes"][0]["finishReason"] == "tool-calls"
        assert result["finishes"][-1]["finishReason"] == "stop"
        assert [row.role for row in live.rows(session)] == ["user", "assistant", "tool", "tool", "assistant"]
    assert mails(live) - before == len(TRANSPORTS)


def test_a_denial_goes_on_without_the_call(live: LiveParley, place: Place) -> None:
    """The part is denied, the model has been told, and nothing was sent."""
    before = mails(live)
    denial = {"do": "approve", "approved": False, "reason": "Not to Bob"}
    for transport, (session, result) in played(live, place, says("send a mail"), denial).items():
        assert [step["status"] for step in result["steps"]] == ["ready", "ready"], (transport, result)
        assert tool_parts(result["messages"][1])["call_mail"]["state"] == "output-denied", transport
        assert text_of(result["messages"][1]) == "I write it. That is settled."
        assert "Not to Bob" in live.rows(session)[2].content
    assert mails(live) == before


def test_a_page_load_in_between(live: LiveParley, place: Place) -> None:
    """A fresh chat resumes the paused turn, and finds the request as it was; then it answers."""
    steps = [says("send a mail"), {"do": "reload"}, {"do": "resume"}, {"do": "approve", "approved": True}]
    for transport, (_, result) in played(live, place, *steps).items():
        assert [step["status"] for step in result["steps"]][-1] == "ready", (transport, result)
        (message,) = result["messages"]
        assert tool_parts(message)["call_mail"]["state"] == "output-available"
        assert text_of(message) == "I write it. That is settled."


def test_a_page_load_afterwards(live: LiveParley, place: Place) -> None:
    """A resume after the answer brings the whole message, of both turns."""
    steps = [says("send a mail"), {"do": "approve", "approved": True}, {"do": "reload"}, {"do": "resume"}]
    results = played(live, place, *steps, transports=["default", "websocket"])
    for transport, (_, result) in results.items():
        (message,) = result["messages"]
        assert text_of(message) == "I write it. That is settled.", transport
        assert tool_parts(message)["call_mail"]["state"] == "output-available"


def test_an_ordinary_message_instead_of_an_answer(live: LiveParley, place: Place) -> None:
    """The request is closed, the conversation goes on."""
    before = mails(live)
    for session, result in played(live, place, says("send a mail"), says("hello", "m2")).values():
        assert [step["status"] for step in result["steps"]] == ["ready", "ready"]
        assert "went on" in live.rows(session)[2].content
        assert text_of(result["messages"][-1]) == "Hello there, this is Parley speaking."
    assert mails(live) == before


def paused(api: ApiClient, query: str = "") -> tuple[str, str, str]:
    """A session with an open request: its id, the request's, and the stream so far."""
    session = api.new_session()
    answer = api.post(f"/chat/sessions/{session}/stream{query}", json={"message": "send a mail", "message_id": "m1"})
    (asked,) = api.get(f"/chat/sessions/{session}/approvals").json()["approvals"]
    return session, asked["approval_id"], answer.text


def recorded(api: ApiClient, compat: str, approved: bool) -> tuple[str, str]:
    """A paused turn's stream, and the replay when the answered one has gone on."""
    session, approval, asking = paused(api, f"?compat={compat}")
    task = api.post(f"/chat/approvals/{approval}", json={"approved": approved}).json()["task_id"]
    eventually(lambda: api.status(task) == "completed", "it has gone on")
    return asking, api.get(f"/chat/sessions/{session}/stream?compat={compat}").text


def state_of_the_mail(result: dict[str, Any]) -> str:
    assert (result["error"], result["finished"]) == (None, True), result
    (state,) = [part["state"] for part in result["parts"] if part.get("toolCallId") == "call_mail"]
    return str(state)


def test_older_clients(live: LiveParley, api: ApiClient) -> None:
    """`ai` 6 and 7 know the request; `ai` 5 is told by parts that it takes. Each takes the replay of both turns."""
    streams: dict[str, str] = {}
    for compat in ("5", "6", "7"):
        for approved in (True, False):
            asking, whole = recorded(api, compat, approved)
            streams |= {f"asking {compat} {approved}": asking, f"whole {compat} {approved}": whole}

    results = parsed_by_versions(streams)

    for version, compat in (("ai-5", "5"), ("ai-6", "6"), ("ai-7-early", "6"), ("ai", "7")):
        for approved in (True, False):
            asked = state_of_the_mail(results[version][f"asking {compat} {approved}"])
            assert asked == ("input-available" if compat == "5" else "approval-requested"), version
            denied = "output-error" if compat == "5" else "output-denied"
            answered = state_of_the_mail(results[version][f"whole {compat} {approved}"])
            assert answered == ("output-available" if approved else denied), version
    assert "data-approval-request" in streams["asking 5 True"]
    assert results["ai-5"]["asking 7 True"]["error"] is not None


def test_the_turn_that_goes_on_begins_with_the_old_calls_output(live: LiveParley, api: ApiClient) -> None:
    """Answered as the official client does it, without one."""
    session, approval, asking = paused(api)
    message_id = events_of(api.get(f"/chat/sessions/{session}/stream")).parts[0]["messageId"]
    part = {"type": "tool-send_mail", "toolCallId": "call_mail", "state": "approval-responded", "input": {}}
    part["approval"] = {"id": approval, "approved": True}
    message = {"id": message_id, "role": "assistant", "parts": [{"type": "text", "text": "I write it. "}, part]}
    body = {"id": session, "messages": [message], "trigger": "submit-message", "messageId": message_id}
    answer = api.post(f"/chat/sessions/{session}/stream", json=body)
    again = api.post(f"/chat/sessions/{session}/stream", json=body)

    parts = events_of(answer).parts
    assert [part["type"] for part in parts[:3]] == ["start", "tool-output-available", "start-step"]
    assert parts[0]["messageId"] == message_id
    assert parts[-1] == {"type": "finish", "finishReason": "stop"}
    assert again.text == answer.text
    assert json.dumps(message_id) in asking


def test_answers_from_all_sides_at_once(live: LiveParley, api: ApiClient) -> None:
    """Twenty at the same time, approvals and denials mixed: one outcome, one turn, at most one call."""
    before = mails(live)
    session, approval, _ = paused(api)
    with ThreadPoolExecutor(20) as pool:
        given = pool.map(lambda n: api.post(f"/chat/approvals/{approval}", json={"approved": n % 2 == 0}), range(20))
        answers = list(given)
    counted = [answer.json() for answer in answers if answer.status_code == 200]
    assert len([one for one in counted if one["status"] == "started"]) == 1
    assert len({one["task_id"] for one in counted}) == 1
    assert {answer.status_code for answer in answers} <= {200, 409}
    (task,) = {one["task_id"] for one in counted}
    eventually(lambda: api.status(task) == "completed", "it has gone on")
    assert mails(live) - before == int(counted[0]["approved"])
    assert [row.role for row in live.rows(session)] == ["user", "assistant", "tool", "tool", "assistant"]


def test_a_budget_pause_is_a_request_like_any_other() -> None:
    """Each version shows a call of `raise_budget` that waits for approval, and the part with the numbers."""
    asked = {"budget": "turn", "limit_tokens": 4_000, "limit_usd": None}
    parts = [
        wire.start("msg_1"),
        wire.start_step(),
        wire.tool_input_available("raise_budget_4", "raise_budget", asked),
        wire.data("budget-pause", {**asked, "approval_id": "a1"}),
        wire.tool_approval_request("a1", "raise_budget_4"),
        wire.finish_step(),
        wire.finish("tool-calls"),
    ]
    told = for_clients_that_know_no_approvals(parts)
    results = parsed_by_versions({"new": segment(parts, done=True), "old": segment(told, done=True)})

    for version, stream in (("ai-5", "old"), ("ai-6", "new"), ("ai-7-early", "new"), ("ai", "new")):
        result = results[version][stream]
        assert (result["error"], result["finished"]) == (None, True), (version, result)
        kinds = [part["type"] for part in result["parts"]]
        assert kinds[:3] == ["step-start", "tool-raise_budget", "data-budget-pause"], version
        assert result["parts"][1]["state"] == ("input-available" if stream == "old" else "approval-requested"), version
