"""Stopping a turn, in whatever state it is: it ends at once, keeps what was shown, and leaves a legal transcript."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws

from shared.chat.cancel import Cancelled, cancel_turn
from shared.chat.model import ModelFailed, ReasoningDelta, TextDelta, ToolCallDelta
from shared.chat.sessions import Session
from shared.kernel.errors import NotFound
from shared.tools.contract import ToolContext
from tests.support.actors import ActorClock
from tests.support.checks import check_over, kinds
from tests.support.model import Script, calls, fails, says
from tests.support.region import Parley, build_parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo


def stop(parley: Parley, session: Session) -> Cancelled:
    return cancel_turn(parley.services, session.owner, session.id)


def test_a_queued_turn_is_taken_out(parley: Parley) -> None:
    """`dequeued`: no worker is needed; its message, when it comes, does nothing."""
    session = parley.new_session()
    parley.scripted(says("Never"))
    task = parley.send(session).task
    assert stop(parley, session).public() == {"cancelled": True, "task_id": task.id, "reason": "dequeued"}
    check_over(parley, session, task.id, "cancelled")
    parley.drain_queue()
    assert parley.model.requests == []
    assert kinds(parley.parts(task.id)) == ["start", "data-status", "finish"]


def test_nothing_to_stop(parley: Parley) -> None:
    """`no_active_task` before the first turn and after the last; a foreign session is not found."""
    session = parley.new_session()
    assert stop(parley, session).public() == {"cancelled": False, "task_id": None, "reason": "no_active_task"}
    parley.scripted(says("Done"))
    parley.send(session)
    parley.drain_queue()
    assert stop(parley, session).reason == "no_active_task"
    with pytest.raises(NotFound):
        cancel_turn(parley.services, "grace", session.id)


def test_a_worker_that_does_not_obey_is_replaced(parley: Parley) -> None:
    """`forced` after 5 s: what was shown stays, and when the worker wakes it writes nothing."""
    session = parley.new_session()
    answers: list[Cancelled] = []
    after: list[object] = []

    def press() -> None:  # the worker is stuck in here
        started = parley.clock.now()
        answers.append(stop(parley, session))
        after.append((parley.parts(task.id), parley.task(task.id)))
        assert 5 <= parley.clock.now() - started < 6

    parley.scripted([TextDelta("Partly"), 1.5, press, TextDelta(" more"), 3.0, *says(" words")])
    task = parley.send(session).task
    parley.work(task.id)
    assert answers[0].public() == {"cancelled": True, "task_id": task.id, "reason": "forced"}
    check_over(parley, session, task.id, "cancelled")
    assert after == [(parley.parts(task.id), parley.task(task.id))]
    assert shown_text(parley.parts(task.id)) == "Partly"
    assert parley.parts(task.id)[-2]["data"] == {"status": "cancelled", "reason": "forced"}


HALF_A_CALL = [TextDelta("I will"), ToolCallDelta(0, "c1", "echo", '{"te'), 30.0, *says("never")]
TWO_CALLS = calls(("c1", "echo", '{"text":"quick"}'), ("c2", "echo", '{"text":"slow"}'))
STATES: dict[str, tuple[list[Script], str]] = {
    "before the model says anything": ([[30.0, *says("never")]], ""),
    "thinking": ([[ReasoningDelta("Hm"), 30.0, *says("never")]], ""),
    "in mid text": ([[TextDelta("Some"), 30.0, *says("never")]], "Some"),
    "in half a call": ([HALF_A_CALL], "I will"),
    "in a tool": ([[TextDelta("Look. "), *TWO_CALLS], says("never")], "Look. "),
    "waiting to ask again": ([[0.5, ModelFailed("model_rate_limited", "Later", True, 8.0)], says("never")], ""),
    "after a withdrawn attempt": ([[TextDelta("x"), 0.5, *fails()], [TextDelta("y"), 30.0, *says("never")]], "y"),
    "in the second step": ([calls(("c1", "echo", '{"text":"quick"}')), [TextDelta("So"), 30.0, *says("never")]], "So"),
}


@pytest.fixture
def actors() -> Iterator[Parley]:
    """A deployment whose processes run side by side."""
    with mock_aws():
        yield build_parley(ActorClock(seed=1))


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_a_running_turn_stops(actors: Parley, state: str, watched: bool) -> None:
    """`cancelled` within 1.5 s watched and 3 s unwatched; the partial text stays; the next send is a legal turn."""
    parley, clock = actors, actors.clock
    assert isinstance(clock, ActorClock)
    scripts, text = STATES[state]
    stopped: list[bool] = []

    def slow(context: ToolContext, word: str) -> None:
        context.cancellation.on_cancel(lambda: stopped.append(True))
        if word == "slow":
            clock.sleep(2.4)

    parley.with_tools(Echo(slow))
    parley.scripted(*scripts)
    session = parley.new_session()
    answers: list[tuple[Cancelled, float]] = []

    def press() -> None:
        started = clock.now()
        answers.append((stop(parley, session), clock.now() - started))

    parley.send(session)
    (task_id,) = parley.messages_waiting()
    if watched:
        parley.frames.handle("v", "ada", f'{{"type":"resume","requestId":"r","id":"{session.id}"}}')
    clock.spawn("worker", lambda: parley.work(task_id))
    clock.spawn("stop", press, after=2.2)
    clock.run()

    ((answer, seconds),) = answers
    assert answer.reason == "cancelled"
    assert seconds <= (1.5 if watched else 3.0)
    check_over(parley, session, task_id, "cancelled")
    assert shown_text(parley.parts(task_id)) == text
    assert parley.parts(task_id)[-1] == {"type": "finish", "finishReason": "other"}
    assert "error" not in kinds(parley.parts(task_id))
    assert all(call.closed for call in parley.model.calls)
    assert stopped or "tool" not in state
    if watched:
        assert parley.sockets.of("v", "r").ends == 1
    parley.scripted(says("Fresh"))
    again = parley.send(session, "Next", "m2")
    assert again.outcome == "started"
    parley.drain_queue()
    check_over(parley, session, again.task.id, "completed")


def test_calls_without_a_result_get_one(actors: Parley) -> None:
    """The result that was there stays; the other says that the user stopped it, in row and stream."""
    parley, clock = actors, actors.clock
    assert isinstance(clock, ActorClock)
    parley.with_tools(Echo())
    workers = parley.engine.workers
    started: list[object] = []

    class OnlyTheFirst:
        def mailbox(self) -> object:
            return workers.mailbox()

        def start(self, name: str, job: object) -> None:
            started.append(name)
            if len(started) == 1:
                job()  # type: ignore[operator]

    parley.engine = replace(parley.engine, workers=OnlyTheFirst())  # type: ignore[arg-type]
    parley.scripted(TWO_CALLS, says("never"))
    session = parley.new_session()
    task = parley.send(session).task
    clock.spawn("worker", lambda: parley.work(task.id))
    clock.spawn("stop", lambda: stop(parley, session), after=1.0)
    clock.run()
    check_over(parley, session, task.id, "cancelled")
    rows = parley.transcript(session)
    assert [row.is_error for row in rows[2:]] == [False, True]
    assert "stopped_by_user" in rows[3].content
    assert kinds(parley.parts(task.id)).count("tool-output-error") == 1
