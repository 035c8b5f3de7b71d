"""The minute sweep: whatever happened to a turn's worker or message, somebody looks again."""

import pytest

from shared.aws.writes import Put, Update
from shared.chat.model import TextDelta
from shared.kernel.errors import Retryable, Terminal
from shared.kernel.ids import stable_number
from shared.tasks.records import TIMER_SHARDS, task_key, timer_item
from shared.tasks.sweep import MAX_TAKEOVERS, Sweep
from tests.support.checks import check_over
from tests.support.faults import Killed
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.tools import Echo


def die() -> None:
    raise Killed


def half(parley: Parley, script: Script) -> str:
    """A turn whose worker died after `script`."""
    session = parley.new_session()
    parley.scripted([*script, die])
    task = parley.send(session).task
    with pytest.raises(Killed):
        parley.drain_queue()
    return task.id


def test_a_lost_message_is_sent_again(parley: Parley) -> None:
    """Queued and untaken after 30 s: again, and each minute until somebody takes it."""
    task = parley.send(parley.new_session()).task
    parley.messages_waiting()
    assert parley.sweep() == 0
    for _ in range(2):
        parley.clock.advance(31)
        assert parley.sweep() == 1
        assert parley.messages_waiting() == [task.id]
    assert parley.timers() == 1


def test_a_dead_workers_turn_is_sent_again(parley: Parley) -> None:
    """Once its lease is stale: a takeover, counted."""
    task_id = half(parley, [TextDelta("x"), 1.0])
    parley.clock.advance(31)
    parley.sweep()
    assert parley.messages_waiting() == [task_id]
    assert parley.task(task_id).takeovers == 1


def test_a_turn_at_work_is_only_looked_at_later(parley: Parley) -> None:
    """A fresh lease: nothing is sent, and the timer stays."""
    session = parley.new_session()
    parley.scripted([TextDelta("x"), 40.0, lambda: parley.sweep(), *says("done")])
    task = parley.send(session).task
    parley.messages_waiting()
    parley.work(task.id)
    assert parley.task(task.id).takeovers == 0
    assert parley.messages_waiting() == []
    assert parley.timers() == 1


def test_an_ended_turn_is_forgotten(parley: Parley) -> None:
    """Ended and delivered: its timer goes at the next look."""
    session = parley.new_session()
    parley.scripted(says("done"))
    task = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, task.id)
    parley.clock.advance(31)
    parley.sweep()
    assert parley.timers() == 0


def test_a_timer_without_a_task_is_forgotten(parley: Parley) -> None:
    """Nothing is sent about what doesn't exist."""
    parley.database.write(Put(timer_item("ghost", 1)))
    parley.sweep()
    assert parley.timers() == 0
    assert parley.messages_waiting() == []


def test_viewers_of_an_ended_turn_get_their_end(parley: Parley) -> None:
    """Its worker died between the end and the delivery: another one delivers, and the model is not asked again."""
    session = parley.new_session()
    parley.scripted([TextDelta("Do"), 0.5, *says("ne")])
    parley.send(session)
    parley.frames.handle("v", "ada", f'{{"type":"resume","requestId":"r","id":"{session.id}"}}')

    def kill(_: str, frame: dict[str, object]) -> None:
        if frame.get("chunk", {}) == {"type": "finish", "finishReason": "stop"}:
            parley.sockets.on_post = None
            raise Killed

    parley.sockets.on_post = kill
    with pytest.raises(Killed):
        parley.drain_queue()
    task_id = parley.session(session.id).last_task or ""
    assert parley.task(task_id).status == "completed"
    assert parley.sockets.of("v", "r").ends == 0
    for _ in range(3):
        parley.clock.advance(20)
        parley.sweep()
        parley.drain_queue()
    check_over(parley, session, task_id)
    assert parley.sockets.of("v", "r").ends == 1
    assert len(parley.model.requests) == 1
    assert parley.timers() == 0


def test_a_stored_step_forgives_the_takeovers_before_it(parley: Parley) -> None:
    """Only takeovers in a row count: a turn that gets on is never given up."""
    parley.with_tools(Echo())
    session = parley.new_session()
    rounds: list[Script] = [[1.0, die], calls(("", "echo", '{"text":"x"}'))] * 9
    parley.scripted(*rounds, says("At last"))
    task = parley.send(session).task
    for _ in range(20):
        try:
            parley.drain_queue()
        except Killed:
            parley.clock.advance(31)
            parley.sweep()
    check_over(parley, session, task.id)
    assert parley.task(task.id).takeovers <= MAX_TAKEOVERS


def test_one_turn_that_can_not_be_ended_does_not_keep_the_others(parley: Parley) -> None:
    """A timer whose look breaks, in whatever way, is left for the next minute; all the others are looked at."""
    tasks = [half(parley, [TextDelta("x"), 1.0]) for _ in range(6)]
    parley.clock.advance(31)
    for task_id in tasks[:3]:
        update = Update(task_key(task_id), "SET #takeovers = :many", values={"many": MAX_TAKEOVERS})
        parley.database.write(update)
    ended: list[str] = []

    def end_lost(task_id: str) -> None:
        ended.append(task_id)
        raise RuntimeError("a bug") if len(ended) == 1 else Terminal("another")

    Sweep(parley.database, parley.services.queue, parley.clock, parley.services.slots, end_lost).run()
    assert sorted(ended) == sorted(tasks[:3])
    assert sorted(parley.messages_waiting()) == sorted(tasks[3:])
    assert parley.timers() == 6


def test_what_waits_in_a_backlog_is_sent_again_more_and_more_rarely(parley: Parley) -> None:
    """A message that was lost is found again soon, and one that only waits doesn't make the backlog longer."""
    task = parley.send(parley.new_session()).task
    parley.messages_waiting()
    sent = []
    for minute in range(1, 31):
        parley.clock.advance(60)
        parley.sweep()
        sent += [minute] * len(parley.messages_waiting())
    assert sent == [1, 2, *range(3, 31, 2)]
    assert (parley.task(task.id).takeovers, parley.timers()) == (0, 1)


def test_a_sweep_that_is_cut_off_goes_on_there_in_the_next_minute(parley: Parley) -> None:
    """What has been due the longest comes first, whatever its shard: nobody is passed over for good."""
    tasks = []
    for _ in range(6):
        tasks.append(parley.send(parley.new_session()).task.id)
        parley.clock.advance(1)
    parley.messages_waiting()
    parley.clock.advance(60)
    for first in range(0, 6, 2):
        may_go_on = iter([True, True, False])
        assert parley.sweep(lambda left=may_go_on: next(left)) == 2  # type: ignore[misc]
        assert parley.messages_waiting() == tasks[first : first + 2]
    assert parley.sweep() == 0


def test_a_sweep_that_goes_on_leaves_what_it_has_put_off(parley: Parley) -> None:
    """In the same minute: a worker that seems lost is counted once a minute."""
    task = parley.send(parley.new_session()).task
    parley.messages_waiting()
    parley.clock.advance(60)
    began = parley.clock.now()
    assert parley.sweep() == 1
    parley.clock.advance(30)
    assert parley.sweep(due_by=began) == 0
    assert parley.sweep() == 1
    assert parley.messages_waiting() == [task.id, task.id]


def test_timers_that_can_not_be_read_keep_no_others(parley: Parley) -> None:
    """Those of another shard; they are looked at a minute later."""
    tasks = [parley.send(parley.new_session()).task.id for _ in range(6)]
    parley.messages_waiting()
    parley.clock.advance(60)

    def throttled(_: str, number: int) -> None:
        if number == stable_number(tasks[0], TIMER_SHARDS):
            raise Retryable("throttled")

    parley.watch.reset()
    parley.watch.on_call = throttled
    first = parley.sweep()
    parley.watch.on_call = None
    assert 0 < first < 6
    assert first + parley.sweep() == 6
    assert sorted(parley.messages_waiting()) == sorted(tasks)


@pytest.mark.parametrize("at", range(14))
def test_two_sweeps_at_once_lose_no_timer(parley: Parley, at: int) -> None:
    """Whichever call of the first the second falls on."""
    task_id = half(parley, [TextDelta("x"), 1.0])
    parley.clock.advance(31)

    def other(_: str, number: int) -> None:
        if number == at:
            with parley.watch.paused():
                parley.sweep()

    parley.watch.reset()
    parley.watch.on_call = other
    parley.sweep()
    parley.watch.on_call = None
    assert parley.timers() == 1
    assert set(parley.messages_waiting()) == {task_id}
