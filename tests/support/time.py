"""Time that tests turn, and work that runs in it."""

import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class FakeClock:
    """Stands still until somebody waits. At set times it runs callbacks: what happens meanwhile."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def at(self, seconds_from_now: float, callback: Callable[[], None]) -> None:
        """Run `callback` when so much time has passed."""
        heapq.heappush(self._events, (self._now + seconds_from_now, next(self._order), callback))

    def next_event(self) -> float | None:
        """When the next callback is due."""
        return self._events[0][0] if self._events else None

    def wait_until(self, ready: Callable[[], bool], limit: float) -> None:
        """Let time pass from one thing that happens to the next, until `ready` or the instant `limit`."""
        while not ready():
            upcoming = self.next_event()
            if upcoming is None or upcoming > limit:
                self.advance_to(limit)
                return
            self.advance_to(upcoming)

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen in order."""
        self.advance_to(self._now + seconds)

    def advance_to(self, instant: float) -> None:
        while self._events and self._events[0][0] <= instant:
            due, _, callback = heapq.heappop(self._events)
            self._now = max(self._now, due)
            callback()
        self._now = max(self._now, instant)


class FakeMailbox:
    """A mailbox in fake time: waiting turns the clock, up to the next thing that happens."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._events: list[Any] = []

    def put(self, event: Any) -> None:
        self._events.append(event)

    def get(self, seconds: float) -> Any:
        self._clock.wait_until(lambda: bool(self._events), self._clock.now() + seconds)
        return self._events.pop(0) if self._events else None


class InlineWorkers:
    """Runs jobs on the spot."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def mailbox(self) -> Any:
        return FakeMailbox(self._clock)

    def start(self, name: str, job: Callable[[], None]) -> None:
        job()


class InlineExecutor(Executor):
    """An executor whose work is done when `submit` returns."""

    def submit(self, fn: Callable[..., ResultT], /, *args: Any, **kwargs: Any) -> Future[ResultT]:
        future: Future[ResultT] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # the executor's contract: errors surface in result()
            future.set_exception(error)
        return future


class CountingIds:
    """Ids that tell the order in which they were made."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self) -> str:
        return f"id{next(self._numbers):06d}"

    def secret(self) -> str:
        return f"secret{next(self._numbers):06d}"
