"""Accepting: one client message id is one user row and one task, however often and wherever it is sent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.chat.accept import MAX_PENDING, Acceptance, Accepted, Requester
from shared.chat.opening import Submission
from shared.chat.pending import load_pending
from shared.kernel.errors import Conflict, LimitReached, NotFound, Retryable
from tests.support.checks import check_over, said
from tests.support.model import says
from tests.support.region import Parley


def test_fifty_sends_at_once_are_one_turn(parley: Parley) -> None:
    """The same id fifty times at once: one user row, one task, and everybody is told of it."""
    session = parley.new_session()
    parley.scripted(says("Once"))

    def send(n: int) -> Accepted | None:
        try:
            return parley.send(session, requester=Requester(f"conn{n}", "r") if n % 2 else None)
        except Retryable:  # the emulator is not made for threads; a client would send again
            return None

    with ThreadPoolExecutor(max_workers=10) as pool:
        answers = [answer or parley.send(session) for answer in pool.map(send, range(50))]
    parley.drain_queue()

    assert len({answer.task.id for answer in answers}) == 1
    assert said(parley.transcript(session)) == [("user", "Hello"), ("assistant", "Once")]
    assert len(parley.model.requests) == 1
    check_over(parley, session, answers[0].task.id, "completed")


@pytest.mark.parametrize("at", range(8))
def test_a_second_send_between_any_two_calls_of_the_first_is_the_same_turn(parley: Parley, at: int) -> None:
    """Whatever the first has written when the second comes, they end as one."""
    session = parley.new_session()
    parley.scripted(says("Once"))
    others: list[Accepted] = []

    def interrupt(_: str, number: int) -> None:
        if number == at:
            with parley.watch.paused():
                others.append(parley.send(session))

    parley.watch.reset()
    parley.watch.on_call = interrupt
    first = parley.send(session)
    parley.watch.on_call = None
    parley.drain_queue()

    assert all(other.task.id == first.task.id for other in others)
    assert said(parley.transcript(session)) == [("user", "Hello"), ("assistant", "Once")]
    check_over(parley, session, first.task.id, "completed")


def test_a_repeated_id_sends_the_message_again_while_the_turn_is_queued(parley: Parley) -> None:
    """A lost message is repaired by the client's own retry; once the turn runs there is nothing to send."""
    session = parley.new_session()
    parley.scripted(says("Yes"))
    first = parley.send(session)
    assert parley.messages_waiting() == [first.task.id]

    again = parley.send(session)
    assert (again.outcome, again.task.id) == ("repeated", first.task.id)
    assert parley.messages_waiting() == [first.task.id]

    parley.work(first.task.id)
    assert parley.send(session).task.id == first.task.id
    assert parley.messages_waiting() == []


def test_the_same_text_with_another_id_is_another_turn(parley: Parley) -> None:
    """Genuine repeats are not eaten."""
    session = parley.new_session()
    parley.scripted(says("Yes"))
    first = parley.send(session, "Again", "m1").task
    parley.drain_queue()
    second = parley.send(session, "Again", "m2").task
    parley.drain_queue()
    assert first.id != second.id
    assert [content for _, content in said(parley.transcript(session))] == ["Again", "Yes", "Again", "Yes"]


def test_message_ids_of_other_tenants_can_not_collide(parley: Parley) -> None:
    """The same id of two users, and of two sessions of one user, are different messages."""
    sessions = [parley.new_session("ada"), parley.new_session("grace"), parley.new_session("ada")]
    tasks = {parley.send(session, message_id="same").task.id for session in sessions}
    assert len(tasks) == 3


def test_a_foreign_session_looks_like_a_missing_one(parley: Parley) -> None:
    """The same error for both, and nothing is written."""
    theirs = parley.new_session("grace")
    acceptance = Acceptance(
        parley.database, parley.services.queue, parley.clock, parley.services.ids, parley.services.slots
    )
    errors = []
    parley.watch.reset()
    for session_id in (theirs.id, "missing"):
        with pytest.raises(NotFound) as caught:
            acceptance.submit("ada", session_id, Submission("m1", "Hi"))
        errors.append((caught.value.code, caught.value.message))
    assert errors[0] == errors[1]
    assert parley.watch.writes == []


def test_policy_reject_refuses_while_a_turn_runs(parley: Parley) -> None:
    """409, and nothing is kept; the id is free for a later try."""
    session = parley.new_session()
    parley.scripted(says("One"))
    parley.send(session)
    with pytest.raises(Conflict):
        parley.send(session, "Two", "m2", policy="reject")
    assert load_pending(parley.database, session.id) == []
    parley.drain_queue()
    assert parley.send(session, "Two", "m2", policy="reject").outcome == "started"


def test_the_eleventh_waiting_message_is_refused_and_not_kept(parley: Parley) -> None:
    """Ten wait; 429 for the next, whose id can be sent later."""
    session = parley.new_session()
    parley.scripted(says("One"))
    parley.send(session)
    for n in range(MAX_PENDING):
        assert parley.send(session, f"p{n}", f"p{n}").outcome == "pending"
    with pytest.raises(LimitReached):
        parley.send(session, "late", "late")
    assert parley.session(session.id).pending_count == MAX_PENDING
    assert len(load_pending(parley.database, session.id)) == MAX_PENDING
    assert parley.send(session, "p3", "p3").outcome == "repeated"

    parley.drain_queue()
    assert parley.send(session, "late", "late").outcome == "started"
    parley.drain_queue()
    assert [content for role, content in said(parley.transcript(session)) if role == "user"] == [
        "Hello",
        *(f"p{n}" for n in range(MAX_PENDING)),
        "late",
    ]


@pytest.mark.parametrize("at", range(8))
def test_a_tenth_message_sent_twice_at_once_is_kept_once_and_never_refused(parley: Parley, at: int) -> None:
    """Its double finds ten waiting, of which one is itself: repeated, not too many."""
    session = parley.new_session()
    parley.send(session)
    for n in range(MAX_PENDING - 1):
        parley.send(session, f"p{n}", f"p{n}")

    def interrupt(_: str, number: int) -> None:
        if number == at:
            with parley.watch.paused():
                parley.send(session, "tenth", "tenth")

    parley.watch.reset()
    parley.watch.on_call = interrupt
    parley.send(session, "tenth", "tenth")
    parley.watch.on_call = None
    assert parley.session(session.id).pending_count == MAX_PENDING


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("policy", ["enqueue", "reject"])
def test_a_send_while_the_turn_ends_is_never_lost(parley: Parley, at: int, policy: str) -> None:
    """Whatever call of the send the end of the running turn falls on, the message is answered (or refused)."""
    session = parley.new_session()
    parley.scripted(says("One"), says("Two"))
    first = parley.send(session).task

    def interrupt(_: str, number: int) -> None:
        if number == at:
            with parley.watch.paused():
                parley.drain_queue()

    parley.watch.reset()
    parley.watch.on_call = interrupt
    try:
        parley.send(session, "Next", "m2", policy="reject" if policy == "reject" else "enqueue")
        expected = [["Hello", "One", "Next", "Two"], ["Hello", "Next", "One"]]  # the second: heard before the model was
    except Conflict:
        expected = [["Hello", "One"]]
    parley.watch.on_call = None
    parley.drain_queue()

    check_over(parley, session, first.id, "completed")
    assert [content for _, content in said(parley.transcript(session))] in expected
    assert parley.session(session.id).active_task is None
    assert parley.session(session.id).pending_count == 0
