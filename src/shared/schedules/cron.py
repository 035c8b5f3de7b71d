"""When a five-field cron expression fires, on the clocks of a time zone.

The dialect is croniter's: names, lists, ranges, steps, `L`, `W`, `L5` (the last Friday), `5#3` (the third Friday).
Weekdays are crontab's: 0 and 7 are Sunday. If both the day of the month and the weekday are given, either is enough.

Ranges are read here (see `ranges`). croniter is asked for local times alone; which instants these are is decided here.
One that the clocks skip is at the end of the gap, together with whatever else that gap holds; one that they show twice
is the first time.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from shared.kernel.time_zones import known_time_zone
from shared.schedules.ranges import spelled_out

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MAX_CHARACTERS = 100
EXAMPLE = "such as '30 9 * * 1-5', every weekday at 09:30"
_FIELDS = (
    ("minute", "0-59, such as 30 or */15"),
    ("hour", "0-23, such as 9 or 9-17"),
    ("day of the month", "1-31 or L for the last, such as 1 or 1,15"),
    ("month", "1-12 or jan-dec, such as 6 or mar-oct"),
    ("weekday", "0-7 or sun-sat, 0 and 7 are Sunday, such as 1-5, fri or 5#3 for the third Friday"),
)
_ANY = frozenset({"*", "?"})
_MOST_YEARS = 41
"""Between two fires: a February 29 on a given weekday comes each 28 years, and once in 40."""
_ANY_TIME = datetime(2024, 1, 1)
_MINUTE = timedelta(minutes=1)


def checked_cron(expression: str) -> str:
    """The expression with single spaces, if it has five fields that make sense and a time to come.

    Raises:
        ValueError: its words say which field is wrong, and give an example.
    """
    fields = expression.split()
    if len(expression) > MAX_CHARACTERS or not expression.isascii():
        raise ValueError(f"must be at most {MAX_CHARACTERS} ASCII characters, {EXAMPLE}")
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, _ in _FIELDS)
        raise ValueError(f"must have five fields ({names}), not {len(fields)}, {EXAMPLE}")
    for position, ((name, allowed), field) in enumerate(zip(_FIELDS, fields, strict=True)):
        if not _makes_sense(position, field):
            raise ValueError(f"the {name} {field!r} is wrong: give {allowed}")
    whole = " ".join(fields)
    if next(_local_times(whole, _ANY_TIME), None) is None:
        raise ValueError(f"names a day that never comes, as February 30 would be: give a day that does, {EXAMPLE}")
    return whole


def next_fire(expression: str, zone: str, after: int) -> int | None:
    """The first fire later than `after`, both in milliseconds since the epoch; None if there is none.

    Raises:
        ValueError: that is no expression, or no time zone.
    """
    return next(_fires(expression, _zone(zone), after), None)


def next_fires(expression: str, zone: str, after: int, count: int) -> list[int]:
    """The first `count` fires later than `after`, as `next_fire` has them; fewer if there are no more."""
    return list(islice(_fires(expression, _zone(zone), after), count))


def _makes_sense(position: int, field: str) -> bool:
    from croniter import croniter  # 4 ms of a cold start, and needed by few

    if field.lower().startswith(("h", "r")):  # croniter's hashed and random values: different at each look
        return False
    fields = ["*"] * len(_FIELDS)
    fields[position] = spelled_out(position, field)
    try:
        croniter.expand(" ".join(fields))
    except (ValueError, TypeError, KeyError):
        return False
    return True


def _fires(expression: str, zone: "ZoneInfo", after: int) -> Iterator[int]:
    local = datetime.fromtimestamp(after / 1000, UTC).astimezone(zone).replace(tzinfo=None)
    last = after
    for time in _local_times(expression, local):
        fire = _instant(time, zone)
        if fire > last:
            yield fire
            last = fire


def _local_times(expression: str, after: datetime) -> Iterator[datetime]:
    """On clocks that nobody changes; the same time may come twice."""
    minute, hour, day, month, weekday = expression.split()
    if {day, weekday}.isdisjoint(_ANY):  # croniter itself drops the day beside a weekday with # or L
        by_day, by_weekday = (minute, hour, day, month, "*"), (minute, hour, "*", month, weekday)
        return heapq.merge(_by_croniter(by_day, after), _by_croniter(by_weekday, after))
    return _by_croniter((minute, hour, day, month, weekday), after)


def _by_croniter(fields: Sequence[str], after: datetime) -> Iterator[datetime]:
    from croniter import CroniterBadDateError, croniter

    listed = [spelled_out(position, field) for position, field in enumerate(fields)]
    times = croniter(" ".join(listed), after, max_years_between_matches=_MOST_YEARS)
    try:
        while True:
            yield times.get_next(datetime)
    except CroniterBadDateError:  # there are no more
        return


def _instant(local: datetime, zone: "ZoneInfo") -> int:
    """When the zone's clocks first show this time, or a later one if they never do."""
    while not _exists(local, zone):
        local += _MINUTE
    return int(local.replace(tzinfo=zone).timestamp()) * 1000


def _exists(local: datetime, zone: "ZoneInfo") -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local


@lru_cache(maxsize=64)
def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo  # looks for its database when it is imported; a cold start need not

    return ZoneInfo(known_time_zone(name))
