"""How often somebody may do something."""

import pytest

from shared.accounts.limits import RateLimit
from shared.kernel.errors import LimitReached, Retryable
from tests.support.region import Parley


def limit(parley: Parley, most: int | None = 3) -> RateLimit:
    return RateLimit(parley.database, parley.clock, "send", most, 60)


def refused(rate: RateLimit, whose: str, thing: str) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        rate.charge(whose, thing)
    return caught.value


def test_a_window_holds_so_many_and_the_next_one_as_many_again(parley: Parley) -> None:
    """The refusal says when it is worth trying again, in whole seconds."""
    rate = limit(parley)
    parley.clock.advance_to(1_750_000_020.0)  # a minute begins
    parley.clock.advance(17.5)
    for thing in "abc":
        rate.charge("ada", thing)
    error = refused(rate, "ada", "d")
    assert error.code == "rate_limited"
    assert error.details == {"limit": 3, "window_seconds": 60, "retry_after_seconds": 43}
    parley.clock.advance(43)
    rate.charge("ada", "d")


def test_the_same_thing_counts_once_even_in_a_full_window(parley: Parley) -> None:
    """Whatever is retried has been paid for."""
    rate = limit(parley, most=1)
    for _ in range(3):
        rate.charge("ada", "a")
    refused(rate, "ada", "b")
    rate.charge("ada", "a")


def test_everybody_has_a_window_of_their_own(parley: Parley) -> None:
    """And for each kind of thing."""
    rate = limit(parley, most=1)
    rate.charge("ada", "a")
    rate.charge("grace", "a")
    RateLimit(parley.database, parley.clock, "guest", 1, 60).charge("ada", "b")
    refused(rate, "ada", "b")


def test_zero_blocks_and_nothing_is_no_limit(parley: Parley) -> None:
    """Neither asks the table."""
    parley.watch.reset()
    assert refused(limit(parley, most=0), "ada", "a").code == "rate_limited"
    for number in range(50):
        limit(parley, most=None).charge("ada", str(number))
    assert parley.watch.calls == []


def test_what_can_not_be_counted_is_not_allowed(parley: Parley) -> None:
    """503, and not a free pass."""
    parley.watch.reset(fault_at=0)
    with pytest.raises(Retryable):
        limit(parley).charge("ada", "a")


def test_a_window_is_forgotten_by_itself(parley: Parley) -> None:
    """Its row carries the time at which the table may drop it."""
    limit(parley).charge("ada", "a")
    (row,) = parley.database.query("#pk = :pk", {"pk": "LIMIT#send#ada"})
    assert 60 < row["expires_at"] - parley.clock.now() <= 360
