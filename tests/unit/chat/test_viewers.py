"""Those who watch: they come, go, lag and die, and the turn does not care."""

import pytest

from shared.aws.sockets import ConnectionSlow
from shared.chat.cancel import cancel_turn
from shared.chat.model import TextDelta
from shared.socket.connections import forget_connection
from tests.support.checks import check_over
from tests.support.model import says
from tests.support.region import Parley


def resume(parley: Parley, session_id: str, connection: str) -> None:
    parley.frames.handle(connection, "ada", f'{{"type":"resume","requestId":"r","id":"{session_id}"}}')


def test_viewers_that_join_at_different_times_see_the_same(parley: Parley) -> None:
    """Queued, running, just ended: the same message, in order, and exactly one `end`."""
    session = parley.new_session()
    parley.scripted(
        [TextDelta("One "), 1.5, lambda: resume(parley, session.id, "running"), TextDelta("two"), 2.5, *says(".")]
    )
    task = parley.send(session).task
    resume(parley, session.id, "queued")
    parley.drain_queue()
    resume(parley, session.id, "ended")
    check_over(parley, session, task.id, "completed")
    for viewer in ("queued", "running", "ended"):
        received = parley.sockets.of(viewer, "r")
        assert received.text == "One two."
        assert received.ends == 1
        assert [frame["type"] for frame in received.frames].index("end") == len(received.frames) - 1
        assert received.parts[-1]["type"] == "finish"


def test_five_minutes_after_the_end_there_is_nothing_to_resume(parley: Parley) -> None:
    """The messages have it all."""
    session = parley.new_session()
    parley.scripted(says("Done"))
    parley.send(session)
    parley.drain_queue()
    parley.clock.advance(301)
    resume(parley, session.id, "late")
    assert [frame["type"] for frame in parley.sockets.frames["late"]] == ["no-active"]


@pytest.mark.parametrize("at", range(12))
def test_registering_while_the_turn_ends_always_gets_an_end(parley: Parley, at: int) -> None:
    """Whichever call of the newcomer's handler the end of the turn falls on."""
    session = parley.new_session()
    parley.scripted(says("Whole"))
    parley.send(session)

    def end(_: str, number: int) -> None:
        if number == at:
            with parley.watch.paused():
                parley.drain_queue()

    parley.watch.reset()
    parley.watch.on_call = end
    resume(parley, session.id, "v")
    parley.watch.on_call = None
    parley.drain_queue()
    received = parley.sockets.of("v", "r")
    assert (received.text, received.ends) == ("Whole", 1)


@pytest.mark.parametrize("at", range(30))
def test_ending_while_a_newcomer_registers_always_gives_an_end(parley: Parley, at: int) -> None:
    """Whichever call of the worker the newcomer falls on."""
    session = parley.new_session()
    parley.scripted([TextDelta("Who"), 0.5, *says("le")])
    parley.send(session)

    def come(_: str, number: int) -> None:
        if number == at:
            with parley.watch.paused():
                resume(parley, session.id, "v")

    parley.watch.reset()
    parley.watch.on_call = come
    parley.drain_queue()
    parley.watch.on_call = None
    if at < len(parley.watch.calls):
        received = parley.sockets.of("v", "r")
        assert (received.text, received.ends) == ("Whole", 1)


def test_a_dead_viewer_changes_nothing_for_the_others(parley: Parley) -> None:
    """410: it is dropped; the other gets everything."""
    session = parley.new_session()
    parley.scripted([TextDelta("One "), 1.5, lambda: parley.sockets.gone.add("dead"), *says("two")])
    task = parley.send(session).task
    for viewer in ("dead", "alive"):
        resume(parley, session.id, viewer)
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    assert parley.sockets.of("alive", "r").text == "One two"


def test_a_viewer_that_takes_nothing_is_closed_after_20_s(parley: Parley) -> None:
    """It never delays the others; its client reconnects and resumes."""
    session = parley.new_session()
    started = parley.clock.now()
    closed: list[float] = []
    close = parley.sockets.close

    def note(connection_id: str) -> None:
        closed.append(parley.clock.now() - started)
        close(connection_id)

    parley.sockets.close = note  # type: ignore[method-assign]
    drip = [piece for _ in range(80) for piece in (TextDelta("x"), 0.5)]
    parley.scripted([lambda: parley.sockets.slow.add("slow"), *drip, *says(".")])
    task = parley.send(session).task
    for viewer in ("slow", "quick"):
        resume(parley, session.id, viewer)
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    assert parley.sockets.closed == ["slow"]
    assert 19 < closed[0] < 22
    assert parley.sockets.of("quick", "r").ends == 1


def test_a_viewer_that_takes_one_frame_a_second_is_closed_or_told_the_end(parley: Parley) -> None:
    """Nobody is left with an open stream and no `end`: who can't be served in time must come back."""
    session = parley.new_session()
    last = [0.0]
    post = parley.sockets.post

    def reluctant(connection_id: str, frame: bytes) -> None:
        if connection_id == "slow":
            if parley.clock.now() - last[0] < 1:
                raise ConnectionSlow(connection_id)
            last[0] = parley.clock.now()
        post(connection_id, frame)

    parley.sockets.post = reluctant  # type: ignore[method-assign]
    parley.scripted([*[piece for _ in range(60) for piece in (TextDelta("x"), 0.25)], *says(".")])
    parley.send(session)
    resume(parley, session.id, "slow")
    parley.drain_queue()
    assert parley.sockets.of("slow", "r").ends == 1 or parley.sockets.closed == ["slow"]


def test_silence_is_broken_every_ten_seconds(parley: Parley) -> None:
    """A typed frame of our own, that official clients ignore."""
    session = parley.new_session()
    parley.scripted([TextDelta("Wait"), 65.0, *says(".")])
    parley.send(session)
    resume(parley, session.id, "v")
    parley.drain_queue()
    beats = [frame for frame in parley.sockets.frames["v"] if frame["type"] == "heartbeat"]
    assert {frame["requestId"] for frame in beats} == {"~sys"}
    assert 5 <= len(beats) <= 6


@pytest.mark.parametrize("way", ["abort", "disconnect", "abort and cancel"])
def test_leaving(parley: Parley, way: str) -> None:
    """Abort and disconnect detach this viewer, and the turn goes on; only `cancel` stops it."""
    session = parley.new_session()

    def leave() -> None:
        if way == "disconnect":
            forget_connection(parley.database, "leaver")
            return
        cancel = "true" if way == "abort and cancel" else "false"
        parley.frames.handle("leaver", "ada", f'{{"type":"abort","requestId":"r","cancel":{cancel}}}')

    parley.scripted([TextDelta("One "), 1.5, leave, 2.5, *says("two")])
    task = parley.send(session).task
    for viewer in ("leaver", "stayer"):
        resume(parley, session.id, viewer)
    parley.drain_queue()
    check_over(parley, session, task.id, "cancelled" if way == "abort and cancel" else "completed")
    assert parley.sockets.of("leaver", "r").ends == 0
    assert parley.sockets.of("stayer", "r").ends == 1


def test_a_stop_is_not_delayed_by_a_slow_viewer(parley: Parley) -> None:
    """The answer of a stop comes within an API's patience, whatever a viewer does."""
    session = parley.new_session()
    parley.send(session)
    resume(parley, session.id, "slow")
    parley.sockets.slow.add("slow")
    started = parley.clock.now()
    assert cancel_turn(parley.services, "ada", session.id).reason == "dequeued"
    assert parley.clock.now() - started < 10
    assert parley.sockets.closed == ["slow"]
