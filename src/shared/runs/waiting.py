"""The executions of one run that wait: their journals, and which of them are over."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.aws.writes import Write
from shared.chat.services import Services
from shared.chat.transcript import ToolCall
from shared.chat.turn.owner import TurnOwner
from shared.chat.turn.parking import Parking, Suspended
from shared.kernel.clock import to_millis
from shared.runs.calling import Underway
from shared.runs.deliveries import News, delivery_of
from shared.runs.records import Run
from shared.tasks.records import Task
from shared.tasks.wait import Wait

MOST_WAITING = 200
"""Executions of a run: each is a journal, and a read when its run is woken."""


@dataclass(frozen=True)
class Waited:
    """An execution whose wait is over."""

    number: int
    one: Underway


class Waits:
    """Of one owner."""

    def __init__(self, services: Services, owner: TurnOwner, run: Run, run_ends_at: int) -> None:
        self._services = services
        self._clock = services.clock
        self._owner = owner
        self._run = run
        self._parking = Parking(services, owner, run_ends_at, self._told)
        self._to_tell: list[Task] = []
        self._waiting: dict[int, Underway] = {}
        self._parked: dict[int, Suspended] = {}
        self._over: list[Suspended] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def executions(self) -> Iterable[Underway]:
        """All of them."""
        return self._waiting.values()

    @property
    def ask_user(self) -> bool:
        """Whether one waits for what its user says."""
        return any(one.wait.asks_user for one in self._parked.values())

    @property
    def deadlines(self) -> list[float]:
        """When each goes on at the latest, in seconds since the epoch."""
        return [one.wait.until / 1000 for one in self._parked.values()]

    def add(self, number: int, one: Underway, wait: Wait, *, stored: bool) -> None:
        """One more; `stored`: its journal is written."""
        assert one.block, "it has been looked up"
        self._waiting[number] = one
        one.waits(wait)
        call = ToolCall(one.ready.id, one.block.name, "{}")
        self._parked[number] = Suspended(number, call, wait, stored, one.kept())

    def keep(self) -> None:
        """Write the journals that are not; what its user is asked is told to where they want it told."""
        self._parking.keep(self._parked)
        while self._to_tell:
            self._services.slots.begin(self._to_tell.pop())

    def _told(self, wait: Wait) -> list[Write]:
        task = self._owner.task
        within = set(wait.reviews_within)
        told = [
            delivery_of(self._services, task, self._run, News("review", review_id=one), may_be_told=one in within)
            for one in wait.reviews
        ]
        self._to_tell += [delivery for delivery, _ in filter(None, told)]
        return [write for _, writes in filter(None, told) for write in writes]

    def look(self, *, even_without_news: bool = False) -> None:
        """Find those that are over, if anything says that there may be some: news, or the time."""
        now = to_millis(self._clock.now())
        due = any(one.wait.until <= now for one in self._parked.values())
        if self._parked and (due or even_without_news or self._owner.has_pending_news):
            self._owner.has_pending_news = False
            self._over += self._parking.taken_out(self._parked)

    def let_go(self) -> None:
        """Nothing else is left to do: let go of the run, unless one is over by now.

        Raises:
            TurnParked: nobody holds the lease any more.
            TurnCancelled, LeaseLost: as all that its owner does.
        """
        self.keep()
        self._over += self._parking.over(self._parked)

    @property
    def any_over(self) -> bool:
        """Whether one may go on."""
        return bool(self._over)

    def take(self, most: int) -> list[Waited]:
        """Take out those that are over, so many at most."""
        taken, self._over = self._over[:most], self._over[most:]
        return [Waited(one.seq, self._waiting.pop(one.seq)) for one in taken]
