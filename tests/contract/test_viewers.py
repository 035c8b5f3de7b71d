"""Everybody who watches a turn sees the same, whenever and however they come."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from shared.stream.replay import replay
from shared.stream.viewers import viewers_of
from tests.support.api_client import ApiClient
from tests.support.node import Place, drive, model_requests
from tests.support.server import LiveParley
from tests.support.socket_client import SocketClient, connected, resume_frame, send_frame
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.clients

SENDS = 50
OVER_SOCKET = 25


def test_three_viewers_that_come_at_different_times(live: LiveParley, api: ApiClient, place: Place) -> None:
    """One joins while the turn is queued, one while it runs, one when it has just ended: the same parts, in order."""
    session = api.new_session()
    with ExitStack() as stack:
        early, late, last = (stack.enter_context(connected(live.sockets.url, api.ticket())) for _ in range(3))
        live.workers.pause()
        task = api.accept(session, "compare slowly")
        early.send(resume_frame("early", session))
        eventually(lambda: viewers_of(live.services.database, task), "the viewer is registered")
        assert api.status(task) == "queued"
        live.workers.resume()
        eventually(lambda: len(early.of("early").parts) > 4 or not early.next_frame(), "the turn runs")
        late.send(resume_frame("late", session))
        seen = [early.until_end("early"), late.until_end("late")]
        assert api.status(task) == "completed"
        last.send(resume_frame("last", session))
        seen.append(last.until_end("last"))

    assert [viewer.ends for viewer in seen] == [1, 1, 1]
    whole = replay(live.services.log.parts(task))
    assert [replay(viewer.parts) for viewer in seen] == [whole] * 3
    job = {"token": live.token(), "session": session, "transport": "websocket", "steps": [{"do": "resume"}]}
    (official,) = drive(place, [job])
    assert official["messages"][0]["parts"][-1]["text"].endswith("that is the whole verdict.")


def test_a_viewer_that_dies_changes_nothing_for_the_others(live: LiveParley, api: ApiClient) -> None:
    """One of two viewers breaks its connection in the middle; the other gets every part and one end."""
    session = api.new_session()
    with connected(live.sockets.url, api.ticket()) as steady:
        with connected(live.sockets.url, api.ticket()) as doomed:
            steady.send(send_frame("steady", session, "compare slowly", "m1"))
            eventually(lambda: steady.of("steady").parts or not steady.next_frame(), "the turn runs")
            doomed.send(resume_frame("doomed", session))
            eventually(lambda: doomed.of("doomed").parts or not doomed.next_frame(), "the second one watches")
        seen = steady.until_end("steady")

    assert seen.ends == 1
    assert seen.parts[-1] == {"type": "finish", "finishReason": "stop"}
    assert seen.text.endswith("that is the whole verdict.")


def test_fifty_sends_of_one_message_are_one_turn(live: LiveParley, api: ApiClient) -> None:
    """The same message id 50 times at once, HTTP and socket mixed: one row, one task, one run, one stream for all."""
    session, said = api.new_session(), "compare, all fifty of you"
    gate = threading.Barrier(SENDS)
    with ExitStack() as stack, ThreadPoolExecutor(SENDS) as crowd:
        sockets = [stack.enter_context(connected(live.sockets.url, api.ticket())) for _ in range(OVER_SOCKET)]
        callers: list[Callable[[], list[dict[str, Any]]]] = [
            *(lambda s=socket: over_socket(s, gate, session, said) for socket in sockets),
            *(lambda: over_http(api, gate, session, said) for _ in range(SENDS - OVER_SOCKET)),
        ]
        streams = [call.result() for call in [crowd.submit(caller) for caller in callers]]

    (task,) = [item["pk"]["S"] for item in live.items() if is_task_of(session, item)]
    whole = replay(live.services.log.parts(task.removeprefix("TASK#")))
    assert [replay(stream) for stream in streams] == [whole] * SENDS
    assert [row.role for row in live.rows(session)] == ["user", "assistant", "tool", "tool", "assistant"]
    assert len(model_requests(live.model_url, said)) == 2
    assert live.services.database.get({"pk": task, "sk": "META"})["epoch"] == 1  # type: ignore[index]


def is_task_of(session: str, item: dict[str, Any]) -> bool:
    is_task = str(item["pk"]["S"]).startswith("TASK#") and item["sk"] == {"S": "META"}
    return is_task and bool(item["session_id"] == {"S": session})


def over_socket(socket: SocketClient, gate: threading.Barrier, session: str, said: str) -> list[dict[str, Any]]:
    gate.wait(timeout=PATIENCE)
    socket.send(send_frame("request", session, said, "the-same"))
    received = socket.until_end("request")
    assert received.ends == 1, received.frames
    return received.parts


def over_http(api: ApiClient, gate: threading.Barrier, session: str, said: str) -> list[dict[str, Any]]:
    gate.wait(timeout=PATIENCE)
    return api.heard(session, said, "the-same")[1]
