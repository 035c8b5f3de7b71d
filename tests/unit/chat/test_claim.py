"""A guest signs in, and takes their session along."""

from collections.abc import Callable

import pytest

from shared.chat.claim import claim_session
from shared.chat.resume import owned_task
from shared.chat.sessions import Session, list_sessions
from shared.kernel.errors import NotFound
from tests.support.model import says
from tests.support.region import Parley

GUEST = "guest:01JZ"


def claim(parley: Parley, session_id: str, user: str = "ada") -> str:
    return claim_session(parley.services, session_id, GUEST, user).owner


def listed(parley: Parley, user: str) -> list[str]:
    rows, _ = list_sessions(parley.database, user, 10, None)
    return [row["id"] for row in rows]


def test_a_claimed_session_is_the_users_and_no_longer_the_guests(parley: Parley) -> None:
    """With its messages, in the user's list and out of the guest's, and with its tasks."""
    session = parley.new_session(GUEST)
    parley.scripted(says("Hello!"))
    task_id = parley.send(session).task.id
    parley.drain_queue()
    assert listed(parley, GUEST) == [session.id]

    claim(parley, session.id)

    assert parley.session(session.id, "ada").next_seq == 2
    assert (listed(parley, "ada"), listed(parley, GUEST)) == ([session.id], [])
    assert owned_task(parley.services, task_id, "ada").id == task_id
    with pytest.raises(NotFound):
        parley.session(session.id, GUEST)
    with pytest.raises(NotFound):
        owned_task(parley.services, task_id, GUEST)


def test_a_session_is_claimed_once(parley: Parley) -> None:
    """Again by the same user: nothing happens. By anybody else: there is no such session."""
    session = parley.new_session(GUEST)
    claim(parley, session.id)
    assert claim(parley, session.id) == "ada"
    for user in ("grace", GUEST):
        with pytest.raises(NotFound):
            claim(parley, session.id, user)
    assert parley.session(session.id, "ada").owner == "ada"


def test_only_what_is_the_guests_can_be_claimed(parley: Parley) -> None:
    """Neither somebody's session, nor another guest's, nor one that does not exist; nor one's own, by a trick."""
    for owner in ("grace", "guest:02", "ada"):
        session = parley.new_session(owner)
        with pytest.raises(NotFound):
            claim(parley, session.id)
        assert parley.session(session.id, owner).owner == owner
    with pytest.raises(NotFound):
        claim(parley, "missing")


def test_of_two_claims_at_once_one_wins(parley: Parley) -> None:
    """Whoever is second, also by an instant, is told that there is no such session."""
    session = parley.new_session(GUEST)
    before_next(parley, "TransactWriteItems", lambda: claim(parley, session.id, "grace"))
    with pytest.raises(NotFound):
        claim(parley, session.id, "ada")
    assert parley.session(session.id, "grace").owner == "grace"
    assert listed(parley, "ada") == []


def test_the_same_user_claiming_twice_at_once_is_answered_twice(parley: Parley) -> None:
    """A double click is no error."""
    session = parley.new_session(GUEST)
    before_next(parley, "TransactWriteItems", lambda: claim(parley, session.id))
    assert claim(parley, session.id) == "ada"


def test_a_turn_that_runs_goes_with_its_session(parley: Parley) -> None:
    """It is not disturbed; it is the user's, and so is the one that answers what waits for it."""
    session = parley.new_session(GUEST)

    def sign_in() -> None:
        claim(parley, session.id)

    parley.scripted([sign_in, *says("One")])
    running = parley.send(session).task
    parley.send(session, "More", "m2")

    parley.drain_queue()

    rows = parley.transcript(session)
    assert [(row.role, row.content) for row in rows] == [
        ("user", "Hello"), ("user", "More"), ("assistant", "One"),
    ]  # fmt: skip
    assert parley.task(running.id).user_id == "ada"
    assert parley.session(session.id, "ada").active_task is None


def test_a_turn_can_not_hand_over_to_the_guest_what_was_claimed_meanwhile(parley: Parley) -> None:
    """The claim comes between the last word of a turn and its end; the next turn is the user's."""
    session = parley.new_session(GUEST)
    said, end = says("One")
    parley.scripted(
        [
            said,
            lambda: send_more(parley, session),
            5.0,  # the worker has seen that more was said
            lambda: before_next(parley, "TransactWriteItems", lambda: claim(parley, session.id)),
            end,
        ],
        says("Two"),
    )

    parley.send(session)
    parley.drain_queue()

    owners = [parley.task(row.task_id).user_id for row in parley.transcript(session) if row.role == "assistant"]
    assert owners == ["ada", "ada"]


def send_more(parley: Parley, session: Session) -> None:
    parley.send(session, "More", "m2")


def test_a_guest_who_sends_while_the_session_is_claimed_is_too_late(parley: Parley) -> None:
    """No turn of theirs begins in what is somebody else's now."""
    session = parley.new_session(GUEST)
    before_next(parley, "TransactWriteItems", lambda: claim(parley, session.id))
    with pytest.raises(NotFound):
        parley.send(session)
    assert parley.transcript(session) == []
    assert parley.session(session.id, "ada").active_task is None


def test_a_guest_who_adds_to_a_turn_while_it_is_claimed_is_too_late(parley: Parley) -> None:
    """The same for a message that would wait."""
    session = parley.new_session(GUEST)
    parley.send(session)
    before_next(parley, "TransactWriteItems", lambda: claim(parley, session.id))
    with pytest.raises(NotFound):
        parley.send(session, "More", "m2")
    assert parley.session(session.id, "ada").pending_count == 0


def before_next(parley: Parley, call: str, happens: Callable[[], object]) -> None:
    """Let something happen right before the next call of that name."""

    def watch(name: str, number: int) -> None:
        if name == call:
            parley.watch.on_call = None
            happens()

    parley.watch.on_call = watch
