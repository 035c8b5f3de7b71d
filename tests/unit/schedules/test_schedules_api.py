"""Schedules over HTTP, in fake time; the answers are held to their description.

2025-06-15, when the fake clock begins, is a Sunday; it is 15:06:40 UTC.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.accounts.profile import Profile, Profiles
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.graphs.model import Graph, Link, Node
from shared.agents.library.library import Library
from shared.aws.writes import Put
from shared.schedules.records import MAX_SCHEDULES, SHARDS, count_key
from shared.schedules.store import ScheduleStore
from tests.support.blocks import block_named
from tests.support.description import Description
from tests.support.examples import examples_in
from tests.support.region import Parley
from tests.support.schedules import WEEKDAYS, Client, agent_schedule, message_schedule, river_agent


def due_rows(parley: Parley) -> list[str]:
    """When, as the tick sees it."""
    store = ScheduleStore(parley.database)
    return sorted(iso(row.due) for shard in range(SHARDS) for row in store.due(shard, 10**13 - 1))


def iso(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def test_an_agent_is_scheduled_and_shown(parley: Parley, client: Client) -> None:
    """The whole of it, with the next time in UTC and on the user's own clocks."""
    Profiles(parley.database, parley.clock).save("ada", Profile(timezone="America/New_York"))
    ada, agent = client(), river_agent(parley)
    answer = ada.post("/api/schedules", json=agent_schedule(agent, timezone="Europe/Berlin"))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["status"], made["timezone"], made["cron"]) == ("active", "Europe/Berlin", "30 9 * * 1-5")
    assert made["next_fire"] == "2025-06-16T07:30:00.000Z"
    assert made["next_fire_local"] == "2025-06-16T03:30:00-04:00"
    assert made["target"] == {
        "type": "agent",
        "library_agent_id": agent.id,
        "graph_id": agent.graph_id,
        "inputs": {"river": "Elbe"},
    }
    assert due_rows(parley) == ["2025-06-16T07:30"]
    assert ada.get(f"/api/schedules/{made['id']}").json() == made
    (listed,) = ada.get("/api/schedules", params={"library_agent_id": agent.id}).json()["schedules"]
    assert (listed["id"], "inputs" in listed["target"]) == (made["id"], False)
    assert ada.get("/api/schedules", params={"graph_id": "another"}).json() == {"schedules": []}
    assert ada.get(f"/api/schedules/{made['id']}/history").json() == {"fires": []}


def test_what_the_page_shows_makes_schedules(parley: Parley, client: Client) -> None:
    """Its two bodies, with ids that there are, and what it says of changes and previews."""
    bodies = [json.loads(one.code) for one in examples_in("docs/schedules.md") if one.language == "json"]
    ada = client()
    agent = ada.post("/api/store/parley/watch-a-page/add").json()["id"]
    session = ada.post("/api/chat/sessions").json()["id"]
    bodies[0]["target"]["library_agent_id"], bodies[1]["target"]["session_id"] = agent, session
    run, message = (ada.post("/api/schedules", json=body).json()["id"] for body in bodies)
    inputs = {"inputs": {"url": "https://example.org/"}}
    assert ada.patch(f"/api/schedules/{run}", json=inputs).json()["target"]["inputs"] == inputs["inputs"]
    assert ada.patch(f"/api/schedules/{message}", json=inputs).json()["code"] == "wrong_kind"
    for refused in ({"target": bodies[0]["target"]}, {"delay_seconds": 90}, {"request_id": "r"}):
        assert ada.patch(f"/api/schedules/{run}", json=refused).json()["code"] == "validation_failed"
    past = ada.post("/api/schedules/preview", json={"at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["next_fires"]) == (200, [])


def test_an_agent_whose_accounts_are_missing_is_not_scheduled(parley: Parley, client: Client) -> None:
    """As it would not be run: the user is told what to connect, before it fails each morning."""
    graph = Graph(
        name="Post",
        nodes=[
            Node(
                id="post",
                block_id=block_named("Send webhook").id,
                input_default={"url": "https://hooks.example.com/x", "payload": {}},
            ),
            Node(id="out", block_id=AgentOutput.id, input_default={"name": "status"}),
        ],
        links=[Link(source_id="post", source_name="status", sink_id="out", sink_name="value")],
    )
    agent = Library(parley.database, parley.clock).create("ada", graph, "poster")
    target = {"type": "agent", "library_agent_id": agent.id, "inputs": {}}
    refused = client().post("/api/schedules", json={**WEEKDAYS, "target": target})
    assert (refused.status_code, refused.json()["code"]) == (409, "credentials_missing")
    assert refused.json()["details"]["missing"] == ["webhook_signing"]
    assert client().get("/api/schedules").json()["schedules"] == []


@pytest.mark.parametrize(
    ("given", "profile", "zone"),
    [("Asia/Tokyo", "Europe/Paris", "Asia/Tokyo"), (None, "Europe/Paris", "Europe/Paris"), (None, None, "UTC")],
)
def test_the_zone_is_the_given_one_else_the_profiles_else_utc(
    parley: Parley, client: Client, given: str | None, profile: str | None, zone: str
) -> None:
    """A schedule says on whose clocks it is; it keeps its zone when its user moves."""
    Profiles(parley.database, parley.clock).save("ada", Profile(timezone=profile))
    made = client().post("/api/schedules", json=message_schedule(**({"timezone": given} if given else {}))).json()
    assert made["timezone"] == zone
    preview = {"cron": "0 9 * * *", **({"timezone": given} if given else {})}
    assert client().post("/api/schedules/preview", json=preview).json()["timezone"] == zone


def test_the_next_five_times_are_shown_before_anything_is_saved(parley: Parley, client: Client) -> None:
    """In UTC and on the user's clocks."""
    body = {"cron": "0 9 * * 6", "timezone": "Europe/Berlin"}
    shown = client().post("/api/schedules/preview", json=body).json()
    assert [time["at"][:16] for time in shown["next_fires"]] == [
        "2025-06-21T07:00",
        "2025-06-28T07:00",
        "2025-07-05T07:00",
        "2025-07-12T07:00",
        "2025-07-19T07:00",
    ]
    assert shown["next_fires"][0]["local"] == "2025-06-21T09:00:00+02:00"
    once = client().post("/api/schedules/preview", json={"delay_seconds": 90}).json()
    assert [time["at"][:19] for time in once["next_fires"]] == ["2025-06-15T15:08:10"]
    ending = {**body, "ends_at": "2025-07-01T00:00:00Z"}
    assert len(client().post("/api/schedules/preview", json=ending).json()["next_fires"]) == 2
    assert due_rows(parley) == []


def test_a_schedule_pauses_and_goes_on_from_now(parley: Parley, client: Client) -> None:
    """What it would have done meanwhile is not made up for."""
    ada = client()
    made = ada.post("/api/schedules", json=message_schedule()).json()
    address = f"/api/schedules/{made['id']}"
    paused = ada.post(f"{address}/pause").json()
    assert (paused["status"], paused["reason"], paused["next_fire"]) == ("paused", "user", None)
    assert due_rows(parley) == []
    assert ada.post(f"{address}/pause").json() == paused
    parley.clock.advance(3 * 86_400)
    resumed = ada.post(f"{address}/resume").json()
    assert (resumed["status"], resumed["reason"]) == ("active", None)
    assert resumed["next_fire"] == "2025-06-19T09:30:00.000Z"
    assert due_rows(parley) == ["2025-06-19T09:30"]
    assert ada.post(f"{address}/resume").json() == resumed


def test_changed_times_count_from_now_and_other_changes_leave_the_next_fire(parley: Parley, client: Client) -> None:
    """One due row, always."""
    ada, agent = client(), river_agent(parley)
    made = ada.post("/api/schedules", json=agent_schedule(agent, ends_at="2025-12-31T00:00:00Z")).json()
    address = f"/api/schedules/{made['id']}"
    renamed = ada.patch(address, json={"name": "Rivers", "overlap": "queue", "inputs": {"river": "Oder"}}).json()
    assert (renamed["name"], renamed["overlap"], renamed["next_fire"]) == ("Rivers", "queue", made["next_fire"])
    assert renamed["target"]["inputs"] == {"river": "Oder"}
    moved = ada.patch(address, json={"cron": "0 18 * * *", "ends_at": None}).json()
    assert (moved["next_fire"], moved["ends_at"]) == ("2025-06-15T18:00:00.000Z", None)
    assert due_rows(parley) == ["2025-06-15T18:00"]
    once = ada.patch(address, json={"at": "2025-06-20T12:00:00Z"}).json()
    assert (once["cron"], once["once"], once["next_fire"]) == (None, True, "2025-06-20T12:00:00.000Z")
    assert due_rows(parley) == ["2025-06-20T12:00"]
    refused = {
        "wrong_kind": {"message": "Hello"},
        "invalid_inputs": {"inputs": {}},
        "never_fires": {"at": "2025-06-01T00:00:00Z"},
        "validation_failed": {},
    }
    for code, body in refused.items():
        answer = ada.patch(address, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert ada.get(address).json() == once


def test_a_deleted_schedule_is_gone(parley: Parley, client: Client) -> None:
    """With the row by which it would fire."""
    ada = client()
    address = f"/api/schedules/{ada.post('/api/schedules', json=message_schedule()).json()['id']}"
    assert ada.delete(address).status_code == 204
    assert due_rows(parley) == []
    assert ada.get("/api/schedules").json() == {"schedules": []}
    assert ada.delete(address).json()["code"] == "SCHEDULE_NOT_FOUND"


def test_what_belongs_to_somebody_else_does_not_exist(parley: Parley, client: Client) -> None:
    """A schedule, an agent, a session."""
    eve, agent = client("eve"), river_agent(parley)
    made = client().post("/api/schedules", json=agent_schedule(agent)).json()
    address = f"/api/schedules/{made['id']}"
    answers = [
        eve.get(address),
        eve.patch(address, json={"name": "Mine"}),
        eve.delete(address),
        eve.post(f"{address}/pause"),
        eve.post(f"{address}/resume"),
        eve.get(f"{address}/history"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "SCHEDULE_NOT_FOUND")}
    assert eve.get("/api/schedules").json() == {"schedules": []}
    assert eve.post("/api/schedules", json=agent_schedule(agent)).json()["code"] == "AGENT_NOT_FOUND"
    session = parley.new_session("ada")
    target = {"type": "message", "message": "Hello", "session_id": session.id}
    assert eve.post("/api/schedules", json=message_schedule(target=target)).json()["code"] == "SESSION_NOT_FOUND"
    assert client().get(address).json() == made


def test_a_user_has_a_hundred_schedules_at_most(parley: Parley, client: Client) -> None:
    """The next one is refused until one goes."""
    ada = client()
    made = ada.post("/api/schedules", json=message_schedule()).json()["id"]
    parley.database.write(Put({**count_key("ada"), "v": 1, "schedules": MAX_SCHEDULES}))
    answer = ada.post("/api/schedules", json=message_schedule())
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_schedules")
    ada.delete(f"/api/schedules/{made}")
    assert ada.post("/api/schedules", json=message_schedule()).status_code == 201
    assert ada.post("/api/schedules", json=message_schedule()).status_code == 429


def test_guests_have_no_schedules(client: Client) -> None:
    """They have no account that a schedule could work for."""
    guest = client().post("/api/chat/guest-token").json()["token"]
    answer = client().get("/api/schedules", headers={"authorization": f"Bearer {guest}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "login_required")


def test_the_answers_are_what_the_description_says(parley: Parley, client: Client) -> None:
    """Real ones, held to the schemas."""
    ada = client()
    described = Description(ada.get("/openapi.json").json())

    def check(method: str, path: str, template: str, **sent: Any) -> dict[str, Any]:
        answer = ada.request(method, path, **sent)
        operation = described.document["paths"][template][method.lower()]
        media = operation["responses"][str(answer.status_code)]["content"]["application/json"]
        assert not described.problems_with(media["schema"], answer.json()), path
        return dict(answer.json())

    made = check("POST", "/api/schedules", "/api/schedules", json=agent_schedule(river_agent(parley)))
    one, template = f"/api/schedules/{made['id']}", "/api/schedules/{schedule_id}"
    check("GET", "/api/schedules", "/api/schedules")
    check("POST", "/api/schedules/preview", "/api/schedules/preview", json={"cron": "0 9 * * *"})
    check("GET", one, template)
    check("PATCH", one, template, json={"name": "Again"})
    check("POST", f"{one}/pause", f"{template}/pause")
    check("POST", f"{one}/resume", f"{template}/resume")
    check("GET", f"{one}/history", f"{template}/history")
