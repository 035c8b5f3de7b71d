"""What ends a turn that would otherwise go on."""

from typing import Any

import pytest

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
