"""How work in other threads reports to the one thread that writes.

The owner of a turn is a single thread: it alone stores, posts and renews, so nothing of that needs a
lock. Model streams and tools run beside it and put what they have into a mailbox.
"""

import queue
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

EventT = TypeVar("EventT")


class Mailbox(Protocol[EventT]):
    """Events on their way to the owner."""

    def put(self, event: EventT) -> None:
        """Deliver an event, from any thread."""

    def get(self, seconds: float) -> EventT | None:
        """The next event, waiting for it up to `seconds`; None if there was none."""


class Workers(Protocol):
    """Where such work runs."""

    def mailbox(self) -> Mailbox[EventT]:
        """An empty mailbox."""

    def start(self, name: str, job: Callable[[], None]) -> None:
        """Run `job` beside the owner; it must catch its own errors."""


class _QueueMailbox(Mailbox[EventT]):
    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[EventT] = queue.SimpleQueue()

    def put(self, event: EventT) -> None:
        self._queue.put(event)

    def get(self, seconds: float) -> EventT | None:
        try:
            return self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None


class ThreadWorkers:
    """A daemon thread for each job, so that one that never returns keeps nothing alive."""

    def mailbox(self) -> Mailbox[EventT]:
        """An empty mailbox."""
        return _QueueMailbox()

    def start(self, name: str, job: Callable[[], None]) -> None:
        """Run `job` in a thread of its own."""
        threading.Thread(target=job, name=name, daemon=True).start()
