"""Time as an argument, so that tests turn it instead of waiting."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)


def to_millis(seconds: float) -> int:
    """Whole milliseconds, the unit of every stored time that is compared."""
    return int(seconds * 1000)


def iso(millis: int) -> str:
    """A stored time as ISO 8601 in UTC, the form that clients see."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
