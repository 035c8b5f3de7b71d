"""Several processes at once, in one order that a seed decides: a thread each, of which one runs at a time.

An actor steps aside before every call to AWS and every post, and whenever it waits for time. Who goes on
is drawn; so is whether somebody freezes for a while, as a Lambda does, to wake up as a zombie.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.support.time import FakeClock


@dataclass
class _Actor:
    name: str
    job: Callable[[], object]
    until: float
    ready: Callable[[], bool] = lambda: False
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None
    finished: bool = False
    error: BaseException | None = None


class ActorClock(FakeClock):
    """Time that passes when nobody has anything to do."""

    def __init__(self, seed: int, freeze: float = 0.0) -> None:
        super().__init__()
        self._random = Random(seed)  # noqa: S311 - a reproducible order, no secret
        self._freeze = freeze
        self._actors: list[_Actor] = []
        self._running: _Actor | None = None
        self._back = threading.Semaphore(0)
        self.frozen = 0

    def spawn(self, name: str, job: Callable[[], object], after: float = 0.0) -> None:
        """Start a process, `after` so many seconds."""
        self._actors.append(_Actor(name, job, self.now() + after))

    @property
    def others(self) -> int:
        """How many unfinished actors there are besides the one that runs."""
        return sum(not actor.finished and actor is not self._running for actor in self._actors)

    def step_aside(self) -> None:
        """Let others go first, perhaps."""
        if self._running:
            frozen = self._random.random() < self._freeze
            self.frozen += frozen
            self._park(lambda: False, self.now() + (self._random.uniform(5, 40) if frozen else 0.0))

    def sleep(self, seconds: float) -> None:
        if self._running:
            self._park(lambda: False, self.now() + seconds)
        else:
            super().sleep(seconds)

    def wait_until(self, ready: Callable[[], bool], limit: float) -> None:
        if self._running:
            self._park(ready, limit)
        else:
            super().wait_until(ready, limit)

    def run(self) -> None:
        """Until every actor has finished."""
        while unfinished := [actor for actor in self._actors if not actor.finished]:
            runnable = [actor for actor in unfinished if actor.until <= self.now() or actor.ready()]
            if runnable:
                self._resume(self._random.choice(runnable))
                continue
            instants = [actor.until for actor in unfinished]
            upcoming = self.next_event()
            self.advance_to(min([*instants, *([] if upcoming is None else [upcoming])]))
        self._actors.clear()

    def _resume(self, actor: _Actor) -> None:
        self._running = actor
        if actor.thread is None:
            actor.thread = threading.Thread(target=self._live, args=(actor,), name=actor.name, daemon=True)
            actor.thread.start()
        else:
            actor.go.release()
        self._back.acquire()
        self._running = None
        if actor.error:
            raise actor.error

    def _live(self, actor: _Actor) -> None:
        try:
            actor.job()
        except BaseException as error:  # handed to the test
            actor.error = error
        actor.finished = True
        self._back.release()

    def _park(self, ready: Callable[[], bool], until: float) -> None:
        actor = self._running
        assert actor is not None
        actor.ready, actor.until = ready, until
        self._back.release()
        actor.go.acquire()
