"""A turn that has another one do the work, as it is deployed: parked meanwhile, and woken by the table's stream."""

import time

import pytest

from tests.support.api_client import ApiClient
from tests.support.deployed import Deployed
from tests.support.deployed_records import after_logged, invocations, record
from tests.support.socket_client import connected, send_frame
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

_SETTLING = 2_000
"""Milliseconds in which what has just happened may still be told of."""


def test_a_turn_waits_for_its_sub_session_without_a_worker(demo: Deployed, ada: ApiClient) -> None:
    """Nobody has its lease meanwhile, and but for the tick no function begins; the answer arrives at the socket."""
    session, began = ada.new_session(), round(time.time() * 1000)
    with connected(demo.sockets.url, ada.ticket()) as socket:
        socket.send(send_frame("r1", session, "delegate slow 25", "m1"))
        while not any(part["type"] == "tool-input-available" for part in socket.of("r1").parts):
            socket.next_frame()
        task_id = socket.of("r1").parts[0]["messageId"].removeprefix("msg_")

        eventually(lambda: _waiting(demo, task_id), "the turn lets go")
        (listed,) = ada.get(f"/chat/sessions?parent_session={session}").json()["sessions"]
        child_id = ada.get(f"/chat/sessions/{listed['id']}").json()["messages"][0]["task_id"]
        parked, parked_at = record(demo, task_id), after_logged(demo, began, "turn_worker", {task_id, child_id})
        assert (parked["lease_expires"], parked["epoch"]) == (0, 1)
        received = socket.until_end("r1")

    assert received.ends == 1
    (output,) = [part["output"] for part in received.parts if part["type"] == "tool-output-available"]
    assert output["status"] == "completed"
    assert output["response"].startswith("Every word of this slow answer")
    assert record(demo, task_id)["epoch"] == 2, "a worker took it while there was nothing to do"
    assert listed["id"] == output["sub_session_id"]
    assert listed["id"] not in [one["id"] for one in ada.get("/chat/sessions").json()["sessions"]]
    child = ada.get(f"/chat/sessions/{listed['id']}").json()
    assert child["messages"][-1]["content"] == output["response"]
    task = record(demo, child_id)
    assert task["parent"] == task_id
    begun = invocations(demo, parked_at + _SETTLING, int(task["ended_at"]) - _SETTLING, {task_id, child_id})
    assert int(task["ended_at"]) - parked_at > 5_000
    assert set(begun) > {"turn_worker", "state_changes", "scheduler"}
    assert {name: number for name, number in begun.items() if name != "scheduler" and number} == {}
    assert received.text.endswith("That took 1 tool call, and now I am done.")


def test_a_stop_reaches_the_sub_session(demo: Deployed, ada: ApiClient) -> None:
    """The stream tells of the parent's end, and the child's worker obeys."""
    session = ada.new_session()
    task_id = ada.accept(session, "delegate slow 60")
    eventually(lambda: _waiting(demo, task_id), "the turn lets go")
    assert ada.post(f"/chat/sessions/{session}/cancel").json()["reason"] == "cancelled"

    (listed,) = ada.get(f"/chat/sessions?parent_session={session}").json()["sessions"]
    child = ada.get(f"/chat/sessions/{listed['id']}").json()["messages"][0]["task_id"]
    eventually(lambda: ada.status(child) == "cancelled", "the child's end")


def test_a_message_is_sent_and_its_answer_waited_for(ada: ApiClient) -> None:
    """One request, without a stream."""
    session = ada.new_session()
    asked = {"message": "count to 3", "message_id": "m1", "wait_seconds": 25}
    answer = ada.post(f"/chat/sessions/{session}/run", json=asked).json()
    assert (answer["status"], answer["response"]) == ("completed", "1, 2, 3.")


def _waiting(demo: Deployed, task_id: str) -> bool:
    return bool(record(demo, task_id)["status"] == "waiting")
