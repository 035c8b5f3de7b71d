"""The stored stream: numbered without gaps, readable from anywhere, fenced by position."""

import pytest

from shared.stream import parts as wire
from shared.tasks.lease import Lease, LeaseLost
from tests.support.region import Parley

OLD, NEW = Lease("t", "a", 1), Lease("t", "b", 2)


def numbered(first: int, count: int, size: int = 1) -> list[wire.Part]:
    return [wire.data("n", {"n": n, "x": "x" * size}) for n in range(first, first + count)]


def read(parley: Parley, start: int) -> list[int]:
    return [part["data"]["n"] for part in parley.services.log.parts("t", start)]


def test_it_reads_from_any_part_on(parley: Parley) -> None:
    """Also from the middle of a row, from its edges, and from the head."""
    log = parley.services.log
    head = 0
    for count in (1, 3, 2, 5):
        assert log.append(OLD, head, numbered(head, count)) is None
        head += count
    assert log.head("t") == head == 11
    for start in range(12):
        assert read(parley, start) == list(range(start, 11))
    assert read(parley, 50) == []


def test_it_reads_page_after_page(parley: Parley) -> None:
    """More than the megabyte that one answer of the table holds."""
    for row in range(8):
        parley.services.log.append(OLD, row * 2, numbered(row * 2, 2, size=150_000))
    assert read(parley, 0) == list(range(16))
    assert read(parley, 3) == list(range(3, 16))


def test_a_repeated_write_of_our_own_is_no_collision(parley: Parley) -> None:
    """Its answer was lost, and it is sent again; something else under our epoch means that we are not alone."""
    log = parley.services.log
    for _ in range(2):
        assert log.append(OLD, 0, numbered(0, 2)) is None
    with pytest.raises(LeaseLost):
        log.append(OLD, 0, numbered(5, 2))


def test_the_higher_epoch_wins_and_goes_on_behind_the_lower(parley: Parley) -> None:
    """A zombie finds its successor's row and stops; the successor finds the zombie's and continues."""
    log = parley.services.log
    assert log.append(OLD, 0, numbered(0, 3)) is None
    assert log.append(NEW, 0, numbered(0, 1)) == 3
    assert log.append(NEW, 3, numbered(3, 1)) is None
    with pytest.raises(LeaseLost):
        log.append(OLD, 3, numbered(3, 1))
    assert read(parley, 0) == [0, 1, 2, 3]


def test_what_has_expired_is_not_there(parley: Parley) -> None:
    """TTL is late; readers are not."""
    parley.services.log.append(OLD, 0, numbered(0, 3))
    parley.clock.advance(7 * 86_400 + 1)
    assert parley.services.log.head("t") == 0
    assert read(parley, 0) == []
