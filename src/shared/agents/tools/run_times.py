"""When a run was, as people say it: `yesterday`, `last week`, a date, an instant."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from shared.kernel.clock import to_millis

_DAY_SECONDS = 86_400
_AROUND_SECONDS = 3_600
"""How far from a given instant a run may be."""
_LAST = {"last week": 7, "last 7 days": 7, "last month": 30, "last 30 days": 30}


@dataclass(frozen=True)
class TimeWindow:
    """When runs have been created that are meant, in milliseconds since the epoch; the fields are `RunFilter`'s."""

    since: int = 0
    """Then or later."""
    until: int = 0
    """Before; 0: no bound."""


ANY_TIME = TimeWindow()


def window_of(written: str, now: float, zone: tzinfo) -> TimeWindow:
    """What is meant by `written`, said at `now` (seconds since the epoch) by somebody whose clocks are in `zone`.

    A day lasts from one midnight to the next, be it 23 hours or 25. What can't be understood means any time, as
    `latest` does.
    """
    said = " ".join(re.split(r"[\s_]+", written.strip().lower()))
    today = datetime.fromtimestamp(now, zone).date()
    if said in _LAST:
        return TimeWindow(to_millis(now - _LAST[said] * _DAY_SECONDS))
    if said in {"today", "yesterday"}:
        return _day(today if said == "today" else today - timedelta(days=1), zone)
    try:
        return _of_iso(written.strip(), zone)
    except (ValueError, OverflowError):
        return ANY_TIME


def _of_iso(written: str, zone: tzinfo) -> TimeWindow:
    try:
        return _day(date.fromisoformat(written), zone)
    except ValueError:
        instant = datetime.fromisoformat(written)
    known = instant if instant.tzinfo else instant.replace(tzinfo=zone)
    seconds = known.astimezone(UTC).timestamp()
    return _window(seconds - _AROUND_SECONDS, seconds + _AROUND_SECONDS)


def _day(day: date, zone: tzinfo) -> TimeWindow:
    return _window(_midnight(day, zone), _midnight(day + timedelta(days=1), zone))


def _midnight(day: date, zone: tzinfo) -> float:
    """When the day begins. Where clocks skip midnight, that is the instant at which they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC).timestamp()


def _window(since: float, until: float) -> TimeWindow:
    """Before the epoch nothing was run."""
    return TimeWindow(max(0, to_millis(since)), max(1, to_millis(until)))
