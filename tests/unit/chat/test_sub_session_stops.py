"""A stop, a failure or the end of its time takes a turn's sub-sessions along."""

import pytest

from shared.chat.cancel import cancel_turn
from shared.chat.model import ModelRequest
from shared.chat.opening import Submission
from shared.chat.sending import Sending
from shared.chat.sessions import Session
from shared.tasks.lineage import Lineage
from tests.support.checks import check_over, said
from tests.support.model import Script, says
from tests.support.region import Parley
from tests.support.sub_sessions import answering, delegates, parent_of, result_of, results_in, sub_session_of


def two_levels(parley: Parley) -> tuple[Session, Session, Session]:
    """A turn that waits for one that waits for one that is queued."""

    def choose(request: ModelRequest) -> Script:
        return says("done") if results_in(request) else delegates()

    parley.model.choose = choose
    session, _ = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    (second,) = parley.messages_waiting()
    parley.work(second)
    parley.messages_waiting()
    child = sub_session_of(parley, session)
    return session, child, sub_session_of(parley, child)


@pytest.mark.parametrize("told_twice", [True, False])
def test_a_stop_goes_down_the_tree(parley: Parley, told_twice: bool) -> None:
    """Two levels; each turn ends as cancelled, once, also if the stream tells of it twice."""
    session, child, grandchild = two_levels(parley)
    tasks = [parley.session(one.id).active_task or "" for one in (session, child, grandchild)]

    assert cancel_turn(parley.services, "ada", session.id).reason == "cancelled"
    parley.settle()
    if told_twice:
        parley.ends_told.clear()
        parley.settle()

    for one, task_id in zip((session, child, grandchild), tasks, strict=True):
        check_over(parley, one, task_id, "cancelled")
        assert parley.session(one.id).active_task is None
    assert len(parley.model.requests) == 2


def test_a_stop_reaches_a_child_that_is_being_worked_on(parley: Parley) -> None:
    """Its worker hears it at its next renewal; what was said stays."""
    answering(parley, delegates(), lambda: says("never"))
    session, _ = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    task_id = child.active_task or ""

    def stop() -> None:
        cancel_turn(parley.services, "ada", session.id)
        parley.state_changes()

    parley.model.choose = None
    parley.scripted([*says("Half")[:1], 1.0, stop, 10.0, *says(" never")])
    began = parley.clock.now()
    parley.work(task_id)

    check_over(parley, child, task_id, "cancelled")
    assert parley.clock.now() - began < 5
    assert said(parley.transcript(child))[-1] == ("assistant", "Half")


def test_the_turns_own_time_ends_a_wait(parley: Parley) -> None:
    """A call that would wait on is answered, the turn fails for its time, and takes its child along."""
    answering(parley, delegates(wait_for_result=300), lambda: says("never"))
    session, task_id = parent_of(parley)
    parley.with_bounds(turn_max_seconds=100)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    parley.messages_waiting()
    parley.clock.advance(100)
    began = parley.clock.now()
    parley.work(task_id)

    task = check_over(parley, session, task_id, "failed")
    assert (task.error or {})["code"] == "time_limit"
    assert parley.clock.now() - began < 5
    assert result_of(parley, session)["code"] == "turn_time_over"
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")


def test_a_turn_that_fails_takes_its_children_along(parley: Parley) -> None:
    """Nobody would hear of their answers."""
    answering(parley, delegates(), lambda: says("never"))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    parley.messages_waiting()
    parley.clock.advance(6 * 3600 + 1)
    parley.work(task_id)
    check_over(parley, session, task_id, "failed")
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")


def test_a_child_that_comes_after_the_stop_finds_out_by_itself(parley: Parley) -> None:
    """The stream had told of the parent's end before the child was there; it never asks the model."""
    session, task_id = parent_of(parley)
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    target = parley.new_session()
    lineage = Lineage(task_id, task_id, 1)
    sent = Sending(parley.services).submit("ada", target.id, Submission("m1", "Count", lineage=lineage))
    parley.scripted(says("never"))
    parley.settle()
    check_over(parley, target, sent.task.id, "cancelled")
    assert parley.model.requests == []


def test_a_parent_that_completes_leaves_its_children_alone(parley: Parley) -> None:
    """And a stop of its session's next turn doesn't concern them."""
    answering(parley, delegates(wait_for_result=0), lambda: says("Seven"))
    session, _ = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    parley.send(session, "Go", "m2")
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    child = sub_session_of(parley, session)
    check_over(parley, child, child.last_task or "", "completed")
