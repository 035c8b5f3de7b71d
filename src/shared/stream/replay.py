"""What a newcomer is shown of the past: joined, and without what was withdrawn."""

from collections.abc import Iterable

from shared.stream.parts import DELTA_FIELDS, Part, delta_key

MAX_DELTA_CHARACTERS = 16_000
"""A joined delta stays far below the 128 KB of a frame, even if every character is escaped."""


def without_withdrawn(parts: Iterable[Part]) -> list[Part]:
    """The parts less those that a `reset-step` took back, and less the `reset-step` itself."""
    kept: list[Part] = []
    step_begins = 0
    for part in parts:
        if part["type"] == "reset-step":
            del kept[step_begins:]
            continue
        kept.append(part)
        if part["type"] == "start-step":
            step_begins = len(kept)
    return kept


def joined(parts: Iterable[Part]) -> list[Part]:
    """Neighbouring deltas of one block as one delta (of bounded size)."""
    result: list[Part] = []
    pieces: list[str] = []
    size = 0

    def close() -> None:
        if pieces:
            result[-1] = {**result[-1], DELTA_FIELDS[result[-1]["type"]]: "".join(pieces)}
            pieces.clear()

    for part in parts:
        key = delta_key(part)
        text = part[DELTA_FIELDS[part["type"]]] if key else ""
        if key and pieces and delta_key(result[-1]) == key and size + len(text) <= MAX_DELTA_CHARACTERS:
            pieces.append(text)
            size += len(text)
            continue
        close()
        result.append(part)
        if key:
            pieces.append(text)
            size = len(text)
    close()
    return result


def replay(parts: Iterable[Part]) -> list[Part]:
    """The whole past of a turn, as short as it can be told."""
    return joined(without_withdrawn(parts))
