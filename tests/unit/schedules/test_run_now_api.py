"""Schedules that are run at once, over HTTP. The fake clock begins on 2025-06-15, 15:06:40 UTC."""

from collections.abc import Callable

import pytest

from shared.accounts.profile import Profile, Profiles
from tests.support.region import Parley
from tests.support.schedules import Client, agent_schedule, message_schedule, river_agent


@pytest.mark.parametrize(
    ("limit", "kind", "code"),
    [
        (lambda parley: parley.with_runs(0, 0), "agent", "too_many_runs"),
        (lambda parley: parley.with_turns(0, 0), "message", "too_many_turns"),
        (lambda parley: parley.with_sends_per_minute(0), "message", "rate_limited"),
        (lambda parley: parley.with_limits(user_day_max_tokens=0), "message", "daily_budget"),
        (lambda parley: parley.with_limits(user_week_max_tokens=0), "message", "weekly_budget"),
    ],
    ids=["runs", "turns", "sends", "day", "week"],
)
def test_a_limit_is_answered_as_the_description_says(
    parley: Parley, client: Client, limit: Callable[[Parley], None], kind: str, code: str
) -> None:
    """Each of those that a run or a message may meet."""
    limit(parley)
    ada = client()
    body = agent_schedule(river_agent(parley)) if kind == "agent" else message_schedule()
    made = ada.post("/api/schedules", json=body).json()
    answer = ada.post(f"/api/schedules/{made['id']}/run")
    assert (answer.status_code, answer.json()["code"]) == (429, code)
    described = ada.get("/openapi.json").json()["paths"]["/api/schedules/{schedule_id}/run"]["post"]["responses"]
    assert code in described["429"]["content"]["application/json"]["examples"]


def test_what_has_begun_is_shown_on_the_clocks_that_the_history_has(parley: Parley, client: Client) -> None:
    """The profile's, else the schedule's."""
    ada = client()
    made = ada.post("/api/schedules", json=agent_schedule(river_agent(parley), timezone="Asia/Tokyo")).json()
    address = f"/api/schedules/{made['id']}"
    begun = ada.post(f"{address}/run").json()
    assert begun["fire_local"] == "2025-06-16T00:06:40+09:00"
    assert ada.get(f"{address}/history").json()["fires"] == [begun]
    Profiles(parley.database, parley.clock).save("ada", Profile(timezone="Europe/Paris"))
    assert ada.get(f"{address}/history").json()["fires"][0]["fire_local"] == "2025-06-15T17:06:40+02:00"
