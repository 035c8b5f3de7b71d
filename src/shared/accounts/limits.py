"""How often somebody may do something: counted per fixed window, and refused when it can't be counted.

| record | pk                      | sk                    | notes                          |
|--------|-------------------------|-----------------------|--------------------------------|
| window | `LIMIT#{what}#{whose}`  | `WINDOW#{start, s}`   | a short mark of each thing done |

What is counted is a set of marks, so the same thing asked for twice counts once.
"""

import math

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Update
from shared.kernel.clock import Clock
from shared.kernel.errors import LimitReached
from shared.kernel.ids import digest
from shared.kernel.telemetry import count

_MARK_CHARACTERS = 12
_KEPT_SECONDS = 300
"""Beyond its window, so that a clock that is behind finds its row."""


class RateLimit:
    """At most `most` different things of one kind (`what`) in each window; None: as many as you like."""

    def __init__(self, database: Database, clock: Clock, what: str, most: int | None, window_seconds: int) -> None:
        self._database = database
        self._clock = clock
        self._what = what
        self._most = most
        self._window_seconds = window_seconds

    def charge(self, whose: str, thing: str) -> None:
        """Count `thing` for `whose`; once, if it is asked for again within the window.

        Raises:
            LimitReached: the window is full; `details` says when the next one begins.
            Retryable: it can't be counted, so it can't be allowed.
        """
        if self._most is None:
            return
        now = self._clock.now()
        start = int(now) // self._window_seconds * self._window_seconds
        if self._most == 0:
            raise self._reached(start, now)
        mark = digest(thing)[:_MARK_CHARACTERS]
        counted = Update(
            {"pk": f"LIMIT#{self._what}#{whose}", "sk": f"WINDOW#{start}"},
            "SET #v = :v, #expires_at = :expires ADD #marks :marks",
            condition="attribute_not_exists(#marks) OR size(#marks) < :most OR contains(#marks, :mark)",
            values={
                "v": 1,
                "expires": start + self._window_seconds + _KEPT_SECONDS,
                "marks": {mark},
                "mark": mark,
                "most": self._most,
            },
        )
        try:
            self._database.write(counted)
        except ConditionFailed:
            raise self._reached(start, now) from None

    def _reached(self, start: int, now: float) -> LimitReached:
        count("RateLimited")
        seconds = max(1, math.ceil(start + self._window_seconds - now))
        return LimitReached(
            f"No more than {self._most} in {self._window_seconds} s are allowed. Try again in {seconds} s.",
            code="rate_limited",
            details={"limit": self._most, "window_seconds": self._window_seconds, "retry_after_seconds": seconds},
        )
