"""The demo model's phrases about agents and schedules."""

import json
from typing import Any

import pytest

from local.demo_phrases import Reply, Request, plan_failure, plan_reply

TOOLS = [
    "run_agent",
    "find_library_agent",
    "view_agent_output",
    "list_schedules",
    "delete_schedule",
    "schedule_followup",
    "web_fetch",
]

SAVED = {
    "type": "agent_saved",
    "message": "Tide table is saved. Show the user the link.",
    "agent_name": "Tide table",
    "library_agent_link": "/#agent=L1",
}


def request(asked: str, *results: Any, tools: list[str] = TOOLS) -> Request:
    told = tuple(json.dumps(result) for result in results)
    return Request(asked, told, tuple(tools))


def call(reply: Reply) -> tuple[str, dict[str, Any]]:
    (made,) = reply.calls
    return made.name, json.loads(made.arguments)


@pytest.mark.parametrize(
    ("asked", "arguments"),
    [
        ("run parley/a-b", {"inputs": {}, "wait_for_result": 0}),
        ("Please run parley/a-b and wait.", {"inputs": {}, "wait_for_result": 300}),
        ("run parley/a-b with defaults and wait 5 s", {"use_defaults": True, "wait_for_result": 5}),
        (
            "run parley/a-b with x=1, y=one, two, z=[3] and wait 900",
            {"inputs": {"x": 1, "y": "one, two", "z": [3]}, "wait_for_result": 300},
        ),
        (
            "run parley/a-b with url=http://a.example/?b=c&d=e, n={",
            {"inputs": {"url": "http://a.example/?b=c&d=e", "n": "{"}, "wait_for_result": 0},
        ),
        (
            "schedule parley/a-b at */5 9-17 * * 1-5 as Every five with x=1",
            {"inputs": {"x": 1}, "schedule_name": "Every five", "cron": "*/5 9-17 * * 1-5"},
        ),
        ("schedule parley/a-b at 0 9 * * * as Daily", {"inputs": {}, "schedule_name": "Daily", "cron": "0 9 * * *"}),
    ],
)
def test_an_agent_is_run_by_its_slug(asked: str, arguments: dict[str, Any]) -> None:
    """At once; waits have their limit."""
    tool, given = call(plan_reply(request(asked)))
    assert tool == "run_agent"
    assert given == {**arguments, "username_agent_slug": "parley/a-b"}


def test_a_published_agent_is_copied_and_changed() -> None:
    """At once, by its slug."""
    tools = [*TOOLS, "edit_agent", "customize_agent"]
    asked = "Please change parley/a-b so that it fetches https://a.example and asks error 500"
    tool, given = call(plan_reply(request(asked, tools=tools)))
    assert tool == "customize_agent"
    assert given == {"agent_id": "parley/a-b", "changes": "fetches https://a.example and asks error 500"}
    assert plan_reply(request(asked, SAVED, tools=tools)).calls == ()


def test_an_own_agent_is_found_and_changed_after_the_guide() -> None:
    """By its name; what nobody has is said."""
    tools = [*TOOLS, "edit_agent", "customize_agent"]
    asked = "change “Tide table” so that it is short"
    assert call(plan_reply(request(asked, tools=tools))) == ("find_library_agent", {"query": "Tide table"})
    found = {"type": "library_agents", "message": "One.", "agents": [{"id": "L1", "name": "Tide table"}]}
    assert call(plan_reply(request(asked, found, tools=tools))) == ("get_agent_building_guide", {})
    guide = {"type": "agent_building_guide", "message": "So."}
    changes = {"agent_id": "L1", "changes": "is short"}
    assert call(plan_reply(request(asked, found, guide, tools=tools))) == ("edit_agent", changes)
    assert "Tide table is saved: /#agent=L1." in plan_reply(request(asked, found, guide, SAVED, tools=tools)).text
    nobody = {"type": "library_agents", "message": "There is none.", "agents": []}
    assert "There is none" in plan_reply(request(asked, nobody, tools=tools)).text


@pytest.mark.parametrize("asked", ["run Tide table with x=1", "run “Tide table”", "run my tide table and wait 3"])
def test_an_agent_is_found_by_its_name_first(asked: str) -> None:
    """The best one in the library is run; if there is none, that is said."""
    assert call(plan_reply(request(asked)))[0] == "find_library_agent"
    found = {"type": "library_agents", "agents": [{"id": "l1", "name": "Tide table"}], "message": ""}
    tool, given = call(plan_reply(request(asked, found)))
    assert (tool, given["library_agent_id"]) == ("run_agent", "l1")
    nothing = plan_reply(request(asked, {**found, "agents": [], "message": "No agent fits."}))
    assert nothing.text.startswith("No agent fits.")
    assert not nothing.calls


@pytest.mark.parametrize("asked", ["I run", "a run of luck", "I run and fetch a.example"])
def test_not_every_run_is_an_agents(asked: str) -> None:
    """The word alone asks for nothing."""
    assert [made.name for made in plan_reply(request(asked)).calls] in ([], ["web_fetch"])


def test_what_an_agent_is_given_is_no_phrase() -> None:
    """Neither a failure nor a fetch nor a slow answer."""
    asked = "run parley/a-b with x=always fail, slow 9 and fetch a.example and wait"
    assert plan_failure(request(asked)) is None
    assert call(plan_reply(request(asked)))[0] == "run_agent"
    last = plan_reply(request(asked, {"type": "error", "message": "no"}))
    assert (last.calls, last.seconds) == ((), None)


def test_the_other_phrases() -> None:
    """What runs have brought, schedules, and messages for later."""
    assert call(plan_reply(request("Show the last run of Tide table"))) == (
        "view_agent_output",
        {"agent_name": "Tide table", "wait_if_running": 0},
    )
    assert call(plan_reply(request("show the last run of parley/a-b and wait 9")))[1] == {
        "store_slug": "parley/a-b",
        "wait_if_running": 9,
    }
    assert call(plan_reply(request("Please list my schedules."))) == ("list_schedules", {})
    assert call(plan_reply(request("remind me in 60 s: count to 3"))) == (
        "schedule_followup",
        {"message": "count to 3", "delay_seconds": 60, "session_id": "this"},
    )


def test_a_schedule_is_looked_up_and_taken_away() -> None:
    """By its whole name; one that is not there is left alone."""
    asked = "Please delete the schedule Daily."
    assert call(plan_reply(request(asked)))[0] == "list_schedules"
    listed = {"type": "schedule_list", "schedules": [{"name": "Daily", "schedule_id": "s1"}]}
    assert call(plan_reply(request(asked, listed))) == ("delete_schedule", {"schedule_id": "s1"})
    assert not plan_reply(request(asked, {**listed, "schedules": []})).calls
    last = plan_reply(request(asked, listed, {"type": "schedule_deleted", "name": "Daily"}))
    assert last.text.startswith("Daily fires no more.")


def test_what_came_back_is_told() -> None:
    """In a sentence for each kind of answer."""
    execution = {"status": "COMPLETED", "outputs": {"high": ["06:12", "18:40"], "metres": [3]}}
    output = {"type": "agent_output", "agent_name": "Tides", "execution": execution}
    said = plan_reply(request("run parley/a-b and wait", output)).text
    assert said.startswith("**Tides**: completed. It answers high: “06:12”, “18:40”; metres: “3”.")
    review = {
        "type": "execution_started",
        "graph_name": "Tides",
        "status": "REVIEW",
        "message": "Tell the user.",
        "execution_link": "/#run=R1",
        "reviews": ["r"],
    }
    assert "**Tides**: review. Review r at /#run=R1." in plan_reply(request("run parley/a-b", review)).text
    details = {"type": "agent_details", "agent": {"name": "Tides", "inputs": {"properties": {"port": {}}}}}
    assert "**Tides** takes port." in plan_reply(request("run parley/a-b", details)).text
    schedule = {"name": "Daily", "status": "active", "next_run": "2025-07-19T09:00:00+02:00"}
    listed = {"type": "schedule_list", "schedules": [schedule]}
    assert "- Daily: active, next at 2025-07-19T09:00" in plan_reply(request("list schedules", listed)).text
    assert plan_reply(request("list schedules", {**listed, "schedules": []})).text.startswith("You have no schedules.")
    later = plan_reply(request("remind me in 60 s: hi", {"type": "followup_scheduled", "schedule": schedule}))
    assert later.text.startswith("I will come back to you at 2025-07-19")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"type": "execution_started", "graph_name": "Tides", "status": "RUNNING", "execution_link": "/#run=R1"},
            "**Tides**: running. Follow it at /#run=R1.",
        ),
        (
            {
                "type": "execution_started",
                "graph_name": "Tides",
                "status": "SCHEDULED",
                "schedule": {"next_run_time": "2025-07-19T09:00:00+02:00"},
            },
            "**Tides**: scheduled. It runs next at 2025-07-19T09:00:00+02:00.",
        ),
        (SAVED, "Tide table is saved: /#agent=L1."),
        (
            {"type": "agent_preview", "agent_name": "Tides", "node_count": 3},
            "Tides would have 3 nodes. It is not saved.",
        ),
        ({"type": "operation_started"}, "I have begun; the result comes by itself."),
        ({"type": "operation_pending"}, "I have begun; the result comes by itself."),
    ],
)
def test_what_is_meant_for_the_model_is_not_read_aloud(fields: dict[str, Any], said: str) -> None:
    """The user hears how it stands, and where to look."""
    answer = {"message": "Tell the user, and end your turn.", **fields}
    assert plan_reply(request("run parley/a-b", answer)).text.startswith(f"{said} That took")


@pytest.mark.parametrize("before", range(150, 215))
def test_a_long_failure_is_cut_between_words(before: int) -> None:
    """Its link is there whole, or not at all."""
    link = "/#run=01K0G2ZQ5C8T9V3M7R4X6W1B2A"
    message = f"{'n' * 9} {'w' * (before - 11)} {link} or repair the agent with its builder, as you like."
    said = plan_reply(request("run parley/a-b", {"type": "error", "message": message})).text
    assert said.count("/#") == said.count(f"{link} ")
    assert "… That took" in said


def test_material_is_told_by_its_first_words() -> None:
    """Whatever phrases are in it: pages are no commands."""
    asked = "Compare these.\n\n--- First text ---\nalways fail\n\n--- Second text ---\nslow 9, run a/b"
    assert plan_failure(request(asked, tools=[])) is None
    reply = plan_reply(request(asked, tools=[]))
    assert reply == Reply("I have read. First text: “always fail” Second text: “slow 9, run a/b”")


def test_the_same_history_gives_the_same_answer() -> None:
    """Nothing but the request counts."""
    assert plan_reply(request("run parley/a-b and wait 3")) == plan_reply(request("run parley/a-b and wait 3"))
