"""A task that waits for its user wakes those who want to know, and those alone."""

import pytest

from shared.tasks.pools import Suspension
from shared.tasks.records import Task
from shared.tasks.wait import Wait, pause_awaited, task_awaited
from shared.tasks.waits import is_over, waiters, wake_waiters
from tests.support.region import Parley


@pytest.fixture
def task(parley: Parley) -> Task:
    return parley.send(parley.new_session()).task


def park(parley: Parley, task: Task, *, asks: bool) -> None:
    """As its owner leaves it that waits."""
    taken = parley.services.leases.take(task.id, "worker")
    assert taken is not None
    lease, fresh = taken
    assert parley.services.leases.release_to_wait(lease, fresh.inbox, 10**13, Suspension(), asks=asks)


@pytest.mark.parametrize(("asks", "over"), [(True, True), (False, False)])
def test_a_pause_is_settled_while_the_task_asks(parley: Parley, task: Task, *, asks: bool, over: bool) -> None:
    """Waiting for its user settles it; waiting for anything else, or working, doesn't."""
    pause = Wait((pause_awaited(task.id),), 10**13)
    assert not is_over(parley.database, pause, 0)
    park(parley, task, asks=asks)
    assert is_over(parley.database, pause, 0) is over
    assert not is_over(parley.database, Wait((task_awaited(task.id),), 10**13), 0)
    assert parley.services.leases.take(task.id, "another worker")
    assert not is_over(parley.database, pause, 0)


def test_a_task_that_is_gone_or_over_asks_nobody(parley: Parley, task: Task) -> None:
    """Who waits for its pause has nothing to wait for either."""
    assert is_over(parley.database, Wait((pause_awaited("none"),), 10**13), 0)


def test_a_task_that_asks_twice_wakes_twice(parley: Parley, task: Task) -> None:
    """The waiter of a pause stays: one who looked too late hears of the next."""
    other = parley.send(parley.new_session(), message_id="m2").task
    for row in waiters(Wait((pause_awaited(task.id),), 10**13), other.id, "c1"):
        parley.database.write(row)
    for times in (1, 2):
        assert wake_waiters(parley.database, parley.services.queue, parley.clock, pause_awaited(task.id)) == 1
        assert parley.task(other.id).inbox == times
