"""Pools of slots: for what a user sends, and for what a tree of tasks starts for itself."""

from collections.abc import Sequence

import pytest

from shared.aws.writes import Put
from shared.chat.cancel import cancel_turn
from shared.chat.model import TextDelta
from shared.chat.opening import Submission
from shared.chat.sending import Sending
from shared.kernel.clock import to_millis
from shared.kernel.errors import LimitReached
from shared.tasks.lineage import Lineage
from shared.tasks.pools import PoolLimit, SlotLimits
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import put_task
from tests.support.model import says
from tests.support.region import Parley


def child(number: int, root: str = "root") -> Task:
    return Task(f"child{number}", f"s{number}", "ada", TaskStatus.QUEUED, number, 0, parent=root, root=root, depth=1)


def enter(parley: Parley, task: Task, way: int = 0) -> Task:
    """As accepting does it."""
    slots = parley.services.slots
    counted = slots.ways_in(task)[way]
    parley.database.transact([*slots.enter(counted), put_task(counted)])
    return counted


def suspend(parley: Parley, task_id: str) -> None:
    """As the owner of a turn does it whose calls all wait."""
    slots, leases = parley.services.slots, parley.services.leases
    taken = leases.take(task_id, "owner")
    assert taken is not None
    lease, task = taken
    until = to_millis(parley.clock.now()) + 3_600_000
    assert leases.release_to_wait(lease, task.inbox, until, slots.suspend(task))
    slots.promote_after(task)


def send_many(parley: Parley, how_many: int) -> list[str]:
    return [parley.send(parley.new_session()).task.id for _ in range(how_many)]


def test_a_child_counts_in_its_tree_and_not_for_its_user(parley: Parley) -> None:
    """Over the cap of the tree it queues in the tree's own record, and a sibling's end promotes it."""
    parley.with_turns(1, 1, tree=2)
    slots = parley.services.slots
    first, _ = (enter(parley, child(n)) for n in (1, 2))
    enter(parley, child(3), way=1)
    other = enter(parley, child(4, "elsewhere"))
    assert parley.pool("tree:root").running == {"child1", "child2"}
    assert parley.pool("tree:root").queued == {"child3"}
    assert (other.pool, parley.pool("user:ada").running) == ("tree:elsewhere", set())

    parley.database.transact(slots.leave(first))
    slots.promote_after(first)
    assert parley.pool("tree:root").running == {"child2", "child3"}
    assert parley.messages_waiting() == ["child3"]


def test_a_tree_that_may_start_nothing_starts_nothing(parley: Parley) -> None:
    """0 blocks."""
    parley.with_turns(None, None, tree=0)
    with pytest.raises(LimitReached):
        parley.services.slots.ways_in(child(1))


def test_a_turn_that_waits_holds_no_slot(parley: Parley) -> None:
    """The next one gets it; a message for the sleeping one starts nothing before it has a slot again."""
    parley.with_turns(1, 3)
    parley.scripted(says("Done"))
    first, second, third = send_many(parley, 3)
    suspend(parley, first)
    assert parley.pool().running == {second}
    assert parley.messages_waiting() == [first, second]

    parley.work(first)  # it is woken while others run
    assert parley.task(first).status == "queued"
    assert parley.pool().running == {second}
    assert parley.pool().queued == {first, third}

    parley.work(second)
    assert parley.messages_waiting() == [first], "it is the oldest"
    parley.work(first)
    parley.drain_queue()
    assert {parley.task(task).status.value for task in (first, second, third)} == {"completed"}
    assert (parley.pool().running, parley.pool().queued) == (set(), set())


def test_a_woken_turn_runs_at_once_if_a_slot_is_free(parley: Parley) -> None:
    """However often it is woken."""
    parley.with_turns(1, 3)
    parley.scripted(says("Done"))
    (task,) = send_many(parley, 1)
    suspend(parley, task)
    parley.messages_waiting()
    for _ in range(3):
        parley.services.slots.admit(parley.task(task))
    assert parley.pool().running == {task}
    assert parley.messages_waiting() == [task]
    parley.work(task)
    assert parley.task(task).status == "completed"
    assert parley.pool().running == set()


def test_a_turn_that_took_its_slot_over_gives_it_back_when_it_waits(parley: Parley) -> None:
    """And gets one of its own when it is woken."""
    parley.with_turns(1, 3)
    session = parley.new_session()
    parley.scripted([0.5, lambda: parley.send(session, "More", "m2"), *says("One")], says("Two"))
    parley.work(parley.send(session).task.id)
    following = parley.messages_waiting()[-1]
    suspend(parley, following)
    assert parley.pool().running == set()
    parley.work(following)
    assert parley.pool().running == {following}
    parley.drain_queue()
    assert parley.task(following).status == "completed"
    assert parley.pool().running == set()


def test_a_turn_that_answers_a_task_moves_to_the_pool_of_its_tree(parley: Parley) -> None:
    """What a tree has sent to a busy session of the user takes none of the user's slots, and one of the tree's."""
    parley.with_turns(1, 3, tree=1)
    session = parley.new_session()
    lineage = Lineage("root", "root", 1)
    ride = Submission("m2", "Count", lineage=lineage)

    def send_more() -> None:
        Sending(parley.services, limited=False).submit("ada", session.id, ride)

    parley.scripted([TextDelta("One"), 0.5, send_more, *says("!")], says("Two"))
    first = parley.send(session).task.id
    (second,) = send_many(parley, 1)
    parley.messages_waiting()
    parley.work(first)
    third = parley.session(session.id).active_task or ""
    assert parley.pool().running == {second}
    assert parley.pool("tree:root").running == {third}
    assert set(parley.messages_waiting()) == {second, third}
    parley.work(third)
    assert parley.task(third).status == "completed"
    assert parley.pool("tree:root").running == set()


@pytest.mark.parametrize("woken", [False, True])
def test_a_sleeping_turn_can_be_stopped(parley: Parley, woken: bool) -> None:
    """Whether or not it waits for a slot by then; nothing of it stays behind."""
    parley.with_turns(1, 3)
    first, second = send_many(parley, 2)
    suspend(parley, first)
    if woken:
        parley.work(first)
    assert cancel_turn(parley.services, "ada", parley.task(first).session_id).reason == "cancelled"
    assert parley.task(first).status == "cancelled"
    assert (parley.pool().running, parley.pool().queued) == ({second}, set())


def test_without_limits_waiting_marks_nothing(parley: Parley) -> None:
    """A turn that no pool counts is woken by its message alone."""
    parley.scripted(says("Done"))
    (task,) = send_many(parley, 1)
    suspend(parley, task)
    parley.drain_queue()
    assert parley.task(task).status == "completed"


def test_a_place_that_was_lost_is_found_again(parley: Parley) -> None:
    """The sweep has a task queue that awaits a slot and is not in the queue."""
    parley.with_turns(1, 3)
    parley.scripted(says("Done"))
    first, second = send_many(parley, 2)
    parley.database.transact(parley.services.slots.leave(parley.task(second)))
    parley.clock.advance(31)
    parley.sweep()
    assert parley.pool().queued == {second}
    parley.drain_queue()
    assert [parley.task(task).status.value for task in (first, second)] == ["completed", "completed"]


def test_a_ghost_in_the_queue_blocks_nobody(parley: Parley) -> None:
    """What is no task that waits is taken out, and the next one gets the slot."""
    parley.with_turns(1, 3)
    first, second = send_many(parley, 2)
    item = parley.database.get({"pk": "POOL#user:ada", "sk": "META"})
    assert item is not None
    parley.database.write(Put({**item, "queued": {"a-ghost", second}}))
    end(parley, first)
    assert (parley.pool().running, parley.pool().queued) == ({second}, set())


def end(parley: Parley, task_id: str) -> None:
    cancel_turn(parley.services, "ada", parley.task(task_id).session_id)


@pytest.mark.parametrize("limits", [(None, None), (3, 15)])
def test_a_limit_that_was_raised_holds_for_who_waits(parley: Parley, limits: Sequence[int | None]) -> None:
    """At the next end or sweep; also when there is none any more."""
    parley.with_turns(1, 3)
    tasks = send_many(parley, 3)
    parley.messages_waiting()
    parley.with_turns(*limits)
    parley.clock.advance(31)
    parley.sweep()
    assert sorted(set(parley.messages_waiting())) == tasks


def test_ending_twice_frees_once(parley: Parley) -> None:
    """A slot is held by name: whoever frees it again takes nothing from others."""
    parley.with_turns(2, 5)
    first, second = send_many(parley, 2)
    for _ in range(2):
        parley.database.transact(parley.services.slots.leave(parley.task(first)))
    assert parley.pool().running == {second}


def test_pools_are_limited_by_their_kind() -> None:
    """`user:` and `tree:`."""
    limits = SlotLimits(user=PoolLimit(5, 15), tree=PoolLimit(10))
    assert (limits.of("user:tree:x").running, limits.of("tree:x").running) == (5, 10)
    assert (PoolLimit(5, 15).most_queued, PoolLimit(5).most_queued, PoolLimit(20, 15).most_running) == (10, None, 15)
