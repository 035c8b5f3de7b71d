"""Tools with a price: asked before, charged once after, whatever happens to the turn."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.credits import Credits
from shared.aws.writes import Put
from shared.chat.sessions import Session
from shared.kernel.errors import ToolError
from shared.tasks.records import Task
from shared.tasks.store import request_cancel
from shared.tools.contract import ToolContext, ToolResponse
from tests.support.checks import check_over
from tests.support.logs import logged
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.time import InlineWorkers
from tests.support.tools import Echo, EchoInput

PAINT = calls(("c1", "paint", '{"text":"a river"}'))


class Paint(Echo):
    """Costs four credits."""

    name = "paint"
    description = "Paint the text."
    price_credits = 4


class SlowPaint(Paint):
    """Never answers; `begins` happens when it is called."""

    def __init__(self, begins: Callable[[ToolContext], None]) -> None:
        super().__init__()
        self._begins = begins

    def run(self, context: ToolContext, arguments: EchoInput) -> ToolResponse:
        self._begins(context)
        raise _NeverEnds


class _NeverEnds(BaseException):
    """Stands for a thread that is still busy."""


class StuckWorkers(InlineWorkers):
    """Whose tools may stay busy for ever."""

    def start(self, name: str, job: Callable[[], None]) -> None:
        try:
            job()
        except _NeverEnds:
            return


def credits(parley: Parley) -> Credits:
    return Credits(parley.database, parley.clock)


def start(parley: Parley, tool: Any, granted: int = 10) -> tuple[Session, Task]:
    if granted:
        credits(parley).grant("ada", granted, "g")
    parley.with_tools(tool)
    parley.scripted(PAINT, says("Done"))
    session = parley.new_session()
    return session, parley.send(session).task


def run(parley: Parley, tool: Any, granted: int = 10) -> tuple[Session, Task]:
    session, task = start(parley, tool, granted)
    parley.drain_queue()
    return session, check_over(parley, session, task.id)


def test_a_call_that_brings_something_is_charged(parley: Parley) -> None:
    """Its price, once."""
    _, task = run(parley, Paint())
    assert task.status == "completed"
    assert credits(parley).balance("ada") == 6


@pytest.mark.parametrize("granted", [0, 3])
def test_a_call_that_can_not_be_paid_does_not_start(parley: Parley, granted: int) -> None:
    """The model hears of it and tells the user."""
    paint = Paint()
    session, _ = run(parley, paint, granted)
    assert paint.calls == []
    assert '"insufficient_credits"' in parley.transcript(session)[2].content
    assert credits(parley).balance("ada") == granted


def test_a_call_that_fails_is_free(parley: Parley) -> None:
    """Charged after success."""

    def fail(_: ToolContext, __: str) -> None:
        raise ToolError("No paint")

    run(parley, Paint(fail))
    assert credits(parley).balance("ada") == 10


def test_a_dry_run_is_free(parley: Parley) -> None:
    """And needs no balance."""
    paint = Paint()
    session, task = start(parley, paint, granted=0)
    parley.database.write(Put(replace(parley.task(task.id), dry_run=True).to_item()))
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    assert paint.calls == ["a river"]
    assert parley.database.get({"pk": "CREDITS#ada", "sk": "BALANCE"}) is None


def test_a_balance_that_is_drained_meanwhile_is_a_leak_and_the_output_is_given(parley: Parley) -> None:
    """Somebody else's call was quicker."""

    def drain(_: ToolContext, __: str) -> None:
        credits(parley).charge("ada", "other", 8, "other")

    with logged() as log:
        session, _ = run(parley, Paint(drain))
    assert log.one("credits.leaked")["credits"] == 4
    assert '"a river"' in parley.transcript(session)[2].content
    assert credits(parley).balance("ada") == 2


@pytest.mark.parametrize("has_output", [True, False])
def test_the_cap_charges_what_has_brought_something_and_is_told(parley: Parley, has_output: bool) -> None:
    """Once, if an output existed; the event names the tool, its block and its arguments' names."""

    def begin(context: ToolContext) -> None:
        context.progress.block, context.progress.block_id = "Painter", "b1"
        context.progress.output_exists = has_output

    parley.engine = replace(parley.engine, workers=StuckWorkers(parley.clock))
    with logged() as log:
        session, _ = run(parley, SlowPaint(begin))
    assert '"tool_timeout"' in parley.transcript(session)[2].content
    assert credits(parley).balance("ada") == (6 if has_output else 10)
    told = log.one("copilot_tool_timeout")
    assert {name: told[name] for name in ("tool", "block", "block_id", "input_keys", "user", "session", "cap_s")} == {
        "tool": "paint",
        "block": "Painter",
        "block_id": "b1",
        "input_keys": ["text"],
        "user": "ada",
        "session": session.id,
        "cap_s": 300,
    }


@pytest.mark.parametrize("has_output", [True, False])
def test_a_stop_charges_what_has_brought_something(parley: Parley, has_output: bool) -> None:
    """Once."""

    def begin(context: ToolContext) -> None:
        context.progress.output_exists = has_output
        request_cancel(parley.database, context.task_id)

    parley.engine = replace(parley.engine, workers=StuckWorkers(parley.clock))
    _, task = run(parley, SlowPaint(begin))
    assert task.status == "cancelled"
    assert credits(parley).balance("ada") == (6 if has_output else 10)


def test_what_is_called_and_said_is_counted(parley: Parley) -> None:
    """The events of the product's owners: lengths and names, no words."""
    with logged() as log:
        session, task = run(parley, Paint())
    sent, called = log.one("copilot_message_sent"), log.one("copilot_tool_called")
    assert (sent["message_length"], sent["session_id"]) == (5, session.id)
    assert (called["tool_name"], called["tool_call_id"], called["task_id"]) == ("paint", "c1", task.id)
