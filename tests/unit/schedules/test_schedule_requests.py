"""Schedules that are asked for under an id of the caller's own. The fake clock begins on 2025-06-15, 15:06:40 UTC."""

import json
from typing import Any

import pytest

from shared.aws.writes import Put
from shared.schedules.records import MAX_SCHEDULES, count_key
from tests.support.region import Parley
from tests.support.schedules import Client, Planner, agent_schedule, message_schedule, river_agent

ONCE: dict[str, Any] = {"cron": None, "at": "2025-06-15T15:10:00Z"}


def test_the_same_request_makes_one_schedule(parley: Parley, client: Client) -> None:
    """A retry after a lost answer is answered with what was made, as it is by then."""
    ada = client()
    for body in (message_schedule(request_id="r1"), agent_schedule(river_agent(parley), request_id="r2")):
        made = ada.post("/api/schedules", json=body)
        assert made.status_code == 201, made.text
        renamed = ada.patch(f"/api/schedules/{made.json()['id']}", json={"name": "Other"}).json()
        again = ada.post("/api/schedules", json=body)
        assert (again.status_code, again.json()) == (201, renamed)
    assert len(ada.get("/api/schedules").json()["schedules"]) == 2
    assert parley.database.get(count_key("ada"))["schedules"] == 2  # type: ignore[index]


def test_an_id_belongs_to_its_user_and_is_free_after_a_day(parley: Parley, client: Client) -> None:
    """Nobody learns what others have asked for."""
    body = message_schedule(request_id="r1")
    first = client().post("/api/schedules", json=body).json()["id"]
    others = client("eve").post("/api/schedules", json=body).json()["id"]
    parley.clock.advance(86_399)
    assert client().post("/api/schedules", json=body).json()["id"] == first
    parley.clock.advance(1)
    later = client().post("/api/schedules", json=body).json()["id"]
    assert len({first, others, later}) == 3


def test_an_id_stands_for_one_request(client: Client) -> None:
    """Whoever takes the first schedule for theirs would be misled."""
    ada = client()
    made = ada.post("/api/schedules", json=message_schedule(request_id="r1")).json()
    refused = ada.post("/api/schedules", json=message_schedule(request_id="r1", name="Another"))
    assert (refused.status_code, refused.json()["code"]) == (409, "request_id_used")
    assert refused.json()["details"] == {"schedule_id": made["id"]}


def test_what_was_made_and_is_gone_is_not_made_again(parley: Parley, client: Client, planner: Planner) -> None:
    """It has fired once, though its time has passed by now; or it was deleted."""
    ada = client()
    once, deleted = message_schedule(**ONCE, request_id="r1"), message_schedule(request_id="r2")
    ada.post("/api/schedules", json=once)
    ada.delete(f"/api/schedules/{ada.post('/api/schedules', json=deleted).json()['id']}")
    planner.tick_at("2025-06-15T15:10:10")
    for body in (once, deleted):
        answer = ada.post("/api/schedules", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "SCHEDULE_NOT_FOUND")
        assert "gone" in answer.json()["message"]
    assert ada.get("/api/schedules").json() == {"schedules": []}


def test_what_was_refused_leaves_its_id_free(parley: Parley, client: Client) -> None:
    """The request is put right, and sent again under the same."""
    ada = client()
    late = message_schedule(cron=None, at="2025-06-15T15:00:00Z", request_id="r1")
    assert ada.post("/api/schedules", json=late).json()["code"] == "never_fires"
    parley.database.write(Put({**count_key("ada"), "v": 1, "schedules": MAX_SCHEDULES}))
    body = message_schedule(request_id="r1")
    assert ada.post("/api/schedules", json=body).json()["code"] == "too_many_schedules"
    parley.database.write(Put({**count_key("ada"), "v": 1, "schedules": MAX_SCHEDULES - 1}))
    assert ada.post("/api/schedules", json=body).status_code == 201
    assert ada.post("/api/schedules", json=body).status_code == 201


@pytest.mark.parametrize(("name", "status"), [("Levels", 201), ("Another", 409)])
def test_two_at_once_make_one(planner: Planner, client: Client, name: str, status: int) -> None:
    """The slower one is answered as a retry, or refused."""
    ada, first = client(), []

    def other() -> None:
        first.append(ada.post("/api/schedules", json=message_schedule(request_id="r1")).json()["id"])

    planner.meanwhile("TransactWriteItems", other)
    second = ada.post("/api/schedules", json=message_schedule(request_id="r1", name=name))
    assert second.status_code == status
    assert first == [second.json()["id"] if status == 201 else second.json()["details"]["schedule_id"]]
    assert [one["id"] for one in ada.get("/api/schedules").json()["schedules"]] == first


@pytest.mark.parametrize("depth", [99, 500, 5_000])
def test_inputs_however_deep_are_no_fault_of_ours(parley: Parley, client: Client, depth: int) -> None:
    """They are kept, or refused."""
    body = json.dumps(agent_schedule(river_agent(parley), request_id="r1"))
    answer = client().post("/api/schedules", content=body.replace('"Elbe"', "[" * depth + "]" * depth))
    assert answer.status_code in {201, 400, 422}, answer.text
