"""A connection that breaks anywhere in a turn costs nothing: the official clients rebuild the same message."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.node import Place, drive
from tests.support.server import LiveParley

pytestmark = pytest.mark.clients

TRANSPORTS = ["default", "workflow", "websocket"]
CONCURRENCY = 12
MOST_PARTS = 32
"""More than the slow turn has, so that the last cuts are behind its end."""
MOST_PARTS_AT_ONCE = 28
"""The same for the quick turn, whose deltas are joined as they are stored."""

EXPECTED = [
    {"type": "step-start"},
    {
        "type": "reasoning",
        "id": "reasoning-0-0",
        "text": "Two things are asked for, so two look-ups at once.",
        "state": "done",
    },
    {"type": "text", "text": "I look both up. ", "state": "done"},
    {
        "type": "tool-echo",
        "toolCallId": "call_one",
        "state": "output-available",
        "input": {"text": "the first thing, of some length"},
        "output": {"type": "echo", "message": "", "text": "the first thing, of some length"},
        "providerExecuted": True,
    },
    {
        "type": "tool-echo",
        "toolCallId": "call_two",
        "state": "output-available",
        "input": {"text": "the second thing, of some length"},
        "output": {"type": "echo", "message": "", "text": "the second thing, of some length"},
        "providerExecuted": True,
    },
    {"type": "step-start"},
    {
        "type": "text",
        "text": "The first thing is the first, the second is the second, and neither is the other: "
        "that is the whole verdict.",
        "state": "done",
    },
]


def job(parley: LiveParley, transport: str, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Something for the official client to do, in a session of its own if none is given."""
    session = fields.pop("session", None) or parley.new_session()
    return {"token": parley.token(), "session": session, "transport": transport, "steps": list(steps), **fields}


def says(text: str) -> dict[str, Any]:
    return {"do": "send", "text": text, "id": "m1"}


def assert_undisturbed(result: dict[str, Any], case: object) -> None:
    assert [message["role"] for message in result["messages"]] == ["user", "assistant"], (case, result)
    assert result["messages"][1]["parts"] == EXPECTED, (case, result)
    assert result["steps"][-1]["status"] == "ready", (case, result["steps"])


def test_the_final_message_is_the_same_over_all_transports(live: LiveParley, place: Place) -> None:
    """Reasoning, text, two parallel tools and a second step come out as the same parts over every transport."""
    results = drive(place, [job(live, transport, says("compare")) for transport in TRANSPORTS])

    for transport, result in zip(TRANSPORTS, results, strict=True):
        assert_undisturbed(result, transport)
        assert result["finishes"][-1]["finishReason"] == "stop"


def test_a_socket_may_break_behind_any_part_of_a_running_turn(live: LiveParley, place: Place) -> None:
    """WebSocketChatTransport, cut behind part k for every k, resumes to the undisturbed message."""
    steps = [says("compare slowly"), {"do": "resume"}]
    jobs = [job(live, "websocket", *steps, cut_after=k) for k in range(1, MOST_PARTS)]

    results = drive(place, jobs, CONCURRENCY)

    for k, result in enumerate(results, start=1):
        assert_undisturbed(result, k)
    assert_most(result["running_at_resume"] == [True] for result in results)


def test_a_poll_may_break_behind_any_part_of_a_running_turn(live: LiveParley, place: Place) -> None:
    """WorkflowChatTransport, its body cut behind part k for every k, goes on from its index by itself."""
    accepted = {"do": "accept", "text": "compare slowly", "id": "m1"}
    jobs = in_company(live, "workflow", accepted, {"do": "resume"})

    results = drive(place, jobs, CONCURRENCY)

    for k, result in enumerate(results, start=1):
        assert_page_shows(result["messages"], k)
        assert result["steps"][-1]["status"] == "ready", (k, result["steps"])
    assert_most(result["running_at_resume"] == [True] for result in results)
    assert_most(result["cut"] for result in results)


def test_a_default_resume_may_break_behind_any_part(live: LiveParley, place: Place) -> None:
    """DefaultChatTransport, its resumed stream cut behind part k for every k, resumes again to the same message."""
    accepted = {"do": "accept", "text": "compare slowly", "id": "m1"}
    jobs = in_company(live, "default", accepted, {"do": "resume"}, {"do": "resume"})

    results = drive(place, jobs, CONCURRENCY)

    for k, result in enumerate(results, start=1):
        assert_page_shows(result["messages"], k)
        assert result["steps"][-1]["status"] == "ready", (k, result["steps"])
        assert (result["steps"][1]["error"] is not None) == result["cut"], (k, result["steps"])
    assert_most(result["cut"] for result in results)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_turn_may_end_while_the_client_is_away(live: LiveParley, place: Place, transport: str) -> None:
    """Cut behind part k for every k, and back, or loaded anew, only after the turn: the same message.

    All clients repeat one send, so that the session has one turn.
    """
    back = [] if transport == "workflow" else [{"do": "resume"}]  # it goes on by itself
    steps = [says("compare"), {"do": "away"}, *back, {"do": "reload"}, {"do": "resume"}]
    session = live.new_session()
    jobs = [job(live, transport, *steps, session=session, cut_after=k) for k in range(1, MOST_PARTS_AT_ONCE)]

    results = drive(place, jobs, CONCURRENCY)

    for k, result in enumerate(results, start=1):
        assert_undisturbed({**result, "messages": result["before_reload"]}, k)
        assert_page_shows(result["messages"], k)
        assert (result["steps"][0]["error"] is not None) == (result["cut"] and transport != "workflow"), k
    assert_most(result["cut"] for result in results)
    assert len(live.rows(session)) == 5


def in_company(parley: LiveParley, transport: str, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """The same job for every cut point; three at a time watch one turn."""
    sessions = [parley.new_session() for _ in range(0, MOST_PARTS, 3)]
    return [job(parley, transport, *steps, session=sessions[k // 3], cut_after=k) for k in range(1, MOST_PARTS)]


def assert_page_shows(messages: list[dict[str, Any]], case: object) -> None:
    """A page that was loaded anew has only what the stream brings."""
    assert [message["role"] for message in messages] == ["assistant"], (case, messages)
    assert messages[0]["parts"] == EXPECTED, (case, messages)


def assert_most(cases: Iterable[bool]) -> None:
    """The test has tried what it is about."""
    happened = list(cases)
    assert sum(happened) > 0.6 * len(happened), happened
