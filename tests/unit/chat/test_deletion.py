"""Deleting a session: gone at once for everybody, and then bit by bit for good."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from moto import mock_aws

from shared.accounts.budgets.amounts import CallSize
from shared.accounts.budgets.meters import day_of, user_meters
from shared.accounts.budgets.reservations import Budgets
from shared.accounts.budgets.tab import Tab
from shared.aws.writes import Put
from shared.chat.accept import Requester
from shared.chat.cancel import cancel_turn
from shared.chat.claim import claim_session
from shared.chat.deletion import PURGE_AFTER_SECONDS, delete_session
from shared.chat.model import TextDelta
from shared.chat.pending import load_pending
from shared.chat.purge import Purge
from shared.chat.resume import owned_task, resumable_task
from shared.chat.sessions import Session, create_sub_session, list_sessions, rename_session, session_key
from shared.kernel.errors import NotFound, Retryable
from shared.tasks.pools import Pool
from shared.tasks.wait import Wait
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from tests.support.aws import aws_client
from tests.support.checks import check_over
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.model import calls, says
from tests.support.region import Parley, build_parley
from tests.support.tools import Echo
from tests.support.workspace import Desk, build_desk

GUEST = "guest:01JZ"


class Waiter(Tool[ToolInput]):
    """Waits."""

    name = "waiter"
    description = "Wait."
    input_model = ToolInput

    def __init__(self, wait: Wait) -> None:
        self._wait = wait

    def run(self, context: ToolContext, arguments: ToolInput) -> ToolResponse | Wait:
        return self._wait


@dataclass
class House:
    """A deployment with files."""

    parley: Parley
    desk: Desk
    consumer: Any
    """A client of the tables that is not watched."""

    def delete(self, session: Session, user: str = "ada") -> None:
        delete_session(self.parley.services, user, session.id)

    def purge(self, steps: int = 10_000) -> int:
        """One tick's share, which is so many looks at the time."""
        left = iter(range(steps))
        purge = Purge(self.parley.services, self.desk.workspace, "tick")
        return purge.run(lambda: next(left, None) is not None)

    def rows(self) -> list[dict[str, Any]]:
        """Every row of both tables."""
        found = [item for table in ("state", "chunks") for item in self.consumer.scan(TableName=table)["Items"]]
        return sorted(found, key=str)

    def everything(self) -> list[str]:
        """The partitions and the objects that there are, but those that tell nothing about a session."""
        keys = [item["pk"]["S"] for item in self.rows()]
        return sorted(
            {key for key in keys if not key.startswith(("USER#", "USAGE#", "TIMER#", "CONN#"))}
            | set(self.desk.object_keys())
        )

    def small_session(self) -> Session:
        """A turn, a viewer, a file and a kept output."""
        session = self.parley.new_session()
        self.parley.scripted(says("One"))
        self.parley.send(session, requester=Requester("v0", session.id))
        self.parley.drain_queue()
        context = self.desk.call("ada", session.id)
        self.desk.write("a.txt", context=context)
        self.desk.outputs.keep(context, b"{}")
        return session

    def busy_session(self, user: str = "ada") -> Session:
        """Turns with tools and viewers, a message that waited, files and a kept output."""
        parley, desk = self.parley, self.desk
        parley.with_tools(Echo())
        session = parley.new_session(user)
        parley.scripted(calls(("c1", "echo", '{"text":"x"}')), says("One"), says("Two"))
        for number in range(2):
            accepted = parley.send(session, message_id=f"m{number}", requester=Requester(f"v{number}", session.id))
            if number == 0:
                parley.send(session, "And", "waited")
            parley.drain_queue()
            check_over(parley, session, accepted.task.id, "completed")
        for number in range(3):
            desk.write(f"{number}.txt", context=desk.call(user, session.id))
        desk.outputs.keep(desk.call(user, session.id), b"{}")
        return session


@pytest.fixture
def house() -> Iterator[House]:
    with mock_aws():
        parley = build_parley()
        desk = build_desk(parley.database, parley.clock, parley.watch)
        yield House(parley, desk, aws_client("dynamodb"))


def gone(look: Callable[[], object]) -> bool:
    """Whether it is answered as what never was."""
    with pytest.raises(NotFound):
        look()
    return True


def test_a_deleted_session_exists_for_nobody(house: House) -> None:
    """Neither to read, to send, to rename, to stop or to delete again; nor do its turns, its streams and its files."""
    parley, session = house.parley, house.busy_session()
    other = parley.new_session()
    task_id = parley.session(session.id).last_task or ""

    house.delete(session)

    for user in ("ada", "grace", ""):
        with pytest.raises(NotFound):
            parley.session(session.id, user)
    assert gone(lambda: parley.send(session, message_id="m9"))
    assert gone(lambda: parley.send(session, message_id="m0")), "nor what was sent before"
    assert gone(lambda: rename_session(parley.database, session.id, "ada", "Mine"))
    assert gone(lambda: cancel_turn(parley.services, "ada", session.id))
    assert gone(lambda: house.delete(session))
    assert gone(lambda: owned_task(parley.services, task_id, "ada"))
    assert gone(lambda: resumable_task(parley.services, "ada", session.id))
    assert [row["id"] for row in list_sessions(parley.database, "ada", 10, None)[0]] == [other.id]
    parley.frames.handle("c", "ada", f'{{"type":"resume","requestId":"r","id":"{session.id}"}}')
    assert [frame["code"] for frame in parley.sockets.frames["c"]] == ["SESSION_NOT_FOUND"]


def test_what_is_not_mine_is_not_deleted(house: House) -> None:
    """A foreign session answers as a missing one, and stays."""
    session = house.parley.new_session()
    assert gone(lambda: house.delete(session, "grace"))
    assert gone(lambda: delete_session(house.parley.services, "ada", "missing"))
    assert house.parley.session(session.id).id == session.id


def test_a_queued_turn_never_begins(house: House) -> None:
    """It has ended when the deletion is answered; its message, when it comes, does nothing."""
    parley, session = house.parley, house.parley.new_session()
    parley.scripted(says("Never"))
    task = parley.send(session).task
    parley.send(session, "More", "m2")
    house.delete(session)
    assert parley.task(task.id).status == "cancelled"
    before = house.rows()
    parley.drain_queue()
    parley.work(task.id)
    assert house.rows() == before
    assert parley.model.requests == []
    assert load_pending(parley.database, session.id) == []


@pytest.mark.parametrize("obeys", [True, False], ids=["obeys", "stuck"])
def test_a_turn_that_runs_is_ended_and_nothing_is_written_afterwards(house: House, obeys: bool) -> None:
    """By its worker, or by force while that is stuck; what waited starts no turn, and viewers get their end."""
    parley = house.parley
    other = parley.new_session()
    session = parley.new_session()
    after: list[object] = []

    def delete() -> None:
        house.delete(session)
        after.append(house.rows())

    deleting: list[Any] = [lambda: parley.clock.at(0.1, delete), 20.0] if obeys else [delete]
    parley.scripted([TextDelta("Half"), 0.5, *deleting, TextDelta(" more"), 3.0, *says(" of it")])
    task = parley.send(session, requester=Requester("conn", "r")).task
    parley.send(session, "Then", "m2")
    parley.drain_queue()

    ended = parley.task(task.id)
    assert ended.status == "cancelled"
    assert parley.parts(task.id)[-1]["type"] == "finish"
    assert parley.sockets.of("conn", "r").ends == 1
    assert len({row.task_id for row in parley.transcript(session)}) == 1
    assert " of it" not in str(parley.parts(task.id))
    if not obeys:
        assert after == [house.rows()]
    for _ in range(3):
        parley.clock.advance(60)
        parley.sweep()
        parley.drain_queue()
    assert len(parley.model.requests) == 1
    assert parley.session(other.id).id == other.id


def test_a_turn_at_its_very_end_does_not_hand_over(house: House) -> None:
    """The deletion comes between its last look and its end: it ends cancelled, and what waits starts no turn."""
    parley, session = house.parley, house.parley.new_session()
    said, end = says("One")

    def delete_before_the_end() -> None:
        def watch(name: str, _: int) -> None:
            if name == "TransactWriteItems":
                parley.watch.on_call = None
                delete_session(parley.services, "ada", session.id)

        parley.watch.on_call = watch

    parley.scripted([said, lambda: parley.send(session, "More", "m2"), 5.0, delete_before_the_end, end], says("Two"))
    task = parley.send(session).task
    parley.drain_queue()
    assert parley.task(task.id).status == "cancelled"
    assert len(parley.model.requests) == 1
    assert parley.database.get(session_key(session.id), consistent=True)


def test_of_two_deletions_at_once_one_is_answered(house: House) -> None:
    """The other is told that there is no such session; one record of what is to be purged is there."""
    parley, session = house.parley, house.parley.new_session()
    before_next(parley, lambda: house.delete(session))
    assert gone(lambda: house.delete(session))
    assert sum(key.startswith("PURGE#") for key in house.everything()) == 1


def test_a_send_and_a_deletion_at_once(house: House) -> None:
    """Whoever is second sees the other: the send finds no session, or the deletion stops the turn."""
    parley = house.parley
    session = parley.new_session()
    before_next(parley, lambda: house.delete(session))
    assert gone(lambda: parley.send(session))
    session = parley.new_session()
    before_next(parley, lambda: parley.send(session))
    house.delete(session)
    (row, *_) = parley.transcript(session)
    assert parley.task(row.task_id).status == "cancelled"


def before_next(parley: Parley, happens: Callable[[], object]) -> None:
    """Let something happen right before the next transaction."""

    def watch(name: str, _: int) -> None:
        if name == "TransactWriteItems":
            parley.watch.on_call = None
            happens()

    parley.watch.on_call = watch


# -- the purge ---------------------------------------------------------------------------------


def test_nothing_is_left_in_the_end(house: House) -> None:
    """Rows, parts, files; the quota is given back. Not before every invocation is dead that knew it."""
    parley = house.parley
    kept = house.busy_session()
    remaining, used = house.everything(), house.desk.used()
    session = house.busy_session()
    assert house.desk.used() == 2 * used

    house.delete(session)
    full = house.everything()
    parley.clock.advance(PURGE_AFTER_SECONDS - 1)
    assert house.purge() == 0
    assert house.everything() == full
    parley.clock.advance(1)
    assert house.purge() == 1

    assert house.everything() == remaining
    assert house.desk.used() == used
    assert len(parley.transcript(kept)) == 7
    assert house.purge() == 0
    parley.clock.advance(60)
    parley.sweep()
    assert parley.timers() == 0


def test_what_a_zombie_wrote_goes_too(house: House) -> None:
    """A worker that wakes after the deletion, and stores a file, is dead before the purge begins."""
    parley, session = house.parley, house.parley.new_session()
    remaining = house.everything()

    def late() -> None:
        house.desk.write("late.txt", context=house.desk.call("ada", session.id))

    parley.scripted([TextDelta("Half"), 0.5, lambda: house.delete(session), late, *says("done")])
    parley.send(session)
    parley.drain_queue()
    parley.clock.advance(PURGE_AFTER_SECONDS)
    assert house.purge() == 1
    assert [key for key in house.everything() if session.id in key] == []
    assert len(house.everything()) < len(remaining) + 1
    assert house.desk.used() == 0


def test_a_turn_that_waits_is_ended_and_its_waiters_go(house: House) -> None:
    """Nobody works on it: the deletion ends it, and it is not woken any more."""
    parley = house.parley
    until = int(parley.clock.now() * 1000) + 3_600_000
    parley.with_tools(Waiter(Wait(("TASK#other",), until)))
    session = parley.new_session()
    parley.scripted(calls(("c1", "waiter", "{}")))
    task = parley.send(session).task
    parley.database.write(Put({"pk": "TASK#other", "sk": "META", "status": "running"}))
    parley.drain_queue()
    assert parley.task(task.id).status == "waiting"

    house.delete(session)
    assert parley.task(task.id).status == "cancelled"
    parley.clock.advance(PURGE_AFTER_SECONDS)
    assert house.purge() == 1
    assert house.everything() == ["TASK#other"]


def test_sub_sessions_go_along(house: House) -> None:
    """Level by level, with what they have; a turn that runs in one ends, and gives its slot back. Others stay."""
    parley = house.parley
    parley.with_turns(5, 15)
    sessions = [parley.new_session(), parley.new_session()]
    other = house.small_session()
    for number in range(2):
        task = parley.send(sessions[number], message_id=f"p{number}").task
        parley.messages_waiting()
        sessions.insert(number + 1, create_sub_session(parley.database, parley.clock, task, f"S-{number}"))
    parent, child, grandchild, stranger = sessions
    for session in (parent, child):
        cancel_turn(parley.services, "ada", session.id)
    running = parley.send(grandchild).task
    remaining = {*house.everything()}

    house.delete(parent)
    for level in (grandchild, child):
        assert parley.session(level.id)
    for _ in range(3):
        parley.clock.advance(PURGE_AFTER_SECONDS)
        assert house.purge() == 1

    left = house.everything()
    assert not [key for key in left if any(session.id in key for session in (parent, child, grandchild))]
    assert f"TASK#{running.id}" in remaining
    assert f"TASK#{running.id}" not in left
    assert parley.session(other.id)
    assert parley.session(stranger.id)
    parley.drain_queue()
    assert len(parley.model.requests) == 1
    assert parley.pool() == Pool()


def test_what_a_killed_worker_had_reserved_counts_as_spent(house: House) -> None:
    """The purge settles it before the turn is forgotten: nothing stays reserved for the rest of the week."""
    parley, session = house.parley, house.parley.new_session()
    parley.with_limits(user_week_max_tokens=100_000)
    parley.scripted(says("One"))
    task = parley.send(session).task
    parley.drain_queue()
    task = parley.task(task.id)
    budgets = Budgets(parley.database, parley.clock, parley.services.limits)
    Tab(budgets, task.id, task.epoch).reserve(task, "title", CallSize(100, 1_000, None))
    week = user_meters("ada", day_of(parley.clock.now()))[1]
    before = week.used(parley.database.get(week.key)).tokens

    house.delete(session)
    parley.clock.advance(PURGE_AFTER_SECONDS)
    assert house.purge() == 1

    record = parley.database.get(week.key)
    assert (week.used(record).tokens, week.reserved(record).tokens) == (before + 1_100, 0)


def test_a_purge_takes_no_more_than_its_share_of_a_tick(house: House) -> None:
    """It goes on where it stopped, tick by tick, and comes to the next session as well."""
    sessions = [house.busy_session() for _ in range(2)]
    for session in sessions:
        house.delete(session)
    house.parley.clock.advance(PURGE_AFTER_SECONDS)
    ticks = [house.purge(steps=4) for _ in range(20)]
    assert sum(ticks) == 2
    assert ticks.index(1) > 1
    assert house.everything() == []


@pytest.mark.parametrize("fault", ["kill_after", "error_before"])
def test_a_purge_that_fails_at_any_call_is_taken_up_again(house: House, fault: FaultKind) -> None:
    """Whatever was done already is no trouble, the quota is given back once, and other sessions are untouched."""
    parley = house.parley
    kept = house.busy_session()
    remaining, used = house.everything(), house.desk.used()
    at = struck = 0
    while struck == at:
        session = house.small_session()
        house.delete(session)
        parley.clock.advance(PURGE_AFTER_SECONDS)
        parley.watch.reset(fault_at=at, fault=fault)
        with suppress(Killed, Retryable):  # Retryable: the list of what is due could not be read
            house.purge()
        struck += len(parley.watch.calls) > at
        parley.watch.reset()
        parley.clock.advance(60)
        house.purge()
        assert (house.everything(), house.desk.used()) == (remaining, used), at
        assert len(parley.transcript(kept)) == 7
        at += 1
    assert at > 15


@pytest.mark.parametrize("at", range(0, 24, 3))
def test_two_purges_at_once(house: House, at: int) -> None:
    """A tick that comes twice does no harm."""
    house.desk.write("kept.txt", context=house.desk.call("ada", "S9"))
    remaining, used = house.everything(), house.desk.used()
    house.delete(house.busy_session())
    house.parley.clock.advance(PURGE_AFTER_SECONDS)

    def other(_: str, number: int) -> None:
        if number == at:
            with house.parley.watch.paused():
                house.purge()

    house.parley.watch.reset()
    house.parley.watch.on_call = other
    house.purge()
    house.parley.watch.on_call = None
    assert (house.everything(), house.desk.used()) == (remaining, used)


@pytest.mark.parametrize("fault", FAULT_KINDS)
def test_a_deletion_that_fails_at_any_call_is_whole_or_nothing(house: House, fault: FaultKind) -> None:
    """Either the session is there as before, or it is gone, its turn ends by itself, and the purge follows."""
    parley = house.parley
    at = struck = 0
    while struck == at:
        session = parley.new_session()
        parley.scripted(says("Answer"))
        task = parley.send(session).task
        parley.watch.reset(fault_at=at, fault=fault)
        with suppress(Killed, Retryable):
            house.delete(session)
        struck += len(parley.watch.calls) > at
        parley.watch.reset()
        is_deleted = "deleted_at" in (parley.database.get(session_key(session.id)) or {})
        for _ in range(2):
            parley.drain_queue()
            parley.clock.advance(40)
            parley.sweep()
        assert parley.task(task.id).status == ("cancelled" if is_deleted else "completed")
        parley.clock.advance(PURGE_AFTER_SECONDS)
        house.purge()
        assert (house.everything() == []) == is_deleted
        parley.wipe()
        at += 1
    assert at > 5


def test_a_turn_that_nobody_ended_is_ended_by_the_purge(house: House) -> None:
    """The request was killed, and the queue has a long backlog: the purge ends the turn, and begins as late again."""
    parley, session = house.parley, house.parley.new_session()
    task = parley.send(session).task
    parley.watch.reset(fault_at=1, fault="kill_after")
    with pytest.raises(Killed):
        house.delete(session)
    parley.watch.reset()
    assert parley.task(task.id).status == "queued"

    parley.clock.advance(PURGE_AFTER_SECONDS)
    assert house.purge() == 0
    assert parley.task(task.id).status == "cancelled"
    parley.clock.advance(PURGE_AFTER_SECONDS - 1)
    assert house.purge() == 0
    parley.clock.advance(1)
    assert house.purge() == 1
    assert house.everything() == []
    parley.drain_queue()
    assert parley.model.requests == []


def test_a_claimed_sessions_files_count_for_whoever_wrote_them(house: House) -> None:
    """The guest's are below the guest's prefix, the user's below theirs; both go, both quotas are given back."""
    parley, desk = house.parley, house.desk
    session = parley.new_session(GUEST)
    desk.write("a.txt", context=desk.call(GUEST, session.id))
    claim_session(parley.services, session.id, GUEST, "ada")
    desk.write("b.txt", context=desk.call("ada", session.id))

    house.delete(session)
    parley.clock.advance(PURGE_AFTER_SECONDS)
    assert house.purge() == 1
    assert house.everything() == []
    assert (desk.used(GUEST), desk.used("ada")) == (0, 0)


def test_one_session_that_can_not_be_purged_does_not_keep_the_others(house: House) -> None:
    """It is left for the next minute."""
    for _ in range(3):
        house.delete(house.parley.new_session())
    house.parley.clock.advance(PURGE_AFTER_SECONDS)
    house.parley.watch.reset(fault_at=1, fault="error_before")
    assert house.purge() == 2
    house.parley.watch.reset()
    assert house.purge() == 1


def test_a_long_session_is_purged_in_batches(house: House) -> None:
    """25 rows a call, whatever their number."""
    parley, session = house.parley, house.parley.new_session()
    parley.scripted(says(*"word " * 30))
    for number in range(30):
        parley.send(session, message_id=f"m{number}")
        parley.drain_queue()
    house.delete(session)
    parley.clock.advance(PURGE_AFTER_SECONDS)
    parley.watch.reset()
    assert house.purge() == 1
    assert house.everything() == []
    # 30 messages, 30 answers, 30 claims; a turn's parts and its task
    assert parley.watch.calls.count("BatchWriteItem") == 4 + 30 * 2
