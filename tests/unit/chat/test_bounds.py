"""What ends a turn that would otherwise go on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.chat.answering import Answering, UserAnswer
from shared.chat.bounds import BudgetExhausted, check_hard_bounds, raise_bound
from shared.kernel.errors import Terminal
from shared.kernel.settings import ModelPrice, TurnBounds
from shared.tasks.records import Spend, Task, TaskStatus
from tests.support.checks import check_over, kinds
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo

CALL = calls(("c1", "echo", '{"text":"x"}'))


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


def test_tokens_and_money_pause_the_turn(parley: Parley) -> None:
    """Checked before each model call, with the provider's own numbers; the user is asked, as by a call."""
    session, task = run(parley, CALL, says("Never"), turn_max_tokens=15)
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
    arguments = {"bound": "tokens", "spent": 15, "limit": 15, "asked_for": 15}
    assert json.loads(request["arguments"]) == arguments
    (shown,) = [part["data"] for part in parley.parts(task.id) if part["type"] == "data-budget-pause"]
    assert shown == {**arguments, "approval_id": request["approval_id"]}

    parley.engine = replace(parley.engine, prices={"scripted": ModelPrice(input=1.0, output=2.0)})
    session, task = run(parley, CALL, says("Never"), turn_max_cost_usd=0.00002)
    assert json.loads(asked(parley, session)["arguments"])["bound"] == "money"
    assert task.spend.cost_micros == 20


def test_an_approval_raises_the_bound_once(parley: Parley) -> None:
    """The turn that goes on may spend as much again, counted over the whole message; then it asks again."""
    session, first = run(parley, CALL, CALL, says("Done"), turn_max_tokens=15)
    second = answer(parley, session, True)
    assert (second.raised, second.carried.tokens, second.spend.tokens) == ({"tokens": 1}, 15, 15)
    assert kinds(parley.parts(second.id))[:3] == ["start", "tool-output-available", "start-step"]
    assert json.loads(asked(parley, session)["arguments"]) == {
        "bound": "tokens", "spent": 30, "limit": 30, "asked_for": 15,
    }  # fmt: skip
    third = answer(parley, session, True)
    assert (third.raised, third.status, third.continues) == ({"tokens": 2}, "completed", first.id)
    assert shown_text(parley.parts(third.id)) == "Done"
    assert parley.session(session.id).totals.prompt_tokens + parley.session(session.id).totals.completion_tokens == 45


def test_a_refusal_ends_the_turn_with_the_reason(parley: Parley) -> None:
    """It fails with the bound's code and the user's words, and asks the model nothing more."""
    session, _ = run(parley, CALL, says("Never"), turn_max_tokens=15)
    task = answer(parley, session, False, "too dear")
    assert (task.status, task.error["code"]) == ("failed", "token_limit")
    assert "too dear" in task.error["message"]
    assert kinds(parley.parts(task.id))[1] == "tool-output-denied"
    assert len(parley.model.requests) == 1


def test_the_model_never_sees_the_question(parley: Parley) -> None:
    """The call that the clients are shown is ours; the provider gets a conversation without it."""
    session, _ = run(parley, CALL, says("Done"), turn_max_tokens=15)
    answer(parley, session, True)
    assert "raise_budget" not in json.dumps(parley.model.requests[-1].messages)
    assert "raise_budget" not in json.dumps(parley.model.requests[-1].tools)


def test_a_user_who_goes_on_begins_with_fresh_bounds(parley: Parley) -> None:
    """A new message is a new turn; the question is closed."""
    session, _ = run(parley, CALL, says("Fine"), turn_max_tokens=15)
    task = parley.send(session, "Leave it", "m2").task
    parley.drain_queue()
    assert check_over(parley, session, task.id, "completed").carried.tokens == 0


def test_a_bound_of_nothing_is_not_asked_about(parley: Parley) -> None:
    """Nothing may be spent: the turn fails."""
    _, task = run(parley, says("Never"), turn_max_cost_usd=0)
    assert task.error["code"] == "cost_limit"


def test_a_turn_that_works_for_another_does_not_ask(parley: Parley) -> None:
    """Nobody could answer for it: it fails with the bound's code."""
    task = Task("t", "s", "ada", TaskStatus.RUNNING, created_at=0, context_from=0)
    with pytest.raises(BudgetExhausted) as reached:
        check_hard_bounds(TurnBounds(turn_max_tokens=10), task, Spend(prompt_tokens=10), 0)
    assert isinstance(reached.value, Terminal)
    check_hard_bounds(TurnBounds(turn_max_tokens=10), raise_bound(task, "tokens"), Spend(prompt_tokens=19), 0)


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
