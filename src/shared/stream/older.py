"""Streams for clients that don't know `reset-step`: `ai` 5, 6, and 7 up to 7.0.31 at least.

Their parsers fail at a part that they don't know. So each part is replaced by one that they take, one
for one: a client that counts parts (for `startIndex`) counts the same, and event ids stay what they are.
"""

from collections.abc import Iterable

from shared.stream.parts import Part

WITHDRAWN: Part = {"type": "data-withdrawn", "data": {}, "transient": True}
"""Stands for a part that was withdrawn before the client saw it. Transient: it leaves no trace in the message."""

RESET: Part = {"type": "data-reset-step", "data": {}}
"""Says that what was shown since the last `start-step` no longer holds; only a replay can take it away."""


def for_older_clients(parts: Iterable[Part]) -> list[Part]:
    """As many parts, without `reset-step` and without what it withdraws, as far as that is in `parts`."""
    told: list[Part] = []
    step_begins: int | None = None
    for part in parts:
        if part["type"] == "reset-step":
            shown_earlier = step_begins is None
            first = step_begins or 0
            told[first:] = [WITHDRAWN] * (len(told) - first)
            told.append(RESET if shown_earlier else WITHDRAWN)
            continue
        told.append(part)
        if part["type"] == "start-step":
            step_begins = len(told)
    return told
