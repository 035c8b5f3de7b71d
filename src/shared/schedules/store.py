"""Reading and writing schedules."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Item, Write
from shared.kernel.errors import Conflict, LimitReached, NotFound, Retryable
from shared.kernel.telemetry import count, log_problem
from shared.schedules.records import (
    KEPT_FIRES,
    MAX_SCHEDULES,
    DueRow,
    Fire,
    Schedule,
    changing,
    creating,
    fired_key,
    forgetting,
    removing,
    request_key,
    schedule_key,
)

_ATTEMPTS = 6


class ScheduleStore:
    """The schedules of all users; each method looks only at those of the user that it is given."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: str, schedule_id: str) -> Schedule | None:
        """The schedule, or None."""
        item = self._database.get(schedule_key(user_id, schedule_id))
        return Schedule.from_item(item) if item else None

    def get(self, user_id: str, schedule_id: str) -> Schedule:
        """The schedule.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        found = self.find(user_id, schedule_id)
        if found is None:
            raise NotFound("There is no such schedule.", code="SCHEDULE_NOT_FOUND")
        return found

    def all(self, user_id: str) -> list[Schedule]:
        """All of the user's, the oldest first."""
        condition = "#pk = :pk AND begins_with(#sk, :prefix)"
        rows = self._database.query(condition, {"pk": f"SCHEDULES#{user_id}", "prefix": "SCHEDULE#"})
        return sorted((Schedule.from_item(row) for row in rows), key=lambda schedule: schedule.created_at)

    def create(self, schedule: Schedule) -> Schedule:
        """Put a new one. With an id that was used before: what is there, or, if that is gone, what was made.

        Raises:
            LimitReached: the user has as many as one may have.
            Conflict, NotFound: as `requested`.
        """
        writes = creating(schedule)
        try:
            self._database.transact(writes)
        except TransactionFailed as failure:
            if schedule.request_id and (request := failure.failed.get(len(writes) - 1)):
                return self._made_for(schedule.user_id, request, schedule.request_digest)
            if failure.failed.keys() != {1}:
                return self._made_before(schedule, failure.failed.get(0))
            message = f"You have {MAX_SCHEDULES} schedules; delete one first."
            raise LimitReached(message, code="too_many_schedules", details={"limit": MAX_SCHEDULES}) from failure
        return schedule

    def requested(self, user_id: str, request_id: str, digest: str, now: float) -> Schedule | None:
        """What was made under a caller's own id, as it is; None: nothing was. `now` in seconds.

        Raises:
            Conflict: the id stands for something else.
            NotFound: what was made is gone.
        """
        request = self._database.get(request_key(user_id, request_id))
        return self._made_for(user_id, request, digest) if request and request["expires_at"] > now else None

    def _made_for(self, user_id: str, request: Item, digest: str) -> Schedule:
        made = str(request["schedule_id"])
        if request["digest"] != digest:
            message = "This request_id was used within a day for another schedule."
            raise Conflict(message, code="request_id_used", details={"schedule_id": made})
        found = self.find(user_id, made)
        if found is None:
            message = "The schedule was made, and is gone: it has fired once, or was deleted."
            raise NotFound(message, code="SCHEDULE_NOT_FOUND")
        return found

    def _made_before(self, schedule: Schedule, made: Item | None) -> Schedule:
        next_fire = made["next_fire"] if made else schedule.next_fire
        return self.find(schedule.user_id, schedule.id) or replace(schedule, next_fire=next_fire, due=0)

    def change(self, user_id: str, schedule_id: str, changed: Callable[[Schedule], Schedule]) -> Schedule:
        """Put `changed(schedule)` in the schedule's place, whoever else changes it.

        Raises:
            NotFound: there is none, or it is somebody else's.
            Retryable: others change it all the time.
        """
        for _ in range(_ATTEMPTS):
            seen = self.get(user_id, schedule_id)
            after = changed(seen)
            if after == seen or self.write(changing(seen, after)):
                return after
        raise _busy()

    def delete(self, user_id: str, schedule_id: str) -> Schedule:
        """Take it away with its history; what it was.

        Raises:
            NotFound: there is none, or it is somebody else's.
            Retryable: others change it all the time.
        """
        for _ in range(_ATTEMPTS):
            seen = self.get(user_id, schedule_id)
            if self.write(removing(seen)):
                self._database.delete_all(fired_key(seen.id, place) for place in range(min(seen.fires, KEPT_FIRES)))
                return seen
        raise _busy()

    def write(self, writes: list[Write]) -> bool:
        """Do all of it; False: a condition did not hold."""
        try:
            self._database.transact(writes)
        except TransactionFailed:
            return False
        return True

    def forget(self, row: DueRow) -> None:
        """Take away a row that its schedule has left behind; if it is that one's own again, it stays."""
        self.write(forgetting(row))

    def fires(self, schedule_id: str, now: float) -> list[Fire]:
        """What has become of its last fires, the newest first; `now` in seconds."""
        rows = self._database.query("#pk = :pk", {"pk": f"SCHEDULE#{schedule_id}"})
        there = (Fire.from_item(row) for row in rows if row["expires_at"] > now)
        return sorted(there, key=lambda fire: fire.place, reverse=True)

    def fire_of(self, schedule_id: str, task_id: str, now: float) -> Fire | None:
        """The one of these that has started the task, or None."""
        return next((fire for fire in self.fires(schedule_id, now) if fire.task_id == task_id), None)

    def due(self, shard: int, now: int, limit: int | None = None) -> Iterator[DueRow]:
        """The rows of a shard that are due, the oldest first; a row of this second may be missing still.

        What can't be read as a row, or sorts before its time, is left out, and left where it is.
        """
        values = {"pk": f"FIRE#{shard}", "latest": f"{now:013d}#~"}
        rows = self._database.query("#pk = :pk AND #sk <= :latest", values, consistent=False, portion=limit)
        yield from islice((row for row in map(_read, rows) if row and row.due <= now), limit)


def _read(item: Item) -> DueRow | None:
    try:
        return DueRow.from_item(item)
    except (KeyError, ValueError):
        log_problem("schedule.failed", code="unreadable_row")
        count("WorkFailed")
        return None


def _busy() -> Retryable:
    return Retryable("The schedule is being changed by others; try again.", code="schedule_busy")
