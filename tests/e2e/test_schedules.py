"""Schedules that are made through chat, as they are deployed: the tick of each minute fires them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pytest

from tests.support.api_client import ApiClient, api_client
from tests.support.deployed import Deployed
from tests.support.socket_client import SocketClient, connected, send_frame
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

_LATE = 130
"""Seconds after its time by which a schedule has fired, on a machine so busy that a tick is late: two of them."""


@dataclass(frozen=True)
class Made:
    """A schedule and a follow-up, made one right after the other."""

    session: str
    socket: SocketClient
    schedule: dict[str, Any]
    follow_up: dict[str, Any]


@pytest.fixture(scope="module")
def made(region: dict[str, Any]) -> Iterator[Made]:
    """Through chat, in one session; the socket stays open."""
    demo = Deployed(region)
    with api_client(cast(Any, demo)) as ada:
        session = ada.new_session()
        agent = "parley/compare-two-texts at * * * * * as Every minute with first_text=One, second_text=Two"
        with connected(demo.sockets.url, ada.ticket()) as socket:
            schedule = said(socket, session, f"schedule {agent}", "m1")[0]["schedule"]
            with taken_away(ada, schedule["schedule_id"]):
                follow_up = said(socket, session, "remind me in 60 s: count to 3", "m2")[0]["schedule"]
                yield Made(session, socket, schedule, follow_up)


def said(socket: SocketClient, session: str, text: str, message_id: str) -> list[dict[str, Any]]:
    """What the tool calls of a turn were answered."""
    socket.send(send_frame(message_id, session, text, message_id))
    parts = socket.until_end(message_id).parts
    return [part["output"] for part in parts if part["type"] == "tool-output-available"]


@contextmanager
def taken_away(ada: ApiClient, schedule_id: str) -> Iterator[None]:
    """Whatever comes, the region has no schedule of each minute left."""
    try:
        yield
    finally:
        ada.request("DELETE", f"/schedules/{schedule_id}")


def test_a_schedule_fires_and_a_connected_client_hears_of_the_result(made: Made, ada: ApiClient) -> None:
    """The run has its inputs and its outputs, and the history has the fire, at the tick after its time."""
    notice: dict[str, Any] = {}
    while notice.get("kind") != "run-finished":
        notice = made.socket.next_frame()
    assert (notice["agent_name"], notice["status"]) == ("Compare two texts", "completed")
    run = ada.get(f"/runs/{notice['run_id']}").json()
    assert run["outputs"] == {"comparison": ["I have read. First text: “One” Second text: “Two”"]}
    fire = eventually(lambda: completed(ada, made, notice["run_id"]), "the history has it")
    assert fire["outcome"] == "started"
    assert 0 < seconds_of(fire["at"]) - seconds_of(fire["fire"]) < _LATE


def completed(ada: ApiClient, made: Made, run_id: str) -> dict[str, Any]:
    """The fire of a run, once the history has its end."""
    fires = ada.get(f"/schedules/{made.schedule['schedule_id']}/history").json()["fires"]
    return next((one for one in fires if (one["task_id"], one["result"]) == (run_id, "completed")), {})


def seconds_of(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def test_a_follow_up_is_a_turn_in_its_session(made: Made, ada: ApiClient) -> None:
    """Sent as the user's own; once. Who is connected hears that it begins."""

    def rows() -> list[tuple[str, str]]:
        page = ada.get(f"/chat/sessions/{made.session}").json()["messages"]
        return [(row["role"], row["content"]) for row in page][-2:]

    heard = [("user", "count to 3"), ("assistant", "1, 2, 3.")]
    wanted = ("turn-started", made.session, made.follow_up["schedule_id"])

    def begun() -> bool:
        frames = made.socket.frames
        return wanted in [(one.get("kind"), one.get("session_id"), one.get("schedule_id")) for one in frames]

    while not begun():
        made.socket.next_frame()
    eventually(lambda: rows() == heard, "the answer")
    assert time.time() >= seconds_of(made.follow_up["next_run"])
    assert ada.get(f"/schedules/{made.follow_up['schedule_id']}").status_code == 404


def test_schedules_are_listed_and_taken_away(made: Made, demo: Deployed, ada: ApiClient) -> None:
    """Through chat and over HTTP, with their history; what is deleted is in no list."""
    with connected(demo.sockets.url, ada.ticket()) as socket:
        name = f"Leap day {made.session}"
        agent = f"parley/compare-two-texts at 0 9 29 2 * as {name} with first_text=One, second_text=Two"
        leap = said(socket, made.session, f"schedule {agent}", "m3")[0]["schedule"]["schedule_id"]
        (listed,) = said(socket, made.session, "list schedules", "m4")
        assert {made.schedule["schedule_id"], leap} <= {one["schedule_id"] for one in listed["schedules"]}
        assert ada.request("DELETE", f"/schedules/{made.schedule['schedule_id']}").status_code == 204
        _, deleted = said(socket, made.session, f"delete the schedule {name}", "m5")
        assert deleted["type"] == "schedule_deleted"
        (listed,) = said(socket, made.session, "list schedules", "m6")
    assert not {made.schedule["schedule_id"], leap} & {one["schedule_id"] for one in listed["schedules"]}
