"""The minute tick: finds what is due, does a little of it itself, and spreads the rest over further invocations.

The first look takes 26 rows of each shard. A shard with more is handed on as a whole: one invocation lists what is due
in it and hands portions on, which are fired side by side. What is handed on twice, or not at all, does no harm: a row
goes in the transaction that fires it, and what is left is found again a minute later.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from shared.aws.database import Database
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import count, log_event, log_failure, log_problem
from shared.schedules.records import SHARDS, DueRow
from shared.schedules.store import ScheduleStore

AT_ONCE = 25
"""Rows of a shard that the tick deals with itself."""
PORTION = 250
"""Rows of one further invocation."""
ERRAND = "schedules"
"""Under this name an event brings an `Errand`."""
_MOST_LISTED = 40_000
_SIDE_BY_SIDE = 8


class Looking(Protocol):
    """Deals with one row; see `firing.Firing`."""

    def look_at(self, row: DueRow) -> bool:
        """Whether it has started something."""


class Errand(BaseModel):
    """What one invocation hands on to another."""

    model_config = ConfigDict(extra="forbid")

    shard: int = Field(ge=0, lt=SHARDS)
    rows: list[tuple[int, str, str]] = Field(default_factory=list, max_length=PORTION)
    """Due, schedule and user of each; none: all that is due in the shard."""


class Tick:
    """Fires what is due; `firing` is made when there is something."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        firing: Callable[[], Looking],
        hand_on: Callable[[dict[str, Any]], None],
        executor: Executor,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = ScheduleStore(database)
        self._clock = clock
        self._firing = firing
        self._hand_on = hand_on
        self._executor = executor
        self._may_go_on = may_go_on

    def look(self) -> int:
        """The first look of a minute; how many rows it has dealt with."""
        now = to_millis(self._clock.now())
        mine: list[DueRow] = []
        for shard in range(SHARDS):
            rows = self._due(shard, now)
            if len(rows) > AT_ONCE and self._handed_on(Errand(shard=shard)):
                continue
            mine += rows
        return self._fire(mine)

    def _due(self, shard: int, now: int) -> list[DueRow]:
        try:
            return list(self._store.due(shard, now, limit=AT_ONCE + 1))
        except Retryable as error:  # the other shards fire; this one is looked at again in a minute
            log_problem("schedules.unread", shard=shard, code=error.code)
            count("WorkFailed")
            return []

    def do(self, sent: Any) -> int:
        """What another invocation has handed on; how many rows were dealt with here."""
        errand, now = Errand.model_validate(sent), to_millis(self._clock.now())
        if errand.rows:
            handed = [DueRow(errand.shard, *row) for row in errand.rows]
            return self._fire([row for row in handed if row.due <= now])
        found = self._store.due(errand.shard, now, limit=_MOST_LISTED)
        rows = [(row.due, row.schedule_id, row.user_id) for row in found]
        portions = [rows[at : at + PORTION] for at in range(0, len(rows), PORTION)]
        mine: list[tuple[int, str, str]] = []
        for number, portion in enumerate(portions):
            if number == 0 or not self._handed_on(Errand(shard=errand.shard, rows=portion)):
                mine += portion
        return self._fire([DueRow(errand.shard, *row) for row in mine])

    def _handed_on(self, errand: Errand) -> bool:
        try:
            self._hand_on({ERRAND: errand.model_dump(mode="json")})
        except Retryable as error:
            log_problem("schedules.handed_on", shard=errand.shard, code=error.code)
            return False
        log_event("schedules.handed_on", shard=errand.shard, fires=len(errand.rows))
        return True

    def _fire(self, rows: Sequence[DueRow]) -> int:
        """Several side by side, as long as there is time."""
        if not rows:
            return 0
        firing, seen = self._firing(), 0
        for at in range(0, len(rows), _SIDE_BY_SIDE):
            if not self._may_go_on():
                break
            portion = rows[at : at + _SIDE_BY_SIDE]
            seen += sum(self._executor.map(lambda row: self._look_at(firing, row), portion))
        log_event("schedules.looked_at", fires=seen)
        return seen

    def _look_at(self, firing: Looking, row: DueRow) -> int:
        try:
            firing.look_at(row)
        except Exception as error:  # noqa: BLE001 - one schedule's trouble must not keep the others
            log_failure("schedule.failed", error, schedule_id=row.schedule_id, user_id=row.user_id)
            count("WorkFailed")
        return 1
