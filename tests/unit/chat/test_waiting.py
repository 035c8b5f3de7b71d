"""A turn whose tool waits for something that others do: nobody works on it until it is woken."""

import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from shared.aws.writes import Put
from shared.chat.cancel import cancel_turn
from shared.kernel.clock import to_millis
from shared.tasks.records import TaskStatus
from shared.tasks.wait import Wait
from shared.tasks.waits import wake_waiters
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from tests.support.checks import check_over, kinds
from tests.support.faults import FAULT_KINDS, Killed
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo


class FetchInput(ToolInput):
    """Which parcels to wait for."""

    parcels: list[str]
    need: Literal["any", "all"] = "any"
    seconds: int = 3600


class Fetched(ToolResponse):
    """What has arrived."""

    type: Literal["fetched"] = "fetched"
    arrived: list[str]


class Fetch(Tool[FetchInput]):
    """Waits for parcels, which are records that somebody else closes."""

    name = "fetch"
    description = "Fetch parcels."
    input_model = FetchInput

    def __init__(self, parley: Parley) -> None:
        self._parley = parley
        self.begun = 0
        self.resumed: list[Mapping[str, Any]] = []

    def run(self, context: ToolContext, arguments: FetchInput) -> Fetched | Wait:
        self.begun += 1
        until = to_millis(self._parley.clock.now()) + arguments.seconds * 1000
        on = tuple(f"PARCEL#{name}" for name in arguments.parcels)
        return Wait(on, until, arguments.need, {"for": context.tool_call_id})

    def resume(self, context: ToolContext, arguments: FetchInput, note: Mapping[str, Any]) -> Fetched | Wait:
        self.resumed.append(note)
        rows = [self._parley.database.get({"pk": f"PARCEL#{name}", "sk": "META"}) for name in arguments.parcels]
        return Fetched(
            arrived=[
                name for name, row in zip(arguments.parcels, rows, strict=True) if row and row["status"] == "arrived"
            ]
        )


def order(parley: Parley, *names: str) -> None:
    """Parcels on their way."""
    for name in names:
        parley.database.write(Put({"pk": f"PARCEL#{name}", "sk": "META", "status": "pending"}))


def arrive(parley: Parley, name: str) -> None:
    """The record changes; the stream tells of it when `parcel_told` is called."""
    parley.database.write(Put({"pk": f"PARCEL#{name}", "sk": "META", "status": "arrived"}))


def told(parley: Parley, name: str) -> int:
    """What the State table's stream causes."""
    return wake_waiters(parley.database, parley.services.queue, parley.clock, f"PARCEL#{name}")


def waiting_turn(parley: Parley, *arguments: str) -> tuple[Any, str, Fetch]:
    """A turn in which one call for each of `arguments` waits; its session, task id and tool."""
    order(parley, "a", "b")
    tool = Fetch(parley)
    parley.with_tools(tool, Echo())
    parley.scripted(calls(*((f"c{n}", "fetch", text) for n, text in enumerate(arguments))), says("done"))
    session = parley.new_session()
    frame = '{"type":"send","requestId":"r1","id":"%s","messages":[{"id":"m1","role":"user","parts":[%s]}]}'
    parley.frames.handle("conn", "ada", frame % (session.id, '{"type":"text","text":"Go"}'))
    parley.drain_queue()
    task_id = parley.session(session.id).active_task
    assert task_id is not None
    return session, task_id, tool


A = '{"parcels": ["a"]}'
B = '{"parcels": ["b"]}'


def test_a_turn_that_waits_holds_nothing(parley: Parley) -> None:
    """No lease, no message in the queue, and its timer sleeps until the deadline; viewers have all that is said."""
    _, task_id, tool = waiting_turn(parley, A)

    task = parley.task(task_id)
    assert (task.status, task.lease_expires) == (TaskStatus.WAITING, 0)
    assert parley.sockets.of("conn", "r1").parts == parley.parts(task_id)
    parley.clock.advance(31)
    parley.sweep()
    for _ in range(50):
        parley.clock.advance(60)
        assert parley.sweep() == 0
    assert parley.messages_waiting() == []
    assert tool.begun == 1


def test_what_is_awaited_wakes_it(parley: Parley) -> None:
    """The call gets its result, the note comes back, and the turn ends like any other."""
    session, task_id, tool = waiting_turn(parley, A)
    parley.clock.advance(1200)
    arrive(parley, "a")

    assert told(parley, "a") == 1
    parley.drain_queue()

    check_over(parley, session, task_id, "completed")
    assert tool.resumed == [{"for": "c0"}]
    assert '"arrived":["a"]' in parley.transcript(session)[2].content
    received = parley.sockets.of("conn", "r1")
    assert received.parts == parley.parts(task_id)
    assert received.ends == 1


def test_what_is_settled_within_three_seconds_is_waited_for_at_once(parley: Parley) -> None:
    """The turn is never let go."""
    order(parley, "a", "b")
    parley.clock.at(2.0, lambda: arrive(parley, "a"))
    session, task_id = _without_waiting(parley)
    assert parley.task(task_id).epoch == 1
    check_over(parley, session, task_id, "completed")


def _without_waiting(parley: Parley) -> tuple[Any, str]:
    parley.with_tools(Fetch(parley))
    parley.scripted(calls(("c0", "fetch", A)), says("done"))
    session = parley.new_session()
    task = parley.send(session).task
    parley.drain_queue()
    return session, task.id


def test_a_deadline_wakes_it_to_the_minute(parley: Parley) -> None:
    """Nobody has told anything: the sweep sends its message, and counts no lost worker."""
    session, task_id, tool = waiting_turn(parley, A)
    parley.clock.advance(31)
    parley.sweep()

    parley.clock.advance(3600)
    parley.sweep()
    assert parley.messages_waiting() == [task_id]
    assert parley.task(task_id).takeovers == 0
    parley.work(task_id)

    check_over(parley, session, task_id, "completed")
    assert len(tool.resumed) == 1
    assert '"arrived":[]' in parley.transcript(session)[2].content


def test_no_call_waits_longer_than_the_turn_may_take(parley: Parley) -> None:
    """The wall time of a turn includes its waiting."""
    parley.with_bounds(turn_max_seconds=600)
    session, task_id, _ = waiting_turn(parley, A)
    assert parley.task(task_id).wait_until == parley.task(task_id).created_at + 600_000
    parley.clock.advance(631)
    for _ in range(2):
        parley.sweep()
        parley.clock.advance(31)
    parley.drain_queue()
    task = check_over(parley, session, task_id, "failed")
    assert (task.error or {})["code"] == "time_limit"


def test_waiting_for_all_and_for_any(parley: Parley) -> None:
    """A call that needs all is answered by the last, one that needs any by the first."""
    both = '{"parcels": ["a", "b"], "need": "%s"}'
    session, task_id, tool = waiting_turn(parley, both % "all", both % "any")

    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    assert parley.task(task_id).status is TaskStatus.WAITING
    assert tool.resumed == [{"for": "c1"}]

    arrive(parley, "b")
    told(parley, "b")
    parley.drain_queue()
    check_over(parley, session, task_id, "completed")
    assert [row.content.count('"a"') for row in parley.transcript(session)[2:4]] == [1, 1]
    assert tool.begun == 2


def test_calls_that_need_no_waiting_are_answered_first(parley: Parley) -> None:
    """Their results are stored and shown before the turn is let go."""
    order(parley, "a")
    tool, echo = Fetch(parley), Echo()
    parley.with_tools(tool, echo)
    parley.scripted(calls(("c0", "fetch", A), ("c1", "echo", '{"text":"x"}')), says("done"))
    session = parley.new_session()
    task = parley.send(session).task
    parley.drain_queue()

    assert parley.task(task.id).status is TaskStatus.WAITING
    assert "tool-output-available" in kinds(parley.parts(task.id))
    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    assert echo.calls == ["x"]


def test_telling_twice_and_too_late_changes_nothing(parley: Parley) -> None:
    """A stream tells at least once."""
    session, task_id, tool = waiting_turn(parley, A)
    arrive(parley, "a")
    told(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    parts = parley.parts(task_id)
    told(parley, "a")
    parley.drain_queue()
    assert parley.parts(task_id) == parts
    assert len(tool.resumed) == 1
    check_over(parley, session, task_id, "completed")


def test_a_wake_up_without_cause_lets_it_wait_on(parley: Parley) -> None:
    """Whoever is woken looks for itself; a second worker with the same message finds it taken or waiting."""
    session, task_id, tool = waiting_turn(parley, A)
    parley.work(task_id)
    parley.work(task_id)
    assert parley.task(task_id).status is TaskStatus.WAITING
    assert (tool.begun, tool.resumed) == (1, [])
    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    check_over(parley, session, task_id, "completed")


def test_what_is_settled_while_the_turn_lets_go_is_not_missed(parley: Parley) -> None:
    """At every call to AWS of the turn: settled there, told at once, the turn goes on without a deadline."""
    undisturbed = _calls_of_a_waiting_turn(parley)
    for number in range(undisturbed):
        parley.wipe()
        order(parley, "a", "b")

        def settle(_: str, at: int, number: int = number) -> None:
            if at == number:
                with parley.watch.paused():
                    arrive(parley, "a")
                    told(parley, "a")

        parley.watch.reset()
        parley.watch.on_call = settle
        session, task_id = _without_waiting(parley)
        parley.watch.on_call = None
        assert parley.task(task_id).status is TaskStatus.COMPLETED, number
        check_over(parley, session, task_id, "completed")


def _calls_of_a_waiting_turn(parley: Parley) -> int:
    order(parley, "a", "b")
    parley.watch.reset()
    _without_waiting(parley)
    return len(parley.watch.calls)


@pytest.mark.parametrize("turns", [None, 1])
def test_a_fault_anywhere_loses_no_waiting_turn(parley: Parley, turns: int | None) -> None:
    """At every call to AWS of waiting, being told and going on: one result, one end, no slot taken, nothing left."""
    parley.with_turns(turns, None)
    number, struck = 0, True
    while struck:
        parley.wipe()
        parley.watch.reset(fault_at=number, fault=FAULT_KINDS[number % len(FAULT_KINDS)])
        session, task_id = _disturbed(parley)
        struck = len(parley.watch.calls) > number
        parley.watch.reset()
        check_over(parley, session, task_id, "completed")
        results = [row for row in parley.transcript(session) if row.role == "tool"]
        assert [row.tool_call_id for row in results] == ["c0"]
        assert '"arrived":["a"]' in results[0].content
        parley.clock.advance(3700)  # the timer that slept until the deadline is forgotten there
        parley.sweep()
        assert parley.timers() == 0
        assert not parley.pool().running | parley.pool().queued
        number += 1
    assert number > 20


def _disturbed(parley: Parley) -> tuple[Any, str]:
    with parley.watch.paused():
        order(parley, "a", "b")
        parley.with_tools(Fetch(parley))
        parley.model.choose = lambda request: (
            says("done") if any(m["role"] == "tool" for m in request.messages) else calls(("c0", "fetch", A))
        )
        session = parley.new_session()
        task = parley.send(session).task
    is_told = False
    for _ in range(20):
        _try(parley.drain_queue)
        with parley.watch.paused():
            waits = parley.task(task.id).status is TaskStatus.WAITING
            if waits:
                arrive(parley, "a")
        if waits and not is_told:
            is_told = _try(lambda: told(parley, "a"))
        parley.clock.advance(31)
        _try(parley.sweep)
        with parley.watch.paused():
            task = parley.task(task.id)
        if task.status.ended and task.lease_expires == 0:
            break
    return session, task.id


def _try(act: Any) -> bool:
    """A process that may die or fail."""
    try:
        act()
    except (Killed, Exception):
        return False
    return True


def test_a_turn_that_waits_leaves_its_slot_to_others(parley: Parley) -> None:
    """When it is told, it is the first of those that wait for one, and goes on as soon as one is free."""
    parley.with_turns(1, 5)
    session, task_id, tool = waiting_turn(parley, A)
    first, second = (parley.send(parley.new_session()).task.id for _ in range(2))
    assert (parley.pool().running, parley.pool().queued) == ({first}, {second})
    assert parley.messages_waiting() == [first]

    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    assert parley.task(task_id).status is TaskStatus.QUEUED
    assert tool.resumed == []

    parley.work(first)
    assert parley.messages_waiting() == [task_id]
    parley.work(task_id)
    check_over(parley, session, task_id, "completed")
    parley.drain_queue()
    check_over(parley, parley.session(parley.task(second).session_id), second, "completed")
    assert not parley.pool().running | parley.pool().queued


def test_a_stop_ends_a_turn_that_waits(parley: Parley) -> None:
    """At once; its call gets a result, and who is told afterwards finds nothing to wake."""
    session, task_id, tool = waiting_turn(parley, A)
    assert cancel_turn(parley.services, "ada", session.id).reason == "cancelled"
    check_over(parley, session, task_id, "cancelled")
    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    assert tool.resumed == []
    assert parley.database.get({"pk": "WAIT#PARCEL#a", "sk": f"TASK#{task_id}#c0"}) is None


def test_a_message_for_a_turn_that_waits_is_heard_when_it_goes_on(parley: Parley) -> None:
    """It is pending until then."""
    session, task_id, _ = waiting_turn(parley, A)
    assert parley.send(session, "And?", "m2").outcome == "pending"
    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    check_over(parley, session, task_id, "completed")
    assert [row.content for row in parley.transcript(session) if row.role == "user"] == ["Go", "And?"]


def test_a_worker_that_dies_after_it_was_woken_is_replaced_within_a_minute(parley: Parley) -> None:
    """The timer that sleeps until the deadline doesn't count any more: waking puts a new one."""
    session, task_id, _ = waiting_turn(parley, '{"parcels": ["a"], "seconds": 20000}')
    parley.clock.advance(31)
    parley.sweep()
    parley.clock.advance(600)
    arrive(parley, "a")
    told(parley, "a")
    parley.scripted([die])
    with pytest.raises(Killed):
        parley.drain_queue()
    parley.scripted(says("done"))
    parley.clock.advance(61)
    parley.sweep()
    parley.drain_queue()
    check_over(parley, session, task_id, "completed")
    parley.clock.advance(20000)
    parley.sweep()
    assert parley.timers() == 0


def die() -> None:
    raise Killed


def test_a_viewer_who_comes_while_it_waits_gets_everything(parley: Parley) -> None:
    """What is stored at once, the rest when it goes on."""
    session, task_id, _ = waiting_turn(parley, A)
    parley.frames.handle("late", "ada", json.dumps({"type": "resume", "requestId": "r9", "id": session.id}))
    arrive(parley, "a")
    told(parley, "a")
    parley.drain_queue()
    assert parley.sockets.of("late", "r9").ends == 1
    assert kinds(parley.sockets.of("late", "r9").parts)[-1] == "finish"
    assert parley.sockets.of("conn", "r1").parts == parley.parts(task_id)
