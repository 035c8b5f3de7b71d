"""Blocks in a chat: found, asked about, run once, paid once, and only those that the session may use."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.credits import Credits
from shared.accounts.permissions import Permissions
from shared.agents.blocks.contract import BlockContext
from shared.chat.sessions import Session
from shared.kernel.settings import BudgetLimits
from shared.tasks.records import TaskStatus
from tests.support.chat_blocks import (
    Paint,
    PaintInput,
    PaintOutput,
    balance,
    begin,
    paint,
    results,
    run,
    with_blocks,
)
from tests.support.checks import check_over
from tests.support.logs import logged
from tests.support.model import calls, fails, says
from tests.support.region import Parley
from tests.support.time import InlineWorkers

QUERY = {"block_id": "JSON query", "input_data": {"query": "a", "document": {"a": 1}}}
HOOK = {"url": "https://127.0.0.1/", "payload": 1}


class _NeverEnds(BaseException):
    """Stands for a thread that is still busy."""


class Stuck(Paint):
    """Never answers."""

    def run(self, context: BlockContext, inputs: PaintInput) -> PaintOutput:
        raise _NeverEnds


class StuckWorkers(InlineWorkers):
    """Whose tools may stay busy for ever."""

    def start(self, name: str, job: Callable[[], None]) -> None:
        with suppress(_NeverEnds):
            job()


def test_a_block_is_found_and_run_in_two_steps(parley: Parley) -> None:
    """Found by what it does; without inputs it tells its schema; with them it runs."""
    with_blocks(parley)
    found, details, output = run(
        parley,
        ("find_block", {"query": "filter a JSON value"}),
        ("run_block", {"block_id": "json query"}),
        ("run_block", QUERY),
    )
    assert found["blocks"][0]["name"] == "JSON query"
    assert found["blocks"][0]["input_schema"] is None
    assert (details["type"], sorted(details["inputs"]["required"])) == ("block_details", ["document", "query"])
    assert output["outputs"] == {"result": [1]}
    assert (output["success"], output["block_name"], "is_dry_run" in output) == (True, "JSON query", False)


def test_schemas_are_found_when_they_are_asked_for(parley: Parley) -> None:
    """Ten results at most."""
    with_blocks(parley)
    (found,) = run(parley, ("find_block", {"query": "a value text file model list", "include_schemas": True}))
    assert 1 <= found["count"] == len(found["blocks"]) <= 10
    assert all(block["input_schema"]["properties"] for block in found["blocks"])


def test_inputs_that_do_not_fit_are_answered_with_the_schema(parley: Parley) -> None:
    """Unknown fields are named, and nothing is run."""
    block = Paint()
    with_blocks(parley, block)
    wrong, missing = run(
        parley,
        ("run_block", {"block_id": block.id, "input_data": {"text": "river", "txet": 1}}),
        ("run_block", {"block_id": block.id, "input_data": {"text": 7}}),
    )
    assert (wrong["type"], wrong["unrecognized_fields"]) == ("input_validation_error", ["txet"])
    assert wrong["inputs"]["properties"].keys() == {"text"}
    assert (missing["unrecognized_fields"], missing["problems"]) == ([], ["text: Input should be a valid string"])
    assert block.painted == []


def test_what_a_chat_has_a_tool_for_is_no_block_of_it(parley: Parley) -> None:
    """AutoPilot is `run_sub_session`; neither are blocks that this deployment can't run, such as those of files."""
    with_blocks(parley)
    found, *refused = run(
        parley,
        ("find_block", {"query": "AutoPilot sub-session"}),
        ("run_block", {"block_id": "AutoPilot", "input_data": {"prompt": "x"}}),
        ("run_block", {"block_id": "Read a file", "input_data": {"path": "x"}}),
        ("run_block", {"block_id": "no such", "input_data": {"path": "x"}}),
    )
    assert "AutoPilot" not in {block["name"] for block in found["blocks"]}
    assert [answer["code"] for answer in refused] == ["block_not_found"] * 3


@pytest.mark.parametrize("entry", ["json QUERY", "a700e4bc-2f12-4d88-906b-0024010db8ee", "a700e4bc"])
def test_a_session_may_use_what_its_lists_allow(parley: Parley, entry: str) -> None:
    """What is denied is neither found nor run; nor is what an allow list leaves out."""
    with_blocks(parley)
    asked = (("find_block", {"query": "JSON query"}), ("run_block", QUERY), ("run_block", {"block_id": "Wait"}))
    denied = Permissions.of_lists(blocks=[entry]).to_item()
    found, query, wait = run(parley, *asked, permissions=denied)
    assert "JSON query" not in {block["name"] for block in found["blocks"]}
    assert (query["code"], wait["type"]) == ("block_not_found", "block_details")

    allowed = Permissions.of_lists(blocks=[entry], blocks_exclude=False).to_item()
    found, query, wait = run(parley, *asked, permissions=allowed)
    assert [block["name"] for block in found["blocks"]] == ["JSON query"]
    assert (query["type"], wait["code"]) == ("block_output", "block_not_found")


def test_a_block_with_a_price_is_charged_once(parley: Parley) -> None:
    """When it has brought something; looking at it, or a mistake, costs nothing."""
    with_blocks(parley, Paint())
    Credits(parley.database, parley.clock).grant("ada", 10, "g")
    run(parley, ("run_block", {"block_id": "Paint"}), ("run_block", {"block_id": "Paint", "input_data": {"x": 1}}))
    assert balance(parley) == 10
    run(parley, paint(), paint())
    assert balance(parley) == 2
    (refused,) = run(parley, paint())
    assert (refused["code"], balance(parley)) == ("insufficient_credits", 2)


def test_a_dry_run_shows_and_costs_nothing(parley: Parley) -> None:
    """And says that it was one; nobody is asked either."""
    block = Paint(acts=True)
    with_blocks(parley, block)
    output, hook = run(
        parley,
        paint(),
        ("run_block", {"block_id": "Send webhook", "input_data": {**HOOK, "url": "https://hooks.example.com/"}}),
        dry_run=True,
    )
    assert (output["outputs"], output["is_dry_run"]) == ({"picture": ["(none)"]}, True)
    assert hook["outputs"]["status_code"] == [200]
    assert block.painted == []


def test_missing_credentials_are_named(parley: Parley) -> None:
    """Nothing is run."""
    block = Paint(["github"])
    with_blocks(parley, block)
    (answer,) = run(parley, paint())
    info = answer["setup_info"]
    assert answer["type"] == "setup_requirements"
    assert info["requirements"]["credentials"] == info["user_readiness"]["missing_credentials"] == ["github"]
    assert not info["user_readiness"]["ready_to_run"]
    assert block.painted == []


def test_nobody_is_asked_about_what_can_not_run(parley: Parley) -> None:
    """Wrong inputs, or an account that isn't connected."""
    with_blocks(parley, Paint(["github"], acts=True))
    wrong, missing = run(parley, ("run_block", {"block_id": "Send webhook", "input_data": {"url": "x"}}), paint())
    assert (wrong["type"], missing["type"]) == ("input_validation_error", "setup_requirements")


def test_a_block_that_waits_parks_the_turn(parley: Parley) -> None:
    """No worker is held, and the call ends when the time has come."""
    with_blocks(parley)
    began = parley.clock.now()
    session, task = begin(parley, ("run_block", {"block_id": "Wait", "input_data": {"seconds": 600, "value": "go"}}))
    assert parley.task(task.id).status is TaskStatus.WAITING
    parley.clock.advance_to(began + 600)
    parley.drain_queue()
    parley.sweep()
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    (output,) = results(parley, session)
    assert output["outputs"]["value"] == ["go"]


def ask_model(parley: Parley, session: Session, *answers: Any) -> list[dict[str, Any]]:
    with_blocks(parley)
    call = (
        "c1",
        "run_block",
        json.dumps({"block_id": "Ask a model", "input_data": {"prompt": "Hello", "system": "Be brief"}}),
    )
    parley.scripted(calls(call), *answers, says("Done"))
    task = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    return results(parley, session)


@pytest.mark.parametrize("limited", [False, True])
def test_what_the_model_is_asked_counts_in_the_turn(parley: Parley, limited: bool) -> None:
    """Its tokens are the turn's own, reserved before and settled after, and once."""
    if limited:
        limits = BudgetLimits(turn_max_tokens=100_000, user_day_max_tokens=100_000)
        parley.services = replace(parley.services, limits=limits)
    session = parley.new_session()
    (output,) = ask_model(parley, session, says("Bonjour", tokens=(100, 50)))
    task = parley.task(parley.session(session.id).last_task or "")

    assert output["outputs"] == {"response": ["Bonjour"]}
    assert (task.spend.prompt_tokens, task.spend.completion_tokens) == (120, 60)
    assert parley.model.requests[1].max_output_tokens == 2_000
    assert parley.model.requests[1].tools == []


def test_a_model_that_fails_is_an_error_of_the_block(parley: Parley) -> None:
    """The turn goes on."""
    (answer,) = ask_model(parley, parley.new_session(), fails("model_refused", retryable=False))
    assert (answer["type"], answer["code"]) == ("error", "model_refused")


def test_a_budget_that_is_used_up_is_an_error_of_the_block(parley: Parley) -> None:
    """Without a call of the model."""
    parley.services = replace(parley.services, limits=BudgetLimits(user_day_max_tokens=25_000))
    parley.engine = replace(parley.engine, max_output_tokens=300)
    with_blocks(parley)
    session = parley.new_session()
    data = {"prompt": "x" * 26_000}
    call = ("c1", "run_block", json.dumps({"block_id": "Ask a model", "input_data": data}))
    parley.scripted(calls(call, tokens=(20, 5)), says("Done"))
    parley.send(session)
    parley.drain_queue()
    assert results(parley, session)[0]["code"] == "daily_budget"


def test_the_cap_names_the_block(parley: Parley) -> None:
    """What is told of a call that was stopped says what it ran; what has brought nothing yet is not paid."""
    with_blocks(parley, Stuck())
    parley.engine = replace(parley.engine, workers=StuckWorkers(parley.clock))
    Credits(parley.database, parley.clock).grant("ada", 10, "g")
    with logged() as log:
        (answer,) = run(parley, paint())
    told = log.one("copilot_tool_timeout")

    assert answer["code"] == "tool_timeout"
    assert "run_sub_session" in answer["message"]
    assert (told["tool"], told["block"], told["block_id"]) == ("run_block", "Paint", Paint.id)
    assert balance(parley) == 10


@pytest.mark.parametrize(
    "arguments",
    [
        {"block_id": "HTTP request", "input_data": {"url": "https://example.com/", "method": "POST"}},
        {"block_id": "HTTP request", "input_data": {"url": "https://hooks.example.com/"}},
        {"block_id": "HTTP request", "input_data": {"method": "POST"}},
        {"block_id": "Send webhook"},
        {"block_id": "Send webhook", "input_data": {**HOOK}},
        {"block_id": "nothing", "input_data": {"x": 1}},
    ],
)
def test_a_call_that_asks_the_user_first_changes_nothing(parley: Parley, arguments: dict[str, Any]) -> None:
    """So it may be repeated after a kill."""
    with_blocks(parley)
    tool = parley.engine.toolbox.get("run_block")
    assert tool is not None
    assert not tool.takes_effect(tool.input_model.model_validate(arguments))
