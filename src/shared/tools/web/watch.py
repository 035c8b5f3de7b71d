"""The two ends of a fetch that come from outside: the deadline and the cancellation."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.kernel.errors import ToolError
from shared.tools.contract import Cancellation


class Watch:
    """Asked before every step that could last; wakes what is blocked when the call is cancelled."""

    def __init__(self, cancellation: Cancellation, seconds: float, clock: Callable[[], float]) -> None:
        self._cancellation = cancellation
        self._clock = clock
        self._deadline = clock() + seconds
        self._lock = threading.Lock()
        self._wake: Callable[[], None] | None = None
        cancellation.on_cancel(self._cut)

    def check(self) -> None:
        """Raise `cancelled` or `timed_out` if the fetch must end now."""
        self.remaining(at_most=0.0)

    def remaining(self, at_most: float) -> float:
        """Seconds that the next step may block, `at_most` that many; raises as `check` does."""
        if self._cancellation.cancelled:
            raise ToolError("The fetch was cancelled.", code="cancelled")
        left = self._deadline - self._clock()
        if left <= 0:
            raise ToolError("The page took too long to arrive; try again later or another page.", code="timed_out")
        return min(left, at_most)

    @contextmanager
    def breaking(self, wake: Callable[[], None]) -> Iterator[None]:
        """While this is open, a cancellation calls `wake` (from another thread), which must not block."""
        with self._lock:
            self._wake = wake
        if self._cancellation.cancelled:
            wake()
        try:
            yield
        finally:
            with self._lock:
                self._wake = None

    def _cut(self) -> None:
        with self._lock:
            wake = self._wake
        if wake is not None:
            wake()
