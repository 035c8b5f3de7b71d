"""Ranges in a field of a cron expression, spelled out value by value.

croniter takes `3-3` for all weekdays, and counts the steps of `22-6/3` from the hour 0. Here a range goes from its
first value to its last, over the end of the day, month, year or week if need be, and by its step all the way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_RANGE = re.compile(r"([a-z]{3}|\d{1,2})-([a-z]{3}|\d{1,2})(?:/(\d{1,4}))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class _Cycle:
    """The values of a field, of which the lowest follows the highest."""

    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)

    def value(self, word: str) -> int | None:
        """What is written so; None: nothing is."""
        if word in self.names:
            return self.names[word]
        return int(word) if word.isdigit() and self.low <= int(word) <= self.high else None

    def between(self, first: int, last: int, step: int) -> list[int]:
        """From the first to the last, by steps."""
        size = self.high - self.low + 1
        length = last - first if last > first else (last - first) % size
        return [self.low + (first - self.low + gone) % size for gone in range(0, length + 1, step)]


_CYCLES = (
    _Cycle(0, 59),
    _Cycle(0, 23),
    _Cycle(1, 31),
    _Cycle(1, 12, {name: month for month, name in enumerate(_MONTHS, 1)}),
    _Cycle(0, 6, {name: day for day, name in enumerate(_WEEKDAYS)} | {"7": 7, "07": 7}),
)


def spelled_out(position: int, text: str) -> str:
    """The field at this position, with lists in the place of its ranges; what makes no sense is left as it is."""
    return ",".join(_listed(_CYCLES[position], part) for part in text.lower().split(","))


def _listed(cycle: _Cycle, part: str) -> str:
    found = _RANGE.fullmatch(part)
    if not found:
        return part
    first, last, step = cycle.value(found[1]), cycle.value(found[2]), int(found[3] or 1)
    if first is None or last is None or not step:
        return part
    return ",".join(map(str, cycle.between(first, last, step)))
