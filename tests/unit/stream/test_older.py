"""Streams for clients that don't know `reset-step`."""

from typing import Any

import pytest

from shared.stream import parts as wire
from shared.stream.older import RESET, WITHDRAWN, for_older_clients
from shared.stream.parts import Part

OPENING = [wire.start("m"), wire.start_step()]
HALF = [wire.block("text", "start", "t"), wire.delta("text", "t", "Half"), wire.delta("text", "t", " a")]
WHOLE = [wire.block("text", "start", "t"), wire.delta("text", "t", "Whole"), wire.block("text", "end", "t")]
CLOSING = [wire.finish_step(), wire.finish("stop")]
TURN = [*OPENING, *HALF, wire.reset_step(), *WHOLE, *CLOSING]


def visible(parts: list[Part]) -> list[Part]:
    return [part for part in parts if part != WITHDRAWN]


def test_what_is_withdrawn_within_the_segment_is_never_shown() -> None:
    """The whole turn reads as if the step had been right at once."""
    told = for_older_clients(TURN)
    assert visible(told) == [*OPENING, *WHOLE, *CLOSING]


@pytest.mark.parametrize("start", range(len(TURN)))
def test_every_part_has_one_in_its_place(start: int) -> None:
    """Whoever counts parts, and continues by index, counts as others do; `reset-step` is never among them."""
    told = for_older_clients(TURN[start:])
    assert len(told) == len(TURN[start:])
    assert not any(part["type"] == "reset-step" for part in told)
    assert told[-1] == TURN[-1]


@pytest.mark.parametrize("start", [2, 3, 4, 5])
def test_a_withdrawal_of_what_was_shown_earlier_is_said(start: int) -> None:
    """In a live tail it can't be undone: a data part says so, and the rest of the withdrawn is not shown."""
    assert visible(for_older_clients(TURN[start:])) == [RESET, *WHOLE, *CLOSING]


def test_a_step_may_be_withdrawn_twice() -> None:
    """Only the last attempt is shown."""
    parts = [*OPENING, *HALF, wire.reset_step(), *HALF, wire.reset_step(), *WHOLE, *CLOSING]
    assert visible(for_older_clients(parts)) == [*OPENING, *WHOLE, *CLOSING]


def test_only_the_withdrawn_step_is_replaced() -> None:
    """What a finished step has said stays."""
    first: list[dict[str, Any]] = [*OPENING, *WHOLE, wire.finish_step()]
    parts = [*first, wire.start_step(), *HALF, wire.reset_step(), *WHOLE, *CLOSING]
    assert visible(for_older_clients(parts)) == [*first, wire.start_step(), *WHOLE, *CLOSING]
