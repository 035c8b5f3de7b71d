"""A turn that takes longer than an answer can be held: what each official client makes of it.

The holds are 20 and 25 s; the clock of the deployment is set forward instead of waiting.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from shared.chat.sessions import owned_session
from tests.support.node import Place, drive
from tests.support.server import LiveParley
from tests.support.waiting import eventually

pytestmark = pytest.mark.clients

ANSWER = "Step by step. " * 50
HOLD_SECONDS = 26
SEND = {"do": "send", "text": "take your time", "id": "m1"}


def outlast_the_hold(parley: LiveParley, place: Place, transport: str, *steps: dict[str, Any]) -> dict[str, Any]:
    """Play the steps; once the answer has begun, the holds of the requests under way are over."""
    session = parley.new_session()
    job = {"token": parley.token(), "session": session, "transport": transport, "steps": list(steps)}
    with ThreadPoolExecutor(1) as background:
        playing: Future[list[dict[str, Any]]] = background.submit(drive, place, [job])
        eventually(lambda: has_begun(parley, session), "the answer has begun")
        with parley.clock.set_forward(HOLD_SECONDS):
            (result,) = playing.result()
    assert "stuck" not in result, result["stuck"]
    return result


def has_begun(parley: LiveParley, session: str) -> bool:
    task = owned_session(parley.services.database, session, "ada").active_task
    return task is not None and any(part["type"] == "text-delta" for part in parley.services.log.parts(task))


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def test_the_poll_goes_on_where_the_first_segment_ended(live: LiveParley, place: Place) -> None:
    """WorkflowChatTransport sees that `finish` is missing, and fetches the rest by index, nothing twice."""
    result = outlast_the_hold(live, place, "workflow", SEND)

    assert result["steps"][0]["status"] == "ready"
    assert text_of(result["messages"][1]) == ANSWER


def test_a_first_segment_that_is_cut_does_not_look_like_success(live: LiveParley, place: Place) -> None:
    """DefaultChatTransport takes a stream without `finish` for a whole one: it is told, and a resume has all."""
    result = outlast_the_hold(live, place, "default", SEND, {"do": "away"}, {"do": "resume"})

    assert [(step["status"], step["error"]) for step in result["steps"] if step["do"] != "away"] == [
        ("error", "still_running"),
        ("ready", None),
    ]
    assert text_of(result["messages"][-1]) == ANSWER


def test_a_resume_says_that_the_turn_still_runs(live: LiveParley, place: Place) -> None:
    """DefaultChatTransport can't see a cut: an unstored `still_running` error ends the segment; later resumes work."""
    steps = [{**SEND, "do": "accept"}, {"do": "resume"}, {"do": "away"}, {"do": "resume"}]
    result = outlast_the_hold(live, place, "default", *steps)

    assert [(step["status"], step["error"]) for step in result["steps"][1:]] == [
        ("error", "still_running"),
        ("error", "still_running"),
        ("ready", None),
    ]
    assert text_of(result["messages"][0]) == ANSWER


def test_the_socket_knows_no_hold(live: LiveParley, place: Place) -> None:
    """WebSocketChatTransport follows the turn as long as it takes."""
    result = outlast_the_hold(live, place, "websocket", SEND)

    assert (result["steps"][0]["status"], text_of(result["messages"][1])) == ("ready", ANSWER)
