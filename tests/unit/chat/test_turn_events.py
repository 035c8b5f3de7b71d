"""What a turn says in the logs and the metrics: each change of state, with its ids, and nothing that was said."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.chat.accept import Requester
from shared.kernel.errors import ToolError
from shared.kernel.settings import ModelPrice
from shared.kernel.telemetry import flush_metrics
from shared.tools.contract import ToolContext
from tests.support.logs import Logged, logged, metrics_in
from tests.support.model import calls, fails, says, thinks
from tests.support.region import Parley
from tests.support.tools import Echo

SECRETS = ("pumpernickel", "xylophone", "marzipan", "zeppelin", "quicksand")
"""What the user says, the model thinks and calls a tool with, the tool fails with, the model answers."""


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Logged]:
    """The lines of the test; what earlier tests have counted is gone."""
    flush_metrics()
    capsys.readouterr()
    with logged() as lines:
        yield lines


def measured(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    flush_metrics()
    return metrics_in(capsys.readouterr().out)


def _full_turn(parley: Parley) -> str:
    """A watched turn with a failed attempt, two calls of which one fails, and an answer; its task."""

    def act(_: ToolContext, text: str) -> None:
        if text == "xylophone-2":
            raise ToolError("There is no marzipan", code="no_such_thing")

    parley.with_tools(Echo(act))
    parley.engine = replace(parley.engine, prices={"scripted": ModelPrice(input=2, output=10)})
    two = calls(("c1", "echo", '{"text": "xylophone-1"}'), ("c2", "echo", '{"text": "xylophone-2"}'), tokens=(100, 20))
    parley.scripted(
        fails("model_unavailable"), [*thinks("quicksand"), 2.0, *two], [1.0, *says("zeppelin", tokens=(200, 30))]
    )
    session = parley.new_session()
    accepted = parley.send(session, "pumpernickel", requester=Requester("conn", "r1"))
    parley.clock.advance(3)
    parley.drain_queue()
    return accepted.task.id


def test_a_full_turn_logs_its_changes_of_state_in_order(parley: Parley, log: Logged) -> None:
    """From the session to the end, exactly these."""
    _full_turn(parley)
    assert log.events == [
        "session.created",
        "turn.accepted",
        "viewer.registered",
        "copilot_message_sent",
        "turn.leased",
        "model.failed",
        "model.answered",
        "step.stored",
        "tool.started",
        "copilot_tool_called",
        "tool.started",
        "copilot_tool_called",
        "tool.finished",
        "tool.finished",
        "model.answered",
        "turn.completed",
    ]


def test_each_line_of_a_turn_names_session_task_and_user(parley: Parley, log: Logged) -> None:
    """The three ids are on every line about a task."""
    task = parley.task(_full_turn(parley))
    wanted = {"session_id": task.session_id, "task_id": task.id, "user_id": "ada"}
    assert log.entries[0].items() >= {"session_id": task.session_id, "user_id": "ada"}.items()
    for entry in log.entries[1:]:
        assert entry.items() >= wanted.items(), entry


def test_lines_say_how_it_went(parley: Parley, log: Logged) -> None:
    """Durations, outcomes, tokens and money are there to be searched for."""
    _full_turn(parley)
    first, second = [entry for entry in log.entries if entry["event"] == "tool.finished"]
    assert [(e["tool"], e["tool_call_id"], e["outcome"]) for e in (first, second)] == [
        ("echo", "c1", "ok"),
        ("echo", "c2", "no_such_thing"),
    ]
    answered = [entry for entry in log.entries if entry["event"] == "model.answered"]
    assert [(e["seconds"], e["prompt_tokens"], e["attempt"]) for e in answered] == [(2.0, 100, 2), (1.0, 200, 1)]
    end = log.one("turn.completed")
    assert (end["steps"], end["tool_calls"], end["prompt_tokens"], end["completion_tokens"]) == (2, 2, 300, 50)
    assert end["cost_micros"] == 300 * 2 + 50 * 10
    assert log.one("model.failed")["code"] == "model_unavailable"


def test_nothing_that_was_said_is_logged(parley: Parley, log: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """No message, thought, argument, result, error text or answer; no ticket."""
    ticket = parley.ticket()
    _full_turn(parley)
    flush_metrics()
    everything = "\n".join(log.lines) + capsys.readouterr().out
    assert log.one("ticket.issued")["user_id"] == "ada"
    for secret in (*SECRETS, ticket):
        assert secret not in everything


def test_a_name_that_a_model_makes_up_is_not_logged(parley: Parley, log: Logged) -> None:
    """It may be anything; the outcome says that there is no such tool."""
    parley.with_tools(Echo())
    parley.scripted(calls(("c1", "pumpernickel", "{}")), says("Sorry"))
    parley.send(parley.new_session())
    parley.drain_queue()
    entry = log.one("tool.finished")
    assert entry["outcome"] == "unknown_tool"
    assert "tool" not in entry
    assert "pumpernickel" not in "\n".join(log.lines)


def test_a_bug_in_a_tool_is_logged_without_its_words(parley: Parley, log: Logged) -> None:
    """The exception's text may quote the arguments."""

    def act(_: ToolContext, text: str) -> None:
        raise ValueError(f"can't parse {text}")

    parley.with_tools(Echo(act))
    parley.scripted(calls(("c1", "echo", '{"text": "xylophone"}')), says("Sorry"))
    parley.send(parley.new_session())
    parley.drain_queue()
    assert log.one("tool.raised")["error"] == "ValueError"
    assert "xylophone" not in "\n".join(log.lines)


def test_a_turn_is_measured(parley: Parley, log: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """How long the user waited, what was done, what failed and what it cost."""
    task_id = _full_turn(parley)
    numbers = measured(capsys)
    assert {
        name: numbers[name] for name in ("TurnAccepted", "TurnCompleted", "Steps", "ModelErrors", "ToolErrors")
    } == {
        "TurnAccepted": 1,
        "TurnCompleted": 1,
        "Steps": 2,
        "ModelErrors": 1,
        "ToolErrors": 1,
    }
    assert (numbers["PromptTokens"], numbers["CompletionTokens"], numbers["SpendMicros"]) == (300, 50, 1100)
    assert numbers["ChunkRows"] == len(list(parley.services.log.rows(task_id)))
    assert numbers["QueueWait"] == [3.0]
    # 3 s in the queue, 0.5 s until the second attempt, whose thought was stored at once.
    assert numbers["TimeToFirstPart"] == [3.5]
    assert numbers["TurnSeconds"] == [6.5]
    assert numbers["ModelSeconds"] == [0.0, 2.0, 1.0]
    assert len(numbers["ToolSeconds"]) == 2


class _Full:
    """A disk without room."""

    def write(self, _: str) -> int:
        raise OSError("No space left on device")

    def flush(self) -> None:
        raise OSError("No space left on device")


def test_a_turn_does_not_need_its_log(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no line and no metric written, it runs to the same end."""
    from shared.kernel import telemetry

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no log today")

    monkeypatch.setattr(telemetry.logger, "info", refuse)
    monkeypatch.setattr(telemetry.logger, "warning", refuse)
    monkeypatch.setattr(sys, "stdout", _Full())
    task = parley.task(_full_turn(parley))
    assert task.status == "completed"
    assert parley.sockets.of("conn", "r1").text == "zeppelin"


def test_a_message_that_waits_and_the_turn_that_it_becomes(parley: Parley, log: Logged) -> None:
    """What arrives between the steps is drained into the turn; what arrives at the end is the next turn."""
    session = parley.new_session()
    parley.scripted([1.0, lambda: parley.send(session, "And this?", "m2") and None, *says("One")], says("Two"))
    parley.send(session, "This")
    parley.drain_queue()
    assert log.events == [
        "session.created",
        "turn.accepted",
        "copilot_message_sent",
        "turn.leased",
        "message.pending",
        "copilot_message_sent",
        "model.answered",
        "turn.completed",
        "turn.accepted",
        "turn.leased",
        "model.answered",
        "turn.completed",
    ]
    first, second = [entry["task_id"] for entry in log.entries if entry["event"] == "turn.accepted"]
    assert first != second


def test_a_worker_that_hands_on_and_one_that_takes_over(parley: Parley, log: Logged) -> None:
    """A continuation is leased again; only after the sweep has sent it again is it a takeover."""
    session = parley.new_session()
    parley.scripted(says("Done"))
    task = parley.send(session).task
    parley.work(task.id, seconds=10)
    assert log.events[-2:] == ["turn.leased", "turn.continued"]

    lease, _ = parley.services.leases.take(task.id, "dies") or (None, None)
    assert lease is not None
    parley.clock.advance(120)
    parley.sweep()
    assert log.one("task.resent")["takeovers"] == 1
    parley.drain_queue()
    taken = log.one("turn.taken_over")
    assert (taken["epoch"], taken["takeovers"], taken["status"]) == (3, 1, "running")
    assert "turn.completed" in log.events


def test_the_sweep_is_measured(parley: Parley, log: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """How late it looked at what was due."""
    parley.send(parley.new_session())
    parley.clock.advance(200)
    parley.sweep()
    numbers = measured(capsys)
    assert numbers["TaskResent"] == 1
    assert 100 < numbers["SweepLag"][0] < 200


def test_a_task_that_kills_its_workers(parley: Parley, log: Logged) -> None:
    """It is given up as lost, which fails the turn."""
    task = parley.send(parley.new_session()).task
    for number in range(6):
        parley.services.leases.take(task.id, f"dies-{number}")
        parley.clock.advance(120)
        parley.sweep()
    assert log.one("task.worker_lost").items() >= {**task.ids, "takeovers": 5}.items()
    assert log.one("turn.failed")["code"] == "worker_lost"


def test_a_stop(parley: Parley, log: Logged) -> None:
    """Who asked for it, and how it was obeyed."""
    from shared.chat.cancel import cancel_turn

    session = parley.new_session()
    parley.send(session)
    cancel_turn(parley.services, "ada", session.id)
    assert log.events[-2:] == ["turn.cancel_requested", "turn.cancelled"]
    assert log.entries[-1]["reason"] == "dequeued"


def test_lines_are_small(parley: Parley, log: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """A turn with two calls logs less than 8 KB, metrics included: $0.004 for a thousand turns."""
    _full_turn(parley)
    flush_metrics()
    blobs = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert sum(len(line.encode()) for line in [*log.lines, *blobs]) < 8_000
    assert all(json.loads(line) for line in log.lines)
