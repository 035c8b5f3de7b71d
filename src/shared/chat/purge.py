"""What a deleted session leaves behind, removed bit by bit.

It begins so late that no invocation lives any more that knew the session: what a zombie writes goes too. It may stop,
or be killed, between any two writes, and be done by two at once. Rows that lead to others (a message to its task, a
call that waited to its waiters) go after what they lead to; the session's record and the purge's own go last, together.
Its sub-sessions are deleted when it begins: none can come any more, and nobody would find them without it.
The mirror of a viewer under its connection is left to its TTL, as with any connection that is gone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeVar

from shared.accounts.budgets.reservations import settle_in_full
from shared.agents.reviews.records import led_to
from shared.aws.database import TransactionFailed
from shared.aws.writes import Delete, Item, Put, TableName
from shared.chat.deletion import PURGE_SHARDS, delete_session, purged_later
from shared.chat.services import Services
from shared.chat.sessions import list_sessions, session_key
from shared.chat.turn.ending import Outcome
from shared.chat.turn.outside import end_from_outside
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound
from shared.kernel.telemetry import count, log_event, log_failure
from shared.tasks.wait import Wait
from shared.tasks.waits import waiters
from shared.tools.workspace.store import Workspace

_PORTION = 25
"""Rows that are deleted between two looks at the time; one batch of DynamoDB's."""

ItemT = TypeVar("ItemT")


class Purge:
    """Removes what is left of deleted sessions; `workspace` is None where there are no files."""

    def __init__(self, services: Services, workspace: Workspace | None, caller: str) -> None:
        self._services = services
        self._database = services.database
        self._workspace = workspace
        self._caller = caller

    def run(self, may_go_on: Callable[[], bool]) -> int:
        """Purge what is due while `may_go_on`; how many sessions were done with. The rest is for the next time."""
        done = 0
        for record in self._due():
            if not may_go_on():
                break
            try:
                done += self._purge(record, may_go_on)
            except Exception as error:  # noqa: BLE001 - one session's trouble must not keep the others
                log_failure("session.purge_failed", error, session_id=record["session_id"])
                count("WorkFailed")
        return done

    def _due(self) -> Iterator[Item]:
        latest = f"{to_millis(self._services.clock.now()):013d}#~"
        for shard in range(PURGE_SHARDS):
            yield from self._database.query("#pk = :pk AND #sk <= :latest", {"pk": f"PURGE#{shard}", "latest": latest})

    def _purge(self, record: Item, may_go_on: Callable[[], bool]) -> bool:
        session_id: str = record["session_id"]
        session = self._database.get(session_key(session_id))
        if session and session.get("active_task"):
            self._end_first(record, session["active_task"])
            return False
        if not self._delete_sub_sessions(record, may_go_on) or not self._forget_files(record, may_go_on):
            return False
        for _ in self._portions(session_id):
            if not may_go_on():
                return False
        self._database.transact([Delete(session_key(session_id)), Delete(_key(record))])
        log_event("session.purged", session_id=session_id, user_id=record["user_id"])
        return True

    def _end_first(self, record: Item, task_id: str) -> None:
        """Whoever deleted the session was killed before its turn had ended: end it, and begin as late again."""
        end_from_outside(self._services, task_id, Outcome.cancelled("forced"), self._caller)
        later = Put(purged_later(record, to_millis(self._services.clock.now())))
        try:
            self._database.transact([Delete(_key(record), condition="attribute_exists(#pk)"), later])
        except TransactionFailed:  # another one was quicker
            return

    def _delete_sub_sessions(self, record: Item, may_go_on: Callable[[], bool]) -> bool:
        """Each is purged in its own time, and takes its own sub-sessions along."""
        user_id, session_id = record["user_id"], record["session_id"]
        cursor: str | None = None
        while True:
            rows, cursor = list_sessions(self._database, user_id, _PORTION, cursor, parent_session=session_id)
            for row in rows:
                if not may_go_on():
                    return False
                with suppress(NotFound):  # its user, or another purge, was quicker
                    delete_session(self._services, user_id, row["id"])
            if cursor is None:
                return True

    def _forget_files(self, record: Item, may_go_on: Callable[[], bool]) -> bool:
        if self._workspace is None:
            return True
        users = [user for user in (record["user_id"], record.get("claimed_from")) if user]
        return self._workspace.forget_session(users, record["session_id"], may_go_on)

    def _portions(self, session_id: str) -> Iterator[None]:
        """Delete the session's rows but its record, and all tasks that they name; yields after each portion."""
        forgotten: set[str] = set()
        for rows in _in_portions(self._database.query("#pk = :pk", {"pk": f"SESSION#{session_id}"})):
            for task_id in sorted({row["task_id"] for row in rows if "task_id" in row} - forgotten):
                yield from self._forget_all(task_id, "chunks")
                yield from self._forget_all(f"TASK#{task_id}", "state")
                forgotten.add(task_id)
            self._database.delete_all(key for row in rows for key in led_to(row))
            self._database.delete_all(_key(row) for row in rows if row["sk"] != "META")
            yield

    def _forget_all(self, partition: str, table: TableName) -> Iterator[None]:
        for rows in _in_portions(self._database.query("#pk = :pk", {"pk": partition}, table=table)):
            if table == "state":
                settle_in_full(self._database, self._services.clock, rows)
            self._database.delete_all(key for row in rows for key in _waiters(row))
            names = ("pk", "seq") if table == "chunks" else ("pk", "sk")
            self._database.delete_all([{name: row[name] for name in names} for row in rows], table=table)
            yield


def _waiters(row: Item) -> Iterator[Item]:
    """What a call that waited when its turn was stopped has left elsewhere, if `row` is its journal."""
    if row.get("status") == "waiting" and str(row.get("sk", "")).startswith("CALL#"):
        task_id, call_id = row["pk"].removeprefix("TASK#"), row["sk"].removeprefix("CALL#")
        yield from (_key(put.item) for put in waiters(Wait.from_item(row), task_id, call_id))


def _key(row: Item) -> Item:
    return {"pk": row["pk"], "sk": row["sk"]}


def _in_portions(items: Iterable[ItemT]) -> Iterator[list[ItemT]]:
    rest = iter(items)
    while portion := list(islice(rest, _PORTION)):
        yield portion
