"""The lease: one owner, and nobody who was replaced can write."""

import pytest

from shared.tasks.lease import LEASE_SECONDS, LeaseLost
from shared.tasks.store import request_cancel
from tests.support.region import Parley


def test_it_is_taken_once(parley: Parley) -> None:
    """Held and fresh: nobody else gets it; stale: the next one does, under a higher epoch."""
    task = parley.send(parley.new_session()).task
    leases = parley.services.leases
    first = leases.take(task.id, "a")
    assert first is not None
    assert leases.take(task.id, "b") is None
    parley.clock.advance(LEASE_SECONDS + 0.01)
    second = leases.take(task.id, "b")
    assert second is not None
    assert (first[0].epoch, second[0].epoch) == (1, 2)


def test_renewing_keeps_it_and_brings_the_news(parley: Parley) -> None:
    """One write for both."""
    task = parley.send(parley.new_session()).task
    lease, _ = parley.services.leases.take(task.id, "a") or pytest.fail("not free")
    for _ in range(5):
        parley.clock.advance(LEASE_SECONDS - 1)
        assert not parley.services.leases.renew(lease).cancel_requested
    assert parley.services.leases.take(task.id, "b") is None
    request_cancel(parley.database, task.id)
    assert parley.services.leases.renew(lease).cancel_requested


def test_who_was_replaced_can_not_write(parley: Parley) -> None:
    """Renewing and both ways of letting go."""
    task = parley.send(parley.new_session()).task
    leases = parley.services.leases
    zombie, _ = leases.take(task.id, "a") or pytest.fail("not free")
    assert leases.seize(task.id, "b") is not None
    before = parley.task(task.id)
    with pytest.raises(LeaseLost):
        leases.renew(zombie)
    with pytest.raises(LeaseLost):
        leases.release_delivered(zombie)
    with pytest.raises(LeaseLost):
        leases.release_for_continuation(zombie, 0)
    assert parley.task(task.id) == before


def test_news_keep_an_owner_from_leaving(parley: Parley) -> None:
    """Letting go requires that the inbox is as handled."""
    task = parley.send(parley.new_session()).task
    leases = parley.services.leases
    lease, taken = leases.take(task.id, "a") or pytest.fail("not free")
    request_cancel(parley.database, task.id)
    assert not leases.release_for_continuation(lease, taken.inbox)
    assert leases.release_for_continuation(lease, taken.inbox + 1)
    assert leases.take(task.id, "b") is not None


def test_what_does_not_exist_has_no_lease(parley: Parley) -> None:
    """A message about it is dropped."""
    assert parley.services.leases.take("ghost", "a") is None
    assert parley.services.leases.seize("ghost", "a") is None
