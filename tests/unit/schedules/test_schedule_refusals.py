"""What is refused of schedules over HTTP, and how that is said. The fake clock begins on 2025-06-15, 15:06:40 UTC."""

import json
from typing import Any

import pytest

from tests.support.region import Parley
from tests.support.schedules import WEEKDAYS, Client, agent_schedule, message_schedule, river_agent


@pytest.mark.parametrize(
    ("fields", "where", "says"),
    [
        ({"cron": "0 25 * * *"}, "cron", "the hour '25' is wrong: give 0-23, such as 9 or 9-17"),
        ({"cron": "0 9 * *"}, "cron", "five fields"),
        ({"cron": "0 0 30 2 *"}, "cron", "such as"),
        ({"cron": "0 9 * * " + ",".join(["1"] * 50)}, "cron", "at most 100 ASCII characters, such as"),
        ({"cron": "0 9 * * " + ",".join(["1"] * 150)}, "cron", "at most 100 ASCII characters, such as"),
        ({"timezone": "Mars/Olympus"}, "timezone", "such as Europe/Berlin"),
        ({"cron": None, "delay_seconds": 59}, "delay_seconds", "60 to 31622400 whole seconds, such as 3600"),
        ({"cron": None, "delay_seconds": "soon"}, "delay_seconds", "such as 3600"),
        ({"delay_seconds": 90}, "", "exactly one of cron, at and delay_seconds"),
        ({"cron": None}, "", "exactly one of cron, at and delay_seconds"),
        ({"cron": None, "at": "2025-07-01T09:00:00"}, "at", "offset from UTC, in the years 2000 to 2099, such as"),
        ({"cron": None, "at": "tomorrow"}, "at", "such as '2030-01-31T09:00:00Z'"),
        ({"ends_at": "soon"}, "ends_at", "such as '2030-01-31T09:00:00Z'"),
        ({"name": " "}, "name", "one line of 1 to 100 characters, such as 'Morning report'"),
        ({"name": "two\nlines"}, "name", "one line of 1 to 100 characters, such as 'Morning report'"),
        ({"name": "two\u2028lines"}, "name", "one line"),
        ({"name": "x" * 101}, "name", "one line of 1 to 100 characters, such as 'Morning report'"),
        ({"jitter_seconds": 3_601}, "jitter_seconds", "0 to 3600 whole seconds, such as 300"),
        ({"max_failures": -1}, "max_failures", "0 to 100, such as 3"),
        ({"max_tokens": 0}, "max_tokens", "from 1 to 1000000000, such as 50000"),
        ({"max_cost_usd": -1}, "max_cost_usd", "more than 0 and at most 10000, such as 0.5"),
        ({"device": "my laptop"}, "device", "'any'"),
        ({"overlap": "twice"}, "overlap", "skip"),
        ({"target": {"type": "message", "message": "x" * 16_001}}, "target.message", "16000"),
        ({"target": {"type": "message", "message": "x", "session_id": ""}}, "target.session_id", "at least 1"),
        ({"target": {"type": "agent"}}, "target.library_agent_id", "required"),
        ({"target": {"type": "email"}}, "target", "agent"),
        ({"colour": "blue"}, "colour", "not permitted"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(
    parley: Parley, client: Client, fields: dict[str, Any], where: str, says: str
) -> None:
    """And nothing is kept."""
    answer = client().post("/api/schedules", json=message_schedule(**fields))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    (problem,) = answer.json()["details"]["problems"]
    assert problem["field"] == where
    assert says in problem["problem"]
    assert not problem["problem"].startswith("Value error"), "that is another one's word"
    assert client().get("/api/schedules").json() == {"schedules": []}


@pytest.mark.parametrize("target", [{}, {"type": "nope"}])
def test_what_is_to_fire_says_what_it_is(client: Client, target: dict[str, Any]) -> None:
    """And nothing that was sent comes back."""
    answer = client().post("/api/schedules", json={**message_schedule(), "target": target})
    (problem,) = answer.json()["details"]["problems"]
    assert problem["problem"].startswith("must say by 'type' what it is")
    assert "nope" not in answer.text


@pytest.mark.parametrize(
    ("inputs", "status", "code"),
    [
        ({}, 422, "invalid_inputs"),
        ({"river": "Elbe", "sea": "North"}, 422, "invalid_inputs"),
        ({"river": "x" * 32_000}, 413, "inputs_too_large"),
    ],
)
def test_inputs_must_fit_the_agent(
    parley: Parley, client: Client, inputs: dict[str, Any], status: int, code: str
) -> None:
    """It would fail each time."""
    body = agent_schedule(river_agent(parley))
    body["target"]["inputs"] = inputs
    answer = client().post("/api/schedules", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "value", ['"\\ud800"', "NaN", "1e999", "[" * 101 + "]" * 101], ids=["half", "nan", "inf", "deep"]
)
def test_inputs_that_nobody_could_read_again_are_refused(parley: Parley, client: Client, value: str) -> None:
    """Else no list of the user's schedules could be answered any more."""
    agent = river_agent(parley)
    target = {"type": "agent", "library_agent_id": agent.id, "inputs": {"river": "here"}}
    body = json.dumps({**WEEKDAYS, "target": target}).replace('"here"', value)
    answer = client().post("/api/schedules", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_inputs")
    assert client().get("/api/schedules").json()["schedules"] == []


@pytest.mark.parametrize(
    "past", [{"at": "2025-06-15T15:06:00Z"}, {"cron": "0 9 * * *", "ends_at": "2025-06-16T08:00Z"}]
)
def test_a_time_that_never_comes_is_refused(client: Client, past: dict[str, Any]) -> None:
    """Better than a schedule that looks as if it worked."""
    body = message_schedule()
    body.pop("cron")
    answer = client().post("/api/schedules", json={**body, **past})
    assert (answer.status_code, answer.json()["code"]) == (422, "never_fires")


@pytest.mark.parametrize("field", ["at", "ends_at"])
@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00+12:00",
        "1969-12-31T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2099-12-31T23:00:00-01:00",
        "2290-01-01T00:00:00Z",
        "9999-12-31T23:00:00Z",
        "9999-12-31T23:59:59-12:00",
        1e300,
    ],
)
def test_times_out_of_reach_are_refused(parley: Parley, client: Client, field: str, instant: Any) -> None:
    """Some zone could not show them, so that no list would be answered; or they would fire now, or mean no end."""
    ada = client()
    made = ada.post("/api/schedules", json=message_schedule()).json()
    when = {"at": instant} if field == "at" else {"cron": "0 9 * * *", "ends_at": instant}
    zone = {"timezone": "Pacific/Kiritimati"}
    new = {**message_schedule(cron=None), **when, **zone}
    answers = [
        ada.post("/api/schedules", json=new),
        ada.post("/api/schedules/preview", json={**when, **zone}),
        ada.patch(f"/api/schedules/{made['id']}", json={field: instant}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        (problem,) = answer.json()["details"]["problems"]
        assert (problem["field"], "such as '2030-01-31T09:00:00Z'" in problem["problem"]) == (field, True)
    assert ada.get("/api/schedules").json()["schedules"][0]["updated_at"] == made["updated_at"]


def test_the_last_times_within_reach_are_shown_in_any_zone(client: Client) -> None:
    """To the second."""
    fields = {"at": "2099-12-31T23:59:59Z", "timezone": "Pacific/Kiritimati"}
    made = client().post("/api/schedules", json=message_schedule(cron=None, **fields))
    assert made.json()["next_fire_local"] == "2100-01-01T13:59:59+14:00"


def test_the_smallest_bound_is_one(client: Client) -> None:
    """Rounded off it would be none."""
    made = client().post("/api/schedules", json=message_schedule(max_cost_usd=1e-9)).json()
    assert made["max_cost_usd"] == 0.000001


def test_the_description_has_the_bounds_that_hold(client: Client) -> None:
    """A client that checks by it refuses the same."""
    schemas = client().get("/openapi.json").json()["components"]["schemas"]
    for name in ("NewSchedule", "PreviewRequest", "ScheduleChange"):
        shown = json.dumps(schemas[name]["properties"]["cron"])
        assert '"maxLength": 100' in shown, name


def test_null_is_taken_only_where_it_takes_something_away(parley: Parley, client: Client) -> None:
    """Anywhere else it would be answered as if it had changed something; the description says the same."""
    ada = client()
    made = ada.post("/api/schedules", json=agent_schedule(river_agent(parley), device="any", max_tokens=9)).json()
    address = f"/api/schedules/{made['id']}"
    properties = ada.get("/openapi.json").json()["components"]["schemas"]["ScheduleChange"]["properties"]
    taken = {"ends_at", "max_tokens", "max_cost_usd", "device"}
    assert {name for name, shown in properties.items() if {"type": "null"} in shown.get("anyOf", [])} == taken
    for name in properties:
        answer = ada.patch(address, json={name: None})
        assert answer.status_code == (200 if name in taken else 422), name
        if name not in taken:
            (problem,) = answer.json()["details"]["problems"]
            assert (problem["field"], "leave it out" in problem["problem"]) == (name, True)
    after = ada.get(address).json()
    assert (after["device"], after["max_tokens"], after["timezone"]) == (None, None, made["timezone"])
