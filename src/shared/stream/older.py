"""Streams for clients that don't know `reset-step`: `ai` 5, 6, and 7 up to 7.0.31 at least.

Their parsers fail at a part that they don't know. So each part is replaced by one that they take, one
for one: a client that counts parts (for `startIndex`) counts the same, and event ids stay what they are.
"""

from collections.abc import Iterable

from shared.stream import parts as wire
from shared.stream.parts import Part

WITHDRAWN: Part = {"type": "data-withdrawn", "data": {}, "transient": True}
"""Stands for a part that was withdrawn before the client saw it. Transient: it leaves no trace in the message."""

RESET: Part = {"type": "data-reset-step", "data": {}}
"""Says that what was shown since the last `start-step` no longer holds; only a replay can take it away."""


def for_clients_that_know_no_approvals(parts: Iterable[Part]) -> list[Part]:
    """As many parts, for `ai` 5: it is told of a request by a part of ours, and of a denial as of a failure."""
    return [_without_approval(part) for part in parts]


def _without_approval(part: Part) -> Part:
    match part["type"]:
        case "tool-approval-request":
            asked = {"approvalId": part["approvalId"], "toolCallId": part["toolCallId"]}
            return {"type": "data-approval-request", "data": asked}
        case "tool-output-denied":
            return wire.tool_output_error(part["toolCallId"], "The user did not approve it.")
        case _:
            return part


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
