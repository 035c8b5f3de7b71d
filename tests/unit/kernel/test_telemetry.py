"""Log lines and metrics: their form, and that they harm nobody."""

import json
import logging
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from shared.kernel import telemetry
from shared.kernel.events import Event
from shared.kernel.metrics import NAMES, Metrics
from shared.kernel.telemetry import count, flush_metrics, log_event, log_failure, measure_seconds, observed
from shared.kernel.telemetry import reporting_failures as reporting
from tests.support.logs import logged, metrics_in

ROOT = Path(__file__).parents[3]


def test_an_event_is_one_line_with_its_ids() -> None:
    """It has the event's name, the fields that are there, and nothing of the logging call."""
    with logged() as log:
        log_event("turn.accepted", session_id="s", task_id="t", user_id="ada", seconds=None)
    (entry,) = log.entries
    assert (entry["event"], entry["level"], entry["session_id"], entry["task_id"]) == (
        "turn.accepted",
        "INFO",
        "s",
        "t",
    )
    assert not {"seconds", "location"} & entry.keys()


def test_a_failure_is_logged_without_its_words() -> None:
    """An exception's text may quote what a user wrote, so the line has its type and place."""
    with logged() as log:
        try:
            int("the user's secret")
        except ValueError as error:
            log_failure("frame.failed", error, user_id="ada")
    (line,) = log.lines
    entry = json.loads(line)
    assert (entry["level"], entry["error"], entry["user_id"]) == ("ERROR", "ValueError", "ada")
    assert "kernel/test_telemetry.py" in entry["where"][-1]
    assert "secret" not in line.replace("test_a_failure_is_logged_without_its_words", "")


class _Broken:
    """A log that can't be written to."""

    def write(self, _: str) -> int:
        raise OSError("No space left on device")

    def flush(self) -> None:
        raise OSError("No space left on device")


class _Unwritable(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no log today")


def test_nothing_that_goes_wrong_here_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that raises, a field that logging reserves, a metric that can't be written: all are swallowed."""
    handler = _Unwritable()
    telemetry.logger.addHandler(handler)
    try:
        log_event("turn.accepted", task_id="t")
        log_event("turn.accepted", message="reserved by logging")  # type: ignore[call-arg]
    finally:
        logging.getLogger(telemetry.logger.name).removeHandler(handler)
    monkeypatch.setattr(sys, "stdout", _Broken())
    count("TurnAccepted")
    measure_seconds("QueueWait", "long")  # type: ignore[arg-type]
    flush_metrics()


def test_an_invocation_is_one_line_of_metrics(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts are added up, durations are kept one by one, under the stage and no other dimension."""
    monkeypatch.setenv("STAGE", "test")
    flush_metrics()
    capsys.readouterr()

    @observed
    def handler(_event: dict[str, Any], _context: Any) -> str:
        count("FramesPosted", 3)
        count("FramesPosted")
        measure_seconds("ToolSeconds", 0.25)
        measure_seconds("ToolSeconds", 1.5)
        return "done"

    assert handler({}, SimpleNamespace(aws_request_id="r1")) == "done"
    (line,) = capsys.readouterr().out.splitlines()
    blob = json.loads(line)
    (directive,) = blob["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"], blob["Stage"]) == ("Parley", [["Stage"]], "test")
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "FramesPosted": "Count",
        "ToolSeconds": "Seconds",
    }
    assert (blob["FramesPosted"], blob["ToolSeconds"]) == (4, [0.25, 1.5])
    flush_metrics()
    assert capsys.readouterr().out == ""


def test_metrics_leave_when_the_handler_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """An invocation that ends with an exception has counted as well."""

    @observed
    def handler(_event: dict[str, Any], _context: Any) -> None:
        count("TaskResent")
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        handler({}, None)
    assert metrics_in(capsys.readouterr().out)["TaskResent"] == 1


def test_a_log_line_names_its_invocation() -> None:
    """So that it can be found beside Lambda's own REPORT line."""

    @observed
    def handler(_event: dict[str, Any], _context: Any) -> None:
        log_event("sweep.done", timers=0)

    with logged() as log:
        handler({}, SimpleNamespace(aws_request_id="r1"))
    assert log.one("sweep.done")["invocation"] == "r1"
    telemetry.logger.remove_keys(["invocation"])


def test_a_message_that_fails_is_told_and_still_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """The batch takes the exception in, so that Lambda counts no error: we do."""

    def handle(_record: Any) -> None:
        raise ValueError("what the user wrote")

    with logged() as log, pytest.raises(ValueError, match="wrote"):
        reporting(handle)(record=SimpleNamespace(message_id="q1"))  # type: ignore[call-arg]
    entry = log.one("message.failed")
    assert (entry["error"], entry["queue_message_id"]) == ("ValueError", "q1")
    assert "wrote" not in log.lines[0]
    flush_metrics()
    assert metrics_in(capsys.readouterr().out)["WorkFailed"] == 1


def test_metrics_are_counted_in_all_threads() -> None:
    """Posts to sockets run beside the turn."""
    lines: list[str] = []
    metrics = Metrics(lines.append)

    def post() -> None:
        for _ in range(500):
            metrics.add("FramesPosted", 1)

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.flush()
    assert metrics_in("\n".join(lines)) == {"FramesPosted": 4000}


def test_a_line_holds_a_hundred_values_of_a_metric() -> None:
    """CloudWatch takes no more of one line."""
    lines: list[str] = []
    metrics = Metrics(lines.append)
    for _ in range(250):
        metrics.measure("ToolSeconds", 0.5)
    metrics.flush()
    assert [len(json.loads(line)["ToolSeconds"]) for line in lines] == [100, 100, 50]


def _source() -> str:
    return "\n".join(path.read_text() for top in ("src", "functions") for path in (ROOT / top).rglob("*.py"))


def _told_in(page: str) -> set[str]:
    """The names in the first column of a page's tables."""
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("name", [*get_args(Event), *sorted(NAMES)])
def test_each_word_of_the_vocabulary_is_used_and_explained(name: str) -> None:
    """It occurs in the code, besides its definition, and has its row in docs/operating.md."""
    assert _source().count(f'"{name}"') > 1
    assert name in _told_in("operating.md")
