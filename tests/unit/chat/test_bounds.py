"""What ends a turn that would otherwise go on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.chat.answering import Answering, UserAnswer
from shared.chat.opening import Submission
from shared.chat.sending import Sending
from shared.kernel.settings import ModelPrice
from shared.tasks.lineage import Lineage
from tests.support.checks import check_over, kinds
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo

CALL = calls(("c1", "echo", '{"text":"x"}'))
DEAR = calls(("c1", "echo", '{"text":"x"}'), tokens=(2_000, 1_900))


def run(parley: Parley, *scripts: Any, **bounds: Any) -> tuple[Any, Any]:
    parley.with_tools(Echo())
    parley.with_bounds(**bounds)
    parley.scripted(*scripts)
    session = parley.new_session()
    task = parley.send(session).task
    parley.drain_queue()
    return session, check_over(parley, session, task.id)


@pytest.mark.parametrize("bounds", [{"turn_max_steps": 2}, {"turn_max_tool_calls": 2}])
def test_out_of_steps_or_calls_the_user_still_gets_an_answer(parley: Parley, bounds: dict[str, int]) -> None:
    """One last call without tools, that says why."""
    _, task = run(parley, CALL, CALL, says("I had to stop here"), **bounds)
    assert task.status == "completed"
    assert [bool(request.tools) for request in parley.model.requests] == [True, True, False]
    assert parley.model.requests[-1].messages[-1]["role"] == "system"
    assert shown_text(parley.parts(task.id)) == "I had to stop here"


def test_calls_in_the_last_answer_are_closed_and_not_done(parley: Parley) -> None:
    """A model that calls although no tool is offered: its text counts, its calls fail for the viewers."""
    session, task = run(parley, CALL, [says("So far")[0], *CALL], turn_max_steps=1)
    assert task.status == "completed"
    assert parley.transcript(session)[-1].tool_calls == ()
    assert "tool-input-error" in kinds(parley.parts(task.id))


def test_a_last_answer_without_text_fails_with_the_limit(parley: Parley) -> None:
    """Nothing but calls, though none is possible."""
    _, task = run(parley, CALL, turn_max_steps=1)
    assert task.error["code"] == "step_limit"


def asked(parley: Parley, session: Any) -> dict[str, Any]:
    (request,) = Answering(parley.services).pending("ada", session.id)
    return request


def answer(parley: Parley, session: Any, approved: bool, reason: str = "") -> Any:
    """The user's answer, and the turn that goes on."""
    said = UserAnswer(asked(parley, session)["approval_id"], approved, reason)
    task = Answering(parley.services).answer("ada", said).task
    assert task is not None
    parley.drain_queue()
    return check_over(parley, session, task.id)


def dear(parley: Parley, *scripts: Any, **limits: Any) -> tuple[Any, Any]:
    """A turn under a budget that its first call nearly uses up."""
    parley.with_limits(**(limits or {"turn_max_tokens": 4_000}))
    return run(parley, DEAR, *scripts)


@pytest.mark.parametrize(
    ("limits", "asks"),
    [
        ({"turn_max_tokens": 4_000}, {"budget": "turn", "limit_tokens": 4_000, "limit_usd": None}),
        ({"turn_max_cost_usd": 0.006}, {"budget": "turn", "limit_tokens": None, "limit_usd": 0.006}),
        ({"tree_max_tokens": 4_000}, {"budget": "tree", "limit_tokens": 4_000, "limit_usd": None}),
    ],
)
def test_a_budget_that_is_used_up_pauses_the_turn(parley: Parley, limits: Any, asks: dict[str, Any]) -> None:
    """Seen before a call of the model that has no room; the user is asked, as by a call."""
    parley.engine = replace(parley.engine, prices={"scripted": ModelPrice(input=1.0, output=2.0)})
    session, task = dear(parley, says("Never"), **limits)
    assert task.status == "completed"
    assert kinds(parley.parts(task.id))[-6:] == [
        "start-step",
        "tool-input-available",
        "data-budget-pause",
        "tool-approval-request",
        "finish-step",
        "finish",
    ]
    request = asked(parley, session)
    assert request["tool_name"] == "raise_budget"
    assert json.loads(request["arguments"]) == asks
    (shown,) = [part["data"] for part in parley.parts(task.id) if part["type"] == "data-budget-pause"]
    assert shown == {**asks, "approval_id": request["approval_id"]}


@pytest.mark.parametrize("limit", ["turn_max_tokens", "tree_max_tokens"])
def test_an_approval_raises_the_budget_once(parley: Parley, limit: str) -> None:
    """The turn that goes on may spend as much again, counted over the whole message; then it asks again."""
    session, first = dear(parley, DEAR, says("Done"), **{limit: 4_000})
    second = answer(parley, session, True)
    assert (second.carried.tokens, second.spend.tokens) == (3_900, 3_900)
    assert kinds(parley.parts(second.id))[:3] == ["start", "tool-output-available", "start-step"]
    third = answer(parley, session, True)
    assert (third.status, third.continues) == ("completed", first.id)
    assert shown_text(parley.parts(third.id)) == "Done"
    totals = parley.session(session.id).totals
    assert totals.prompt_tokens + totals.completion_tokens == 7_815


def test_a_refusal_ends_the_turn_with_the_reason(parley: Parley) -> None:
    """It fails with the budget's code and the user's words, and asks the model nothing more."""
    session, _ = dear(parley, says("Never"))
    task = answer(parley, session, False, "too dear")
    assert (task.status, task.error["code"]) == ("failed", "turn_budget")
    assert "too dear" in task.error["message"]
    assert kinds(parley.parts(task.id))[1] == "tool-output-denied"
    assert len(parley.model.requests) == 1


def test_the_model_never_sees_the_question(parley: Parley) -> None:
    """The call that the clients are shown is ours; the provider gets a conversation without it."""
    session, _ = dear(parley, says("Done"))
    answer(parley, session, True)
    assert "raise_budget" not in json.dumps(parley.model.requests[-1].messages)
    assert "raise_budget" not in json.dumps(parley.model.requests[-1].tools)


def test_a_user_who_goes_on_begins_with_a_fresh_budget(parley: Parley) -> None:
    """A new message is a new turn; the question is closed."""
    session, _ = dear(parley, says("Fine"))
    task = parley.send(session, "Leave it", "m2").task
    parley.drain_queue()
    assert check_over(parley, session, task.id, "completed").carried.tokens == 0


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"turn_max_tokens": 0}, "turn_budget"), ({"user_day_max_tokens": 4_000}, "daily_budget")],
)
def test_what_the_user_may_not_raise_is_not_asked_about(parley: Parley, limits: Any, code: str) -> None:
    """A budget of nothing, and those of the deployment: the turn fails."""
    _, task = dear(parley, says("Never"), **limits)
    assert (task.status, task.error["code"]) == ("failed", code)


def test_a_turn_that_works_for_another_does_not_ask(parley: Parley) -> None:
    """Nobody could answer for it: it fails with the budget's code."""
    parley.with_limits(turn_max_tokens=4_000)
    parley.with_tools(Echo())
    parley.scripted(DEAR, says("Never"))
    session = parley.new_session()
    submission = Submission("m1", "Go", lineage=Lineage(parent="parent", root="parent", depth=1))
    task = Sending(parley.services, limited=False).submit("ada", session.id, submission).task
    parley.drain_queue()
    over = check_over(parley, session, task.id, "failed")
    assert (over.error or {})["code"] == "turn_budget"


def test_time_ends_the_turn(parley: Parley) -> None:
    """Wall time since the accept, waiting in the queue included."""
    session = parley.new_session()
    parley.with_bounds(turn_max_seconds=60)
    parley.scripted(says("Never"))
    task = parley.send(session).task
    parley.clock.advance(61)
    parley.drain_queue()
    over = check_over(parley, session, task.id, "failed")
    assert over.error is not None
    assert over.error["code"] == "time_limit"
