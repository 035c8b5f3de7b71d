"""A fault at every call to AWS of a scripted turn, one at a time, and then what follows in life.

For each call n of an undisturbed run: it fails before it takes effect, it takes effect and its answer is
lost, the process dies before it, the process dies after it. Then time passes, the minute tick comes, the
queue delivers, clients try again, until nothing is left to do. Each run must end like the undisturbed one.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from moto import mock_aws

from shared.chat.answering import Answering, UserAnswer
from shared.chat.cancel import cancel_turn
from shared.chat.model import PROMPT_TOO_LONG, ModelEvent, ModelFailed, ModelRequest, ReasoningDelta, TextDelta
from shared.chat.sessions import Session
from shared.kernel.errors import ParleyError
from shared.stream.replay import replay
from shared.tasks.store import request_cancel
from tests.support.checks import check_over, said
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.grammar import check_stream
from tests.support.model import Script, calls, fails, says, summarizes
from tests.support.region import Parley, build_parley
from tests.support.sockets import shown_text
from tests.support.tools import Asking, Echo, Send

EVERY = int(os.environ.get("PARLEY_CRASH_EVERY", str(len(FAULT_KINDS))))
"""Each kind of fault strikes every so many calls, so that by default each call is struck by one kind; 1: by all."""

Answer = Callable[["World", ModelRequest], Script]


@dataclass
class World:
    """A deployment with clients that try again, as clients do."""

    parley: Parley
    answer: Answer
    session: Session = field(init=False)
    send: Send = field(init=False)
    echo: Echo = field(init=False)
    asking: Asking = field(init=False)
    tasks: list[str] = field(default_factory=list)
    disturbed: set[tuple[str, str]] = field(default_factory=set)
    """Requests whose handler died or answered with an error: their clients have tried again."""
    once: set[str] = field(default_factory=set)
    seconds: float = 640.0
    """What a worker has: enough for a step to start, too little for the next one after 10 s."""
    stop_wanted: bool = False

    def __post_init__(self) -> None:
        self.parley.model.choose = lambda request: self.answer(self, request)
        self.send, self.echo, self.asking = Send(), Echo(), Asking()
        self.parley.with_tools(self.send, self.echo, self.asking)
        self.session = self.parley.new_session()

    # -- what clients do -----------------------------------------------------------------------

    def say(self, connection: str = "c0", text: str = "Hello", message_id: str = "m1") -> None:
        """Send over a socket; a client that is refused or cut off sends the same again."""
        message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
        self._insist(connection, {"type": "send", "messages": [message]})

    def resume(self, connection: str) -> None:
        """Watch over a socket."""
        self._insist(connection, {"type": "resume"})

    def _insist(self, connection: str, frame: dict[str, Any]) -> None:
        for attempt in range(3):
            request = f"r{attempt}"
            raw = json.dumps({**frame, "id": self.session.id, "requestId": request})
            try:
                self.parley.frames.handle(connection, "ada", raw)
            except Killed:
                self.disturbed.add((connection, request))
                continue
            if not any(f["type"] == "error" for f in self.parley.sockets.of(connection, request).frames):
                return
            self.disturbed.add((connection, request))
        raise AssertionError("three faults in a row")

    def approve(self) -> bool:
        """What is asked is approved, over HTTP; a client that is refused or cut off tries again."""
        answering, tried = Answering(self.parley.services), False
        for _ in range(3):
            try:
                for one in answering.pending("ada", self.session.id):
                    tried = True
                    answering.answer("ada", UserAnswer(one["approval_id"], True))
            except (Killed, ParleyError):
                continue
            return tried
        raise AssertionError("three faults in a row")

    def stop(self, *, wait: bool) -> None:
        """The stop button; pressed again if it fails."""
        self.stop_wanted = True
        for _ in range(3):
            try:
                if wait:
                    cancel_turn(self.parley.services, "ada", self.session.id)
                elif task := self.parley.session(self.session.id).active_task:
                    request_cancel(self.parley.database, task)
            except (Killed, ParleyError):
                continue
            return

    def first_time(self, what: str) -> bool:
        """Whether `what` has not happened yet: a step that is done again does not repeat what the user did."""
        new = what not in self.once
        self.once.add(what)
        return new

    # -- what the region does ------------------------------------------------------------------

    def drain(self) -> None:
        """Workers take messages; one that dies or fails is not heard of again for a long while."""
        while tasks := self.parley.messages_waiting():
            for task_id in tasks:
                if task_id not in self.tasks:
                    self.tasks.append(task_id)
                try:
                    self.parley.work(task_id, self.seconds)
                except (Killed, ParleyError):
                    continue

    def minutes(self) -> None:
        """Life goes on until nothing is left to do."""
        for _ in range(40):
            self.drain()
            if self.parley.timers() == 0 and not self.approve():
                return
            self.parley.clock.advance(20)
            try:
                self.parley.sweep()
            except (Killed, ParleyError):
                continue
        raise AssertionError("never quiet")

    # -- what must hold ------------------------------------------------------------------------

    def check(self) -> None:
        """The tenets."""
        session = self.parley.session(self.session.id)
        assert session.active_task is None
        assert session.pending_count == 0
        for task_id in self.tasks:
            check_over(self.parley, session, task_id)
        assert len(self.send.calls) <= 1
        assert len(self.asking.calls) <= 1
        assert session.awaiting is None
        for connection, frames in self.parley.sockets.frames.items():
            for request in {frame["requestId"] for frame in frames} - {"~sys"}:
                if (connection, request) not in self.disturbed:
                    self._check_request(connection, request)

    def _check_request(self, connection: str, request: str) -> None:
        received = self.parley.sockets.of(connection, request)
        kinds = [frame["type"] for frame in received.frames]
        if kinds == ["no-active"]:
            return
        assert kinds[0] == "start"
        assert received.ends >= 1, (connection, request, kinds)
        if received.parts[0]["type"] != "data-pending":
            check_stream(received.parts)
            task_id = received.parts[0]["messageId"].removeprefix("msg_")
            assert replay(received.parts) == replay(self.parley.parts(task_id))

    def shown(self) -> list[str]:
        """The text that readers see at last, turn by turn."""
        return [shown_text(self.parley.parts(task_id)) for task_id in self.tasks]

    def rows(self) -> list[tuple[str, str]]:
        """The transcript."""
        return said(self.parley.transcript(self.session))


# -- the turns ---------------------------------------------------------------------------------


def has_results(request: ModelRequest) -> bool:
    """Whether the tools of the first step have answered."""
    return any(message["role"] == "tool" for message in request.messages)


def text(world: World, request: ModelRequest) -> Script:
    """An answer over several rows of the stream."""
    return [ReasoningDelta("Well"), 0.3, TextDelta("Good "), 0.5, TextDelta("morning"), 1.5, *says(", Ada")]


def tools(world: World, request: ModelRequest) -> Script:
    """Two calls in parallel, one of them with an effect outside, then an answer."""
    if has_results(request):
        return [0.3, *says("All ", "done")]
    wanted = calls(("c1", "send", '{"text":"mail"}'), ("c2", "echo", '{"text":"b"}'))
    return [ReasoningDelta("Let me"), 0.5, TextDelta("Wait. "), *wanted]


def withdrawn(world: World, request: ModelRequest) -> Script:
    """The stream is cut once."""
    if world.first_time("cut"):
        return [TextDelta("Half"), 0.5, ModelFailed("stream_cut", "Broke off.", True)]
    return [0.1, *says("Whole")]


def stopped(world: World, request: ModelRequest, *, wait: bool) -> Script:
    """The user stops in the second step."""
    if not has_results(request):
        return tools(world, request)
    stop: list[ModelEvent | float | Callable[[], object]] = [TextDelta("Part"), 0.5]
    if world.first_time("stop"):
        stop.append(lambda: world.stop(wait=wait))
    return [*stop, 4.0, TextDelta("ly"), 4.0, *says(" never")]


def pending(world: World, request: ModelRequest) -> Script:
    """A message during the first step is heard in the second; one during the last starts the next turn."""
    if not has_results(request):
        first = [lambda: world.say("p1", "one more", "p1")] if world.first_time("p1") else []
        return [*first, 2.5, *calls(("c2", "echo", '{"text":"b"}'))]
    second = [lambda: world.say("p2", "and more", "p2")] if world.first_time("p2") else []
    return [TextDelta("Yes "), 0.5, *second, *says("sir")]


def newcomer(world: World, request: ModelRequest) -> Script:
    """Somebody comes in mid text."""
    come = [lambda: world.resume("v1")] if world.first_time("v1") else []
    return [TextDelta("Good "), 0.5, *come, 1.5, TextDelta("morning"), 1.5, *says(", Ada")]


def zombie(world: World, request: ModelRequest) -> Script:
    """The worker freezes in mid text; another one takes over and ends the turn; then the first one wakes."""

    def freeze() -> None:
        world.parley.clock.advance(31)
        try:
            world.parley.sweep()
        except (Killed, ParleyError):
            return
        world.drain()

    asleep = [freeze] if world.first_time("freeze") else []
    return [TextDelta("Good "), 0.5, TextDelta("mor"), *asleep, TextDelta("ning"), 1.5, *says(", Ada")]


def continued(world: World, request: ModelRequest) -> Script:
    """Too little time is left after the first step: another invocation goes on."""
    if not has_results(request):
        return [TextDelta("Wait. "), 12.0, *calls(("c1", "send", '{"text":"mail"}'), ("c2", "echo", '{"text":"b"}'))]
    return [0.3, *says("All ", "done")]


def compacted(world: World, request: ModelRequest) -> Script:
    """The server refuses the prompt between two steps: earlier ones are summarized, and the turn goes on."""
    if summarizes(request):
        return [0.5, *says("They sent a mail.")]
    done = [message["content"] for message in request.messages if message["role"] == "tool"]
    if len(done) == 2 and not summarized(request):
        return [TextDelta("Al"), 0.5, *fails(PROMPT_TOO_LONG, retryable=False)]
    if done and (summarized(request) or len(done) == 2):
        return [0.3, *says("All ", "done")]
    if done:
        return calls(("c2", "echo", json.dumps({"text": "b" * 100})))
    return [TextDelta("Wait. "), 0.5, *calls(("c1", "send", json.dumps({"text": "m" * 200})))]


def summarized(request: ModelRequest) -> bool:
    """Whether a summary stands for the earlier messages."""
    return "They sent a mail." in request.messages[0]["content"]


def approved(world: World, request: ModelRequest) -> Script:
    """One of two calls needs the user's approval, which comes as soon as it is asked for."""
    if has_results(request):
        return [0.3, *says("All ", "done")]
    wanted = calls(("c1", "send_mail", '{"text":"mail"}'), ("c2", "echo", '{"text":"b"}'))
    return [TextDelta("Wait. "), 0.5, *wanted]


def paid(world: World, request: ModelRequest) -> Script:
    """The budget has no room for a second call; the user raises it."""
    if has_results(request):
        return [0.3, *says("All ", "done")]
    wanted = calls(("c1", "send", '{"text":"mail"}'), ("c2", "echo", '{"text":"b"}'), tokens=(9_000, 500))
    return [TextDelta("Wait. "), 0.5, *wanted]


TURNS: dict[str, Answer] = {
    "text": text,
    "tools": tools,
    "withdrawn": withdrawn,
    "stopped": partial(stopped, wait=False),
    "forced": partial(stopped, wait=True),
    "pending": pending,
    "newcomer": newcomer,
    "zombie": zombie,
    "continued": continued,
    "compacted": compacted,
    "approved": approved,
    "paid": paid,
}
LIMITS: dict[str, dict[str, int]] = {"paid": {"turn_max_tokens": 10_000}}
"""With room for what a dead worker had reserved, besides."""


@pytest.fixture(scope="module")
def parley(request: pytest.FixtureRequest) -> Iterator[Parley]:
    """One deployment for all; each run gets empty tables."""
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        parley = build_parley()
        parley.engine = replace(parley.engine, max_output_tokens=500)
        yield parley
    patch.undo()


def run(parley: Parley, answer: Answer, fault_at: int | None, fault: FaultKind, **limits: int) -> World:
    """The turn, disturbed at one call, and what follows."""
    parley.wipe()
    parley.clock.advance(1_000)
    parley.with_limits(**limits)
    world = World(parley, answer)
    parley.watch.reset(fault_at, fault)
    world.say()
    world.minutes()
    return world


def worth_striking(names: list[str]) -> list[int]:
    """The calls to disturb: all, but of many alike in a row (a poll, renewals) only the first and last two."""
    return [n for n in range(len(names)) if len(set(names[max(0, n - 2) : n + 3])) > 1 or n < 2]


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("name", TURNS)
def test_a_fault_at_any_call_changes_nothing_in_the_end(parley: Parley, name: str, kind: FaultKind) -> None:
    """Whatever call it strikes, and however."""
    limits = LIMITS.get(name, {})
    undisturbed = run(parley, TURNS[name], None, kind, **limits)
    calls_made = list(parley.watch.calls)
    undisturbed.check()
    shown, rows = undisturbed.shown(), undisturbed.rows()
    for at in worth_striking(calls_made)[FAULT_KINDS.index(kind) % EVERY :: EVERY]:
        try:
            world = run(parley, TURNS[name], at, kind, **limits)
            world.check()
            if name in {"text", "withdrawn", "newcomer", "zombie"}:
                assert world.shown() == shown
                assert world.rows() == rows
            elif name in {"tools", "continued", "compacted", "approved", "paid"}:
                assert world.shown() == shown
                assert [role for role, _ in world.rows()] == [role for role, _ in rows]
            elif name == "pending":
                heard = [content for role, content in world.rows() if role == "user"]
                assert heard == ["Hello", "one more", "and more"]
        except (AssertionError, Exception) as problem:
            problem.add_note(f"{kind} at call {at} of {len(calls_made)}: {parley.watch.calls[max(0, at - 3) : at + 1]}")
            raise
