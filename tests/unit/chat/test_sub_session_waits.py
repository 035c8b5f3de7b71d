"""Who waits for the answer of a sub-session holds no worker, and hears of each end once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.chat.model import ModelRequest
from shared.chat.sessions import Session
from shared.chat.sub_sessions import SubSessionTurns
from shared.kernel.errors import ParleyError
from shared.kernel.telemetry import flush_metrics
from shared.tasks.records import TaskStatus
from shared.tasks.wait import Wait
from shared.tools.get_sub_session_result import GetSubSessionResultInput
from shared.tools.run_sub_session import RunSubSession, RunSubSessionInput
from tests.support.checks import check_over, said
from tests.support.faults import FAULT_KINDS, Killed
from tests.support.logs import logged, metrics_in
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.sub_sessions import (
    answering,
    asked_of,
    asks,
    delegates,
    parent_of,
    result_of,
    results_in,
    sub_session_of,
)

# -- waiting -----------------------------------------------------------------------------------


def test_a_quick_answer_is_waited_for_at_once(parley: Parley) -> None:
    """Within 3 s the parent isn't let go: one invocation, and the answer with calls, tokens and a link."""
    answering(parley, delegates(), lambda: says("Seven", tokens=(30, 7)))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.clock.at(1.0, parley.drain_queue)

    parley.work(first)

    task = check_over(parley, session, task_id, "completed")
    assert task.epoch == 1
    child = sub_session_of(parley, session)
    assert result_of(parley, session) == {
        "type": "sub_session",
        "message": "The sub-session has answered. Don't start it again for the same.",
        "status": "completed",
        "sub_session_id": child.id,
        "link": f"/#chat={child.id}",
        "response": "Seven",
        "error": None,
        "tool_calls": [],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37},
        "progress": None,
    }
    assert said(parley.transcript(child)) == [("user", "Count rivers"), ("assistant", "Seven")]


def test_a_sub_session_is_counted(parley: Parley, capsys: pytest.CaptureFixture[str]) -> None:
    """Once for each that is started, as a metric too."""
    answering(parley, delegates(), lambda: says("Seven"))
    parent_of(parley)
    flush_metrics()
    capsys.readouterr()
    parley.settle()
    flush_metrics()
    assert metrics_in(capsys.readouterr().out)["CopilotSubSessionStarted"] == 1


def test_a_slow_one_is_waited_for_by_nobody(parley: Parley) -> None:
    """The parent's turn is parked; the child's end wakes it."""
    answering(parley, delegates(system_context="It is spring."), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    with logged() as log:
        (first,) = parley.messages_waiting()
        parley.work(first)
    assert log.one("copilot_sub_session_started")["sub_session_id"] == sub_session_of(parley, session).id
    assert parley.task(task_id).status is TaskStatus.WAITING
    assert parley.task(task_id).lease_expires == 0

    parley.settle()

    check_over(parley, session, task_id, "completed")
    child = sub_session_of(parley, session)
    task = parley.task(child.last_task or "")
    assert (task.parent, task.root, task.depth, task.dry_run) == (task_id, task_id, 1, False)
    assert parley.transcript(child)[0].context == "It is spring."
    assert parley.transcript(child)[0].content == "Count rivers"
    assert result_of(parley, session)["response"] == "Seven"


def test_what_the_sub_session_did_is_told(parley: Parley) -> None:
    """Its tool calls, cut to 400 characters, and the tokens of the whole turn."""
    steps = iter([calls(("e1", "echo", json.dumps({"text": "x" * 900}))), says("Seven")])
    answering(parley, delegates(), lambda: next(steps))
    session, _ = parent_of(parley)
    parley.settle()

    (call,) = result_of(parley, session)["tool_calls"]
    assert (call["tool_name"], call["success"]) == ("echo", True)
    assert len(call["output"]) == len(call["arguments"]) == 400
    assert result_of(parley, session)["usage"]["total_tokens"] == 30


def test_a_deadline_answers_with_the_state_there_is(parley: Parley) -> None:
    """It still runs, goes on by itself, and the model is told not to poll; later it can ask."""
    answering(parley, delegates(wait_for_result=120), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    parley.clock.advance(121)
    parley.work(task_id)

    check_over(parley, session, task_id, "completed")
    result = result_of(parley, session)
    assert (result["status"], result["response"], result["usage"]) == ("running", None, None)
    assert "get_sub_session_result" in result["message"]
    assert "Don't poll" in result["message"]

    parley.settle()
    child = sub_session_of(parley, session)
    answering(parley, asks(child.id), lambda: says("never"))
    parley.send(session, "Go", "m2")
    began = parley.clock.now()
    parley.settle()
    assert result_of(parley, session, 6)["response"] == "Seven"
    assert parley.clock.now() == began


def test_nobody_waits_if_nobody_wants_to(parley: Parley) -> None:
    """`wait_for_result: 0` answers at once; the sub-session outlives the turn that has started it."""
    answering(parley, delegates(wait_for_result=0), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    began = parley.clock.now()
    (first,) = parley.messages_waiting()
    parley.work(first)

    check_over(parley, session, task_id, "completed")
    assert parley.clock.now() == began
    assert result_of(parley, session)["status"] == "running"
    parley.settle()
    child = sub_session_of(parley, session)
    check_over(parley, child, child.last_task or "", "completed")


@pytest.mark.parametrize(("seconds", "waited"), [(-5, 0), (1000, 300)])
def test_a_wait_out_of_bounds_is_the_nearest_one(seconds: int, waited: int) -> None:
    """0 to 300 s; it isn't worth another call of the model."""
    assert RunSubSessionInput(prompt="x", wait_for_result=seconds).wait_for_result == waited
    assert GetSubSessionResultInput(sub_session_id="x", wait_if_running=seconds).wait_if_running == waited


def test_a_sub_session_that_fails_says_why(parley: Parley) -> None:
    """`error`, and the reason; the parent goes on."""

    def fail() -> Script:
        raise AssertionError("unused")

    answering(parley, delegates(), fail)
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    parley.model.choose = None
    parley.with_bounds(turn_max_seconds=1)
    parley.clock.advance(2)
    parley.work(child.active_task or "")
    parley.with_bounds()
    parley.scripted(says("done"))
    parley.settle()

    check_over(parley, session, task_id, "completed")
    assert result_of(parley, session)["status"] == "error"
    assert result_of(parley, session)["error"]


# -- many at once, and kills -------------------------------------------------------------------


def test_thirty_at_once(parley: Parley) -> None:
    """Thirty calls of one step: each has its own session, and the parent goes on when all have answered."""
    wanted = [{"prompt": f"Count {n}", "wait_for_result": 300} for n in range(30)]
    many = calls(*((f"c{n}", "run_sub_session", json.dumps(one)) for n, one in enumerate(wanted)))
    parley.model.choose = lambda request: (
        (says("done") if results_in(request) else many)
        if asked_of(request) == "Go"
        else says(asked_of(request).replace("Count", "Counted"))
    )
    session, task_id = parent_of(parley)
    parley.settle()

    check_over(parley, session, task_id, "completed")
    results = [json.loads(row.content) for row in parley.transcript(session)[2:32]]
    assert [result["response"] for result in results] == [f"Counted {n}" for n in range(30)]
    assert len({result["sub_session_id"] for result in results}) == 30
    parley.clock.advance(400)
    parley.sweep()
    assert parley.timers() == 0


def test_a_wait_for_all_ends_with_the_last(parley: Parley) -> None:
    """`need: all` over the tasks of two sub-sessions."""
    turns = SubSessionTurns(parley.services)

    class Both(RunSubSession):
        """Starts one, and waits for it and for the one that it is told of."""

        def run(self, context: Any, arguments: RunSubSessionInput) -> Any:
            answer = super().run(context, arguments)
            assert isinstance(answer, Wait)
            return Wait((*answer.on, f"TASK#{other}"), answer.until, "all", answer.note)

    other = parley.send(parley.new_session(), "Sing", "s1").task.id
    parley.messages_waiting()
    parley.with_tools(Both(turns, parley.clock))
    answering(parley, delegates(), lambda: says("Seven"))
    session = parley.new_session()
    task_id = parley.send(session, "Go").task.id
    parley.settle()
    assert parley.task(task_id).status is TaskStatus.WAITING
    parley.work(other)
    parley.settle()
    check_over(parley, session, task_id, "completed")


def test_two_workers_are_woken_and_one_goes_on(parley: Parley) -> None:
    """The other finds the lease taken, or the turn over, and drops its message."""
    answering(parley, delegates(), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    parley.drain_queue()
    parley.state_changes()
    (woken,) = parley.messages_waiting()
    seen: list[int] = []

    def choose(_: ModelRequest) -> Script:
        seen.append(parley.task(task_id).epoch)
        return [0.5, lambda: parley.work(woken), *says("done")]

    parley.model.choose = choose
    parley.work(woken)
    parley.work(woken)
    check_over(parley, session, task_id, "completed")
    assert seen == [2]
    assert len(parley.transcript(session)) == 4


def test_a_fault_anywhere_makes_no_second_sub_session(parley: Parley) -> None:
    """At every call to AWS: one sub-session with one turn, and one result for the parent, which is its answer."""
    for number in _worth_striking(_undisturbed(parley)):
        kind = FAULT_KINDS[number % len(FAULT_KINDS)]
        parley.wipe()
        parley.watch.reset(fault_at=number, fault=kind)
        session, task_id = _disturbed(parley)
        parley.watch.reset()
        check_over(parley, session, task_id, "completed")
        assert result_of(parley, session)["response"] == "Seven", (kind, number)
        assert len(parley.transcript(session)) == 4
        child = sub_session_of(parley, session)
        assert said(parley.transcript(child)) == [("user", "Count rivers"), ("assistant", "Seven")]
        assert parley.task(child.last_task or "").parent == task_id
        parley.clock.advance(400)
        parley.sweep()
        assert parley.timers() == 0


def _undisturbed(parley: Parley) -> list[str]:
    parley.watch.reset()
    _disturbed(parley)
    return list(parley.watch.calls)


def _worth_striking(names: list[str]) -> list[int]:
    """All calls, but of many alike in a row (the patient poll) only the first and last two."""
    return [n for n in range(len(names)) if len(set(names[max(0, n - 2) : n + 3])) > 1 or n < 2]


def _disturbed(parley: Parley) -> tuple[Session, str]:
    with parley.watch.paused():
        answering(parley, delegates(wait_for_result=300), lambda: says("Seven"))
        session, task_id = parent_of(parley)
    for _ in range(20):
        _try(parley.settle)
        _try(parley.state_changes)
        parley.clock.advance(31)
        _try(parley.sweep)
        with parley.watch.paused():
            tasks = [parley.task(task_id)]
        if all(task.status.ended and task.lease_expires == 0 for task in tasks):
            break
    return session, task_id


def _try(act: Callable[[], object]) -> None:
    """A process that may die or fail."""
    try:
        act()
    except (Killed, ParleyError):
        return
