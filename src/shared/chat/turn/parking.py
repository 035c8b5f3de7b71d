"""Tool calls that wait for something: first a little while at once, then with nobody working on the turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from shared.aws.writes import Put, Write
from shared.chat.services import Services
from shared.chat.transcript import ToolCall
from shared.chat.turn.owner import TurnOwner
from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import log_event, log_problem
from shared.tasks.wait import Wait
from shared.tasks.waits import MAX_MESSAGE_DELAY_SECONDS, is_over, waiters
from shared.tools.contract import Cancellation

_PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.25
_WRITES_AT_ONCE = 80


class TurnParked(Exception):
    """Nobody works on the turn until it is woken; the message that asked for it is done."""


@dataclass(frozen=True)
class Suspended:
    """A call that waits; `seq` is the row that is reserved for its result."""

    seq: int
    call: ToolCall
    wait: Wait
    stored: bool = False
    """Whether its journal and its waiters are written."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """What its journal has besides."""


def over_soon(services: Services, wait: Wait, cancellation: Cancellation) -> bool:
    """Whether the wait is over within about 3 s: looking again costs less than letting go of the turn."""
    limit = services.clock.now() + _PATIENCE_SECONDS
    while not cancellation.cancelled:
        try:
            if is_over(services.database, wait, to_millis(services.clock.now())):
                return True
        except Retryable:  # the turn's owner will look again
            return False
        if services.clock.now() + _POLL_SECONDS > limit:
            return False
        services.clock.sleep(_POLL_SECONDS)
    return False


class Parking:
    """Lets go of one turn whose calls all wait."""

    def __init__(
        self,
        services: Services,
        owner: TurnOwner,
        turn_ends_at: int,
        beside: Callable[[Wait], Sequence[Write]] = lambda _: (),
    ) -> None:
        """`beside`: what is written with a wait's journal, once."""
        self._services = services
        self._owner = owner
        self._turn_ends_at = turn_ends_at
        self._beside = beside

    def over(self, parked: dict[int, Suspended]) -> list[Suspended]:
        """Take out of `parked` those whose wait is over; if there are none, the turn is let go.

        Raises:
            TurnParked: nobody holds the lease any more.
            TurnCancelled, LeaseLost: as all that its owner does.
        """
        self.keep(parked)
        while True:
            if over := self.taken_out(parked):
                return over
            until = min(one.wait.until for one in parked.values())
            if self._owner.park(until, asks=any(one.wait.asks_user for one in parked.values())):
                self._set_alarm(until, len(parked))
                raise TurnParked(self._owner.task.id)
            self._owner.look()

    def keep(self, parked: dict[int, Suspended]) -> None:
        """Store what their next owner, and who wakes them, need to know."""
        parked |= {one.seq: one for one in self._stored(list(parked.values()))}

    def taken_out(self, parked: dict[int, Suspended]) -> list[Suspended]:
        """Take out those whose wait is over."""
        now = to_millis(self._services.clock.now())
        over = [one for one in parked.values() if is_over(self._services.database, one.wait, now)]
        return [parked.pop(one.seq) for one in over]

    def _stored(self, parked: Sequence[Suspended]) -> list[Suspended]:
        """The same calls, with what their next owner and those who wake it need to know."""
        bounded = [one if one.stored else replace(one, wait=self._bounded(one.wait), stored=True) for one in parked]
        writes: list[Write] = []
        for one, before in zip(bounded, parked, strict=True):
            if before.stored:
                continue
            more = self._writes(one)
            if len(writes) + len(more) > _WRITES_AT_ONCE and writes:
                self._owner.commit(writes)
                writes = []
            writes += more
        if writes:
            self._owner.commit(writes)
        return bounded

    def _writes(self, one: Suspended) -> list[Write]:
        task = self._owner.task
        journal = Put({**one.kept, **one.wait.to_item(task, one.call.id, one.call.name)})
        return [*waiters(one.wait, task.id, one.call.id), journal, *self._beside(one.wait)]

    def _bounded(self, wait: Wait) -> Wait:
        """No call waits beyond the time that the whole turn may take."""
        return replace(wait, until=min(wait.until, self._turn_ends_at))

    def _set_alarm(self, until: int, calls: int) -> None:
        """The sweep keeps the deadline to the minute; a delayed message keeps a near one to the second."""
        task = self._owner.task
        seconds = max(0, ceil((until - to_millis(self._services.clock.now())) / 1000))
        log_event("turn.parked", **task.ids, epoch=task.epoch, tool_calls=calls, seconds=seconds)
        if seconds > MAX_MESSAGE_DELAY_SECONDS:
            return
        try:
            self._services.queue.send(task.id, task.user_id, delay_seconds=seconds, kind=task.kind)
        except Retryable as error:
            log_problem("turn.send_failed", **task.ids, code=error.code)
