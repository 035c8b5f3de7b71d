"""Tool calls: each ends in one result, whatever happens to it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.kernel.errors import ToolError
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import ThreadWorkers
from shared.tools.contract import ErrorResponse, Tool, ToolContext, ToolResponse
from tests.support.checks import check_over, kinds
from tests.support.faults import Killed
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.time import InlineWorkers
from tests.support.tools import Echo, EchoInput, Send

ONE = ("c1", "echo", '{"text": "one"}')


class Answers(Echo):
    """Answers whatever the test has prepared."""

    def __init__(self, answer: Callable[[], ToolResponse]) -> None:
        super().__init__()
        self._answer = answer

    def run(self, context: ToolContext, arguments: EchoInput) -> ToolResponse:
        self.calls.append(arguments.text)
        return self._answer()


class Anything(ToolResponse):
    """An answer with no bounds at all."""

    type: str = "anything"
    value: Any


class TurnedLater(InlineWorkers):
    """Starts jobs when so many virtual seconds have passed: for each job the next number, None for never."""

    def __init__(self, clock: Any, seconds: list[float | None]) -> None:
        super().__init__(clock)
        self._seconds = seconds

    def start(self, name: str, job: Callable[[], None]) -> None:
        wait = self._seconds.pop(0)
        if wait is not None:
            self._clock.at(wait, job)


def run(parley: Parley, *tools: Tool[Any]) -> tuple[Any, Any]:
    """A turn over a socket, with the scripts that are set; its session and task."""
    parley.with_tools(*tools)
    session = parley.new_session()
    frame = '{"type":"send","requestId":"r1","id":"%s","messages":[{"id":"m1","role":"user","parts":[%s]}]}'
    parley.frames.handle("conn", "ada", frame % (session.id, '{"type":"text","text":"Go"}'))
    parley.drain_queue()
    task_id = parley.session(session.id).last_task or ""
    assert parley.sockets.of("conn", "r1").parts == parley.parts(task_id)
    return session, check_over(parley, session, task_id, "completed")


@pytest.mark.parametrize("failure", [ToolError("No such city", code="no_city"), ValueError("bug"), MemoryError()])
def test_a_failing_call_does_not_fail_the_others(parley: Parley, failure: Exception) -> None:
    """It is an error result for the model, and an error part for viewers; the other calls have theirs."""

    def act(_: ToolContext, text: str) -> None:
        if text == "two":
            raise failure

    parley.scripted(calls(ONE, ("c2", "echo", '{"text": "two"}'), ("c3", "echo", '{"text": "three"}')), says("Done"))
    session, task = run(parley, Echo(act))

    assert [row.is_error for row in parley.transcript(session)[2:5]] == [False, True, False]
    assert kinds(parley.parts(task.id)).count("tool-output-error") == 1


def test_an_unknown_tool_is_answered_with_the_names_there_are(parley: Parley) -> None:
    """The model learns what it may call instead."""
    parley.scripted(calls(("c1", "nope", "{}")), says("Done"))
    session, _ = run(parley, Echo())
    assert "unknown_tool" in parley.transcript(session)[2].content
    assert "echo" in parley.transcript(session)[2].content


def test_a_tool_that_never_returns_is_stopped(parley: Parley) -> None:
    """After 300 s its call is answered with an error; the others have their results, and the turn goes on."""
    parley.engine = replace(parley.engine, workers=TurnedLater(parley.clock, [1.0, None]))
    parley.scripted(calls(ONE, ("c2", "echo", '{"text": "two"}')), says("Done"))
    started = parley.clock.now()

    session, _ = run(parley, Echo())

    rows = parley.transcript(session)
    assert [row.is_error for row in rows[2:4]] == [False, True]
    assert "tool_timeout" in rows[3].content
    assert parley.clock.now() - started == pytest.approx(MAX_TOOL_WAIT_SECONDS, abs=5)


def test_results_have_the_place_of_their_call_whichever_comes_first(parley: Parley) -> None:
    """Rows follow the order of the calls; viewers see each result when it is there."""
    parley.engine = replace(parley.engine, workers=TurnedLater(parley.clock, [9.0, 1.0]))
    parley.scripted(calls(ONE, ("c2", "echo", '{"text": "two"}')), says("Done"))

    session, task = run(parley, Echo())

    assert [row.tool_call_id for row in parley.transcript(session)[2:4]] == ["c1", "c2"]
    outputs = [p["toolCallId"] for p in parley.parts(task.id) if p["type"] == "tool-output-available"]
    assert outputs == ["c2", "c1"]


def test_a_call_that_keeps_failing_gets_a_hint(parley: Parley) -> None:
    """The third failure in a row of the same call says so; a success in between begins anew."""
    outcomes = iter([False, False, True, False, False, False])

    def act(_: ToolContext, text: str) -> None:
        if not next(outcomes):
            raise ToolError("No")

    parley.scripted(*[calls((f"c{n}", "echo", '{"text":"x"}')) for n in range(6)], says("I give up"))
    session, _ = run(parley, Echo(act))

    hints = ["hint" in row.content for row in parley.transcript(session) if row.role == "tool"]
    assert hints == [False, False, False, False, False, True]


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Anything(value="x" * 3_000_000),
        lambda: Anything(value="\x00" * 60_000),
        lambda: Anything(value=["🙂"] * 100_000),
        lambda: Anything(value="\ud800"),
        lambda: Anything(value=float("nan")),
        lambda: Anything(value=[float("inf"), {"a": -float("inf")}]),
        lambda: Anything(value=object()),
        lambda: Anything(value="fine", message="m" * 1_000_000),
        lambda: ErrorResponse(message="e" * 1_000_000),
        lambda: ErrorResponse(message="e", details={"more": "x" * 1_000_000}),
        lambda: _raise(ToolError("t" * 1_000_000)),
        lambda: _raise(ToolError("half a pair: \ud800")),
        lambda: _raise(ValueError("\ud800")),
    ],
    ids=lambda answer: answer.__code__.co_consts.__repr__()[:40] if callable(answer) else str(answer),
)
def test_whatever_a_tool_answers_fits_rows_and_frames(parley: Parley, answer: Callable[[], ToolResponse]) -> None:
    """Huge, not Unicode, not JSON: viewers and model get something that every parser takes."""
    parley.scripted(calls(ONE), says("Done"))
    session, _ = run(parley, Answers(answer))
    assert len(parley.transcript(session)[2].content.encode()) < 70_000


def test_an_oversized_error_stays_an_error(parley: Parley) -> None:
    """Cut, but still a failure for the model and the viewers."""
    parley.scripted(calls(ONE), says("Done"))
    session, _ = run(parley, Answers(lambda: ErrorResponse(code="bad", message="e" * 1_000_000)))
    assert parley.transcript(session)[2].is_error


def _raise(error: Exception) -> ToolResponse:
    raise error


def test_many_large_results_fit(parley: Parley) -> None:
    """64 outputs at the limit, all at once: several rows, none too large."""
    parley.scripted(calls(*((f"c{n}", "echo", '{"text":"x"}') for n in range(64))), says("Done"))
    session, _ = run(parley, Answers(lambda: Anything(value="x" * 63_900)))
    assert len(parley.transcript(session)) == 67


def test_a_side_effect_is_not_repeated_after_a_kill(parley: Parley) -> None:
    """A call that was started and has no result: the next owner tells the model that nobody knows the outcome."""

    def die(_: ToolContext, text: str) -> None:
        raise Killed

    send, echo = Send(die), Echo()
    parley.with_tools(send, echo)
    parley.scripted(calls(("c1", "send", '{"text": "mail"}'), ("c2", "echo", '{"text": "b"}')), says("Hm"))
    session = parley.new_session()
    task = parley.send(session).task
    with pytest.raises(Killed):
        parley.drain_queue()

    parley.clock.advance(31)
    parley.sweep()
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert send.calls == ["mail"]
    assert echo.calls == ["b"]
    assert "outcome_unknown" in parley.transcript(session)[2].content


def test_calls_of_one_step_run_side_by_side(parley: Parley) -> None:
    """Ten calls that each wait for all the others get on (in real threads)."""
    meeting = threading.Barrier(10, timeout=10)
    parley.engine = replace(parley.engine, workers=ThreadWorkers())
    parley.scripted(calls(*((f"c{n}", "echo", '{"text":"x"}') for n in range(10))), says("Done"))

    session, _ = run(parley, Echo(lambda *_: meeting.wait()))

    assert not any(row.is_error for row in parley.transcript(session))
