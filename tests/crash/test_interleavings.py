"""Senders, workers, newcomers, stops and zombies at once, in hundreds of orders that seeds decide.

Each order must end as if there had been no other: one finish, a legal stream and transcript, an `end`
for everybody who watches, a free session, and nothing left to do.
"""

import json
import os
from collections.abc import Iterator
from functools import partial

import pytest
from moto import mock_aws

from shared.chat.cancel import Cancelled, cancel_turn
from shared.chat.model import ModelEvent, ModelRequest, ReasoningDelta, TextDelta
from shared.chat.sessions import Session
from shared.stream.replay import replay
from shared.tools.contract import ToolContext
from tests.support.actors import ActorClock
from tests.support.checks import check_over, said
from tests.support.grammar import check_stream
from tests.support.model import Script, calls, says
from tests.support.region import build_parley
from tests.support.tools import Echo, Send

SEEDS = int(os.environ.get("PARLEY_SEEDS", "8"))


class World:
    """A deployment whose processes run side by side."""

    def __init__(self, seed: int, freeze: float = 0.0) -> None:
        self.clock = ActorClock(seed, freeze)
        self.parley = build_parley(self.clock)
        self.parley.watch.on_call = self._before_call
        self.parley.sockets.on_post = lambda *_: self.clock.step_aside()
        self.parley.model.choose = self.answer
        self.send, self.echo = Send(), Echo(self._takes_time)
        self.parley.with_tools(self.send, self.echo)
        self.session = self.parley.new_session()
        self.tasks: set[str] = set()
        self.stops: list[Cancelled] = []
        self._looks = 0

    def _before_call(self, name: str, _: int) -> None:
        if name == "SendMessage":
            self._looks = 5
        self.clock.step_aside()

    def _takes_time(self, _: ToolContext, text: str) -> None:
        self.clock.sleep(2)

    def answer(self, request: ModelRequest) -> Script:
        """A step with tools, then an answer that names what it heard."""
        last = max(n for n, message in enumerate(request.messages) if message["role"] == "user")
        heard: list[ModelEvent | float] = []
        if not any(message["role"] == "tool" for message in request.messages):
            heard = [ReasoningDelta("Let me see."), 0.4, TextDelta("I look"), 0.3, TextDelta(" it up. ")]
            return [*heard, *calls(("c1", "send", '{"text":"a"}'), ("c2", "echo", '{"text":"b"}'))]
        said_last = request.messages[last]["content"]
        return [0.2, TextDelta("You said "), 0.7, TextDelta(said_last), 2.5, *says(".")]

    def spawn_life(self) -> None:
        """The queue's consumer and the minute tick."""
        self.clock.spawn("queue", self._consume)
        self.clock.spawn("ticks", self._tick)

    def _consume(self) -> None:
        while not self.quiet:
            for task_id in self.parley.messages_waiting():
                self.tasks.add(task_id)
                self.clock.spawn(f"worker {task_id}", partial(self.parley.work, task_id))
            self.clock.wait_until(lambda: self._looks > 0, self.clock.now() + 10)
            self._looks -= 1
            self.clock.sleep(0.02)

    def _tick(self) -> None:
        while not self.quiet:
            self.clock.sleep(20)
            self.parley.sweep()

    @property
    def quiet(self) -> bool:
        """Nothing is left to do."""
        if self.clock.now() > 1_750_000_000 + 3_600:
            raise AssertionError("still not quiet after an hour")
        if self.clock.others > 1:
            return False
        return self.parley.timers() == 0

    def frame(self, connection: str, **frame: object) -> None:
        """What a client sends."""
        self.parley.frames.handle(connection, "ada", json.dumps({"id": self.session.id, **frame}))

    def say(self, connection: str, text: str, message_id: str) -> None:
        """A message over a socket."""
        message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
        self.frame(connection, type="send", requestId="send", messages=[message])

    def stop(self) -> None:
        """The stop button."""
        self.stops.append(cancel_turn(self.parley.services, "ada", self.session.id))

    def check(self) -> None:
        """What must hold whatever happened."""
        self.parley.watch.on_call = None
        self.parley.sockets.on_post = None
        assert self.parley.messages_waiting() == []
        session: Session = self.parley.session(self.session.id)
        assert session.active_task is None
        assert session.pending_count == 0
        for task_id in self.tasks:
            check_over(self.parley, session, task_id)
        assert len(self.send.calls) <= 1
        for connection, frames in self.parley.sockets.frames.items():
            for request in {frame["requestId"] for frame in frames} - {"~sys"}:
                self._check_request(connection, request)

    def _check_request(self, connection: str, request: str) -> None:
        received = self.parley.sockets.of(connection, request)
        kinds = [frame["type"] for frame in received.frames]
        if kinds == ["no-active"]:
            return
        assert kinds[0] == "start", kinds
        assert received.ends >= 1, (connection, kinds)
        if received.parts[0]["type"] == "data-pending":
            return
        check_stream(received.parts)
        task_id = received.parts[0]["messageId"].removeprefix("msg_")
        assert replay(received.parts) == replay(self.parley.parts(task_id))


@pytest.fixture(autouse=True)
def _moto() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.mark.parametrize("seed", range(SEEDS))
def test_viewers_join_at_any_time(seed: int) -> None:
    """Sender, early, middle and late viewer get the same message and an `end`."""
    world = World(seed)
    world.clock.spawn("sender", lambda: world.say("c0", "Hello", "m1"))
    for n, after in enumerate((0.0, 0.5, 1.0, 3.0, 4.0, 5.0, 6.4, 6.5)):
        job = partial(world.frame, f"v{n}", type="resume", requestId="r")
        world.clock.spawn(f"viewer {n}", job, after + (seed % 10) / 10)
    world.spawn_life()
    world.clock.run()
    world.check()
    assert said(world.parley.transcript(world.session))[-1] == ("assistant", "You said Hello.")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_stop_at_any_time(seed: int) -> None:
    """The stop says what it did, the partial text stays, and the next send is answered."""
    world = World(seed)
    world.clock.spawn("sender", lambda: world.say("c0", "Hello", "m1"))
    world.clock.spawn("stop", world.stop, after=seed * 7.0 / SEEDS)
    world.clock.spawn("next", lambda: world.say("c0", "Next", "m2"), after=20)
    world.spawn_life()
    world.clock.run()
    world.check()
    assert [stop.reason for stop in world.stops] != ["forced"]
    first = min(world.tasks, default="")
    if world.stops[0].reason in {"cancelled", "dequeued"} and world.stops[0].task_id == first:
        assert world.parley.task(first).status == "cancelled"
    assert said(world.parley.transcript(world.session))[-1] in {
        ("assistant", "You said Next."), ("assistant", "I look it up. "),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(SEEDS))
def test_messages_sent_at_any_time(seed: int) -> None:
    """Nothing that was accepted is lost, nothing is doubled, and everything is in an order."""
    world = World(seed)
    world.clock.spawn("sender", lambda: world.say("c0", "Hello", "m1"))
    world.clock.spawn("double", lambda: world.say("c1", "Hello", "m1"), after=(seed % 7) / 2)
    for n in range(4):
        job = partial(world.say, f"p{n}", f"more {n}", f"p{n}")
        world.clock.spawn(f"more {n}", job, after=(seed * 13 % 70) / 10 + n * (seed % 3) / 3)
    world.spawn_life()
    world.clock.run()
    world.check()
    heard = [content for role, content in said(world.parley.transcript(world.session)) if role == "user"]
    assert sorted(heard) == ["Hello", "more 0", "more 1", "more 2", "more 3"]


@pytest.mark.parametrize("seed", range(2 * SEEDS))
def test_processes_that_freeze_and_wake_as_zombies(seed: int) -> None:
    """Workers, handlers and sweeps that sleep for up to 40 s in mid-work: no doubled text, no second end."""
    world = World(seed, freeze=0.03)
    world.clock.spawn("sender", lambda: world.say("c0", "Hello", "m1"))
    world.clock.spawn("viewer", lambda: world.frame("v0", type="resume", requestId="r"), after=(seed % 8))
    if seed % 3 == 0:
        world.clock.spawn("stop", world.stop, after=seed % 11)
    if seed % 4 == 0:
        world.clock.spawn("more", lambda: world.say("c2", "more", "p1"), after=seed % 6)
    world.spawn_life()
    world.clock.run()
    world.check()
    if seed % 3 and seed % 4:
        assert said(world.parley.transcript(world.session))[-1] == ("assistant", "You said Hello.")
