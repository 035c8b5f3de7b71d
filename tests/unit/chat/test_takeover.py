"""Two workers for one turn: the lease decides, and a zombie changes nothing."""

import pytest

from shared.chat.cancel import cancel_turn
from shared.chat.model import ReasoningDelta, TextDelta
from shared.chat.turn.owner import InboxChanged, TurnOwner
from shared.stream import parts as wire
from shared.tasks.lease import Lease, LeaseLost
from shared.tasks.store import request_cancel
from tests.support.checks import check_over, kinds
from tests.support.faults import Killed
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo


def die() -> None:
    raise Killed


def test_a_message_delivered_twice_is_one_run(parley: Parley) -> None:
    """Also while the first is at work, in the model call and in a tool, and after the end."""
    session = parley.new_session()
    echo = Echo(lambda *_: parley.work(task.id))
    parley.with_tools(echo)
    parley.scripted([lambda: parley.work(task.id), *calls(("c1", "echo", '{"text":"x"}'))], says("Once"))
    task = parley.send(session).task
    parley.messages_waiting()

    parley.work(task.id)
    written = len(parley.watch.writes)
    parley.work(task.id)

    check_over(parley, session, task.id, "completed")
    assert len(parley.model.requests) == 2
    assert echo.calls == ["x"]
    assert kinds(parley.parts(task.id)).count("finish") == 1
    assert len(parley.watch.writes) <= written + 1


def test_a_zombie_writes_nothing(parley: Parley) -> None:
    """A worker that freezes in mid text wakes after another one has ended the turn: not one write takes effect."""
    session = parley.new_session()

    def freeze() -> None:
        parley.clock.advance(31)
        parley.sweep()
        parley.drain_queue()
        after.append((parley.parts(task.id), parley.task(task.id), len(parley.sockets.frames["conn"])))

    after: list[object] = []
    parley.scripted([TextDelta("Zom"), 0.5, freeze, TextDelta("bie"), 5.0, *says("!")], says("Final"))
    frame = '{"type":"send","requestId":"r","id":"%s","messages":[{"id":"m1","role":"user","parts":[%s]}]}'
    parley.frames.handle("conn", "ada", frame % (session.id, '{"type":"text","text":"Go"}'))
    (task_id,) = parley.messages_waiting()
    task = parley.task(task_id)
    parley.work(task.id)

    check_over(parley, session, task.id, "completed")
    assert after == [(parley.parts(task.id), parley.task(task.id), len(parley.sockets.frames["conn"]))]
    received = parley.sockets.of("conn", "r")
    assert kinds(received.parts).count("reset-step") == 1
    assert received.text == "Final"
    assert received.ends == 1
    assert parley.model.calls[0].closed


LATE = [wire.delta("text", "text-0-0", " zombie"), wire.delta("text", "text-0-0", " words")]


@pytest.mark.parametrize("shown", [True, False], ids=["half shown", "nothing shown"])
@pytest.mark.parametrize("way", ["flush first", "commit first", "one commit", "stopped", "stopped outside"])
def test_a_zombies_last_row_may_land_between_any_two_calls_of_its_successor(
    parley: Parley, way: str, shown: bool
) -> None:
    """Before the successor's first write it is a row like any other, and withdrawn; after it, it is refused."""
    at = 1
    while _zombie_wakes(parley, way, shown, at):
        parley.wipe()
        at += 1
    assert at > 5


def _zombie_wakes(parley: Parley, way: str, shown: bool, at: int) -> bool:
    """Whether the successor made the call at which the zombie was to wake."""
    session = parley.new_session()
    parley.with_tools(Echo())
    first: Script = [TextDelta("Half"), 0.5, die] if shown else [0.5, die]
    ways: dict[str, list[Script]] = {
        "flush first": [[TextDelta("Fi"), 1.5, *says("nal")]],
        "commit first": [calls(("c1", "echo", '{"text":"x"}')), says("Final")],
        "one commit": [[*says("Final")]],
    }
    parley.scripted(first, *ways.get(way, [[ReasoningDelta("unused")]]))
    task = parley.send(session).task
    with pytest.raises(Killed):
        parley.drain_queue()
    zombie = Lease(task.id, "worker-1", 1)
    heads = [parley.services.log.head(task.id)]
    parley.clock.advance(16)

    def wake(_: str, number: int) -> None:
        if number != at:
            return
        with parley.watch.paused():
            late = LATE if shown else [wire.block("text", "start", "text-0-0"), *LATE]
            for part in late:
                try:
                    parley.services.log.append(zombie, heads[0], [part])
                except LeaseLost:
                    return
                heads[0] += 1

    if way.startswith("stopped"):
        request_cancel(parley.database, task.id)
    parley.watch.reset()
    parley.watch.on_call = wake
    if way == "stopped outside":
        cancel_turn(parley.services, "ada", session.id)
    else:
        parley.work(task.id)
    parley.watch.on_call = None
    made = len(parley.watch.calls)

    check_over(parley, session, task.id, "cancelled" if way.startswith("stopped") else "completed")
    text = shown_text(parley.parts(task.id))
    if way.startswith("stopped"):
        assert parley.transcript(session)[-1].content == text
        assert text in {"", "Half", " zombie", " zombie words", "Half zombie", "Half zombie words"}
    else:
        assert text == parley.transcript(session)[-1].content == "Final"
    return made > at


def test_a_late_row_and_then_news_do_not_double_the_text(parley: Parley) -> None:
    """A write that met a zombie's row and then news keeps the withdrawal of that row for its next attempt."""
    session = parley.new_session()
    task = parley.send(session).task
    zombie, _ = parley.services.leases.take(task.id, "zombie") or pytest.fail("not free")
    parley.services.log.append(zombie, 0, [wire.start(task.message_id), wire.start_step()])
    parley.clock.advance(16)
    owner = TurnOwner(parley.services, *(parley.services.leases.take(task.id, "heir") or pytest.fail("not free")))
    owner.open()
    parley.services.log.append(zombie, 2, LATE)
    owner.emit(wire.block("text", "start", "t"))
    commits: list[str] = []

    def news(name: str, _: int) -> None:
        commits.append(name)
        if commits == ["TransactWriteItems", "TransactWriteItems"]:
            request_cancel(parley.database, task.id)

    parley.watch.on_call = lambda name, number: news(name, number) if name == "TransactWriteItems" else None
    owner.obeys_cancel = False
    with pytest.raises(InboxChanged):
        owner.commit([], [wire.finish("stop")], requires_inbox=True)
    owner.look()
    owner.commit([], [wire.finish("stop")], requires_inbox=True)
    assert kinds(parley.parts(task.id))[2:] == ["text-delta", "text-delta", "reset-step", "text-start", "finish"]


def test_a_dead_workers_turn_is_shown_whole_to_those_who_watched(parley: Parley) -> None:
    """The new owner can't know how far the dead one got: it posts from the registration on, and nobody sees doubles."""
    session = parley.new_session()
    parley.scripted([TextDelta("Half"), 1.5, die], says("Whole"))
    frame = '{"type":"send","requestId":"r","id":"%s","messages":[{"id":"m1","role":"user","parts":[%s]}]}'
    parley.frames.handle("conn", "ada", frame % (session.id, '{"type":"text","text":"Go"}'))
    with pytest.raises(Killed):
        parley.drain_queue()
    parley.clock.advance(31)
    parley.sweep()
    parley.drain_queue()
    received = parley.sockets.of("conn", "r")
    assert received.text == "Whole"
    assert received.ends == 1
    assert received.parts == parley.parts(parley.session(session.id).last_task or "")


def test_five_workers_lost_in_a_row_end_the_turn(parley: Parley) -> None:
    """Whatever kills them will kill the next one too: worker_lost, with what was shown."""
    session = parley.new_session()
    parley.scripted([TextDelta("Half"), 1.5, die])
    task = parley.send(session).task
    for _ in range(8):
        try:
            parley.drain_queue()
        except Killed:
            parley.clock.advance(60)
            parley.sweep()
    parley.clock.advance(60)
    parley.sweep()
    over = check_over(parley, session, task.id, "failed")
    assert over.error is not None
    assert over.error["code"] == "worker_lost"
    assert len(parley.model.requests) == 6
    assert parley.transcript(session)[-1].content == "Half"
    assert parley.timers() == 0
