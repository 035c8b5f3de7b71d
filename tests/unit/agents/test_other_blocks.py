"""The edges of the blocks that stay at home."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from shared.agents.blocks.library.condition import holds
from shared.kernel.errors import ToolError
from shared.tasks.records import Spend
from shared.tasks.run_state import MadeCall
from shared.tasks.wait import Wait
from tests.support.blocks import NOON, Bench, answered, block_named

SCHEMA = {"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]}
ASKED = {"prompt": "When?", "answer_schema": SCHEMA}


@pytest.mark.parametrize(
    ("left", "operator", "right", "wanted"),
    [
        (7, "==", "7.0", True),
        ("7", "!=", 7, False),
        ("a", "==", 1, False),
        (True, "==", 1, False),
        ([1], "==", [1], True),
        ("10", "<", "9", True),
        (10, "<", "9", False),
        ("b", ">=", "a", True),
        ("river", "contains", "ive", True),
        (["a"], "contains", "a", True),
        ({"a": 1}, "contains", "a", True),
        ({"a": 1}, "contains", 1, False),
        ("river", "starts_with", "ri", True),
        ("river", "ends_with", "ri", False),
        ([], "is_empty", None, True),
        (0, "is_empty", None, False),
        (None, "is_empty", None, True),
    ],
)
def test_comparisons(left: Any, operator: Any, right: Any, wanted: bool) -> None:
    """A number and a text that is one are compared as numbers; nothing else changes its kind."""
    assert holds(left, operator, right) is wanted


@pytest.mark.parametrize(
    ("left", "operator", "right"), [(1, "<", "x"), ([1], "<", [2]), (None, ">", 1), (True, "<", 2), (5, "contains", 5)]
)
def test_what_can_not_be_compared_is_an_error(left: Any, operator: Any, right: Any) -> None:
    """Not a no."""
    with pytest.raises(ToolError) as caught:
        holds(left, operator, right)
    assert caught.value.code == "not_comparable"


def test_a_value_that_was_given_is_emitted_even_if_it_is_null(bench: Bench) -> None:
    """Null is a value; unset is none."""
    outputs = bench.run("Condition", {"left": 1, "right": 1, "yes_value": None})
    assert outputs == {"result": [True], "yes": [None]}


def test_a_loop_has_bounds() -> None:
    """A thousand rounds."""
    model = block_named("Loop over a list").input_model
    model.model_validate({"items": list(range(1_000))})
    with pytest.raises(ValidationError):
        model.model_validate({"items": list(range(1_001))})
    assert [block.name for block in map(block_named, ["Loop over a list"]) if block.is_loop]


def test_waiting_costs_nothing_and_ends_once(bench: Bench) -> None:
    """It answers with the time until which nobody need work; whoever knocks earlier waits on."""
    wait = bench.start("Wait", {"seconds": 90})
    assert wait == Wait((), int((NOON + 90) * 1000), note={"until": int((NOON + 90) * 1000)})
    block = block_named("Wait")
    inputs = block.input_model.model_validate({"seconds": 90})
    bench.clock.advance(89)
    assert block.resume(bench.context(), inputs, wait.note) == wait
    bench.clock.advance(1)
    assert not isinstance(block.resume(bench.context(), inputs, wait.note), Wait)


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"seconds": 1, "until": "2025-07-18T12:00:00Z"},
        {"seconds": -1},
        {"seconds": 2_592_001},
        {"until": "2025-07-18T12:00"},
    ],
)
def test_a_wait_needs_one_clear_time(inputs: dict[str, Any]) -> None:
    """A time without an offset isn't one."""
    with pytest.raises(ValidationError):
        block_named("Wait").input_model.model_validate(inputs)


def test_a_wait_is_not_for_ever(bench: Bench) -> None:
    """Thirty days at most."""
    assert bench.fails("Wait", {"until": "2026-07-18T12:00:00Z"}) == "wait_too_long"


def test_a_time_long_ago_is_not_waited_for(bench: Bench) -> None:
    """Also one before all clocks."""
    assert bench.run("Wait", {"until": "0001-01-01T00:00:00+14:00", "value": 1})["value"] == [1]


def test_the_time_of_nowhere(bench: Bench) -> None:
    """A zone that doesn't exist is an error."""
    assert bench.fails("Current time", {"timezone": "Mars/Olympus"}) == "unknown_timezone"


def test_a_model_that_misses_the_form_is_told_and_asked_once_more(bench: Bench) -> None:
    """With what was wrong; the second answer is the last."""
    bench.model.says = ['{"year": "1815"}', '{"year": 1815}']
    assert bench.run("Ask a model for data", ASKED) == {"answer": [{"year": 1815}]}
    first, second = bench.model.asked
    assert json.dumps(SCHEMA) in first.system
    assert "$.year must be integer" in second.text

    bench.model.says = ["I think it was 1815.", "Sorry: 1815."]
    assert bench.fails("Ask a model for data", ASKED) == "answer_invalid"
    assert len(bench.model.asked) == 4


def test_a_schema_that_can_not_be_used_is_not_sent(bench: Bench) -> None:
    """Nothing is spent on it."""
    wrong = {**ASKED, "answer_schema": {"$ref": "https://example.com/schema"}}
    assert bench.fails("Ask a model for data", wrong) == "schema_invalid"
    large = {**ASKED, "answer_schema": {"enum": ["x" * 20_001]}}
    assert bench.fails("Ask a model for data", large) == "schema_invalid"
    assert bench.model.asked == []


def test_a_dry_run_shows_the_form(bench: Bench) -> None:
    """So that what follows has something to work on."""
    bench.dry_run = True
    assert bench.run("Ask a model for data", ASKED) == {"answer": [{"year": 0}]}


def test_a_model_that_is_not_there_is_an_error(bench: Bench) -> None:
    """With its own code."""
    assert bench.fails("Ask a model", {"prompt": "Hello"}) == "model_unavailable"


def test_a_file_is_stored_once_for_each_execution(bench: Bench) -> None:
    """A repetition after a kill changes nothing more; another execution does."""
    bench.run("Store a file", {"path": "a.txt", "content": "one"}, "first")
    bench.run("Store a file", {"path": "a.txt", "content": "two"}, "first")
    assert bench.run("Read a file", {"path": "a.txt"})["content"] == ["one"]
    bench.run("Store a file", {"path": "a.txt", "content": {"two": 2}}, "second")
    assert bench.run("Read a file", {"path": "a.txt", "as_json": True})["content"] == [{"two": 2}]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"path": "../a", "content": ""}, "path_invalid"),
        ({"path": "/etc/passwd", "content": ""}, "path_invalid"),
        ({"path": "tool-outputs/a", "content": ""}, "path_invalid"),
        ({"path": "a", "content": "x" * 1_000_001}, "content_too_large"),
        ({"path": "a", "content": "\ud800"}, "content_invalid"),
        ({"path": "there.txt", "content": "", "overwrite": False}, "file_exists"),
    ],
)
def test_what_can_not_be_stored(bench: Bench, inputs: dict[str, Any], code: str) -> None:
    """The rules of the workspace hold."""
    bench.desk.write("there.txt")
    assert bench.fails("Store a file", inputs) == code


def test_what_can_not_be_read(bench: Bench) -> None:
    """What isn't there, isn't this session's, isn't text, or isn't JSON."""
    bench.desk.write("bytes", None, content_base64="/w==")
    bench.desk.write("theirs", "secret", bench.desk.call("bob", "S2"))
    bench.desk.write("words.json", "words")
    assert bench.fails("Read a file", {"path": "none"}) == "file_not_found"
    assert bench.fails("Read a file", {"path": "theirs"}) == "file_not_found"
    assert bench.fails("Read a file", {"path": "bytes"}) == "unsupported_content"
    assert bench.fails("Read a file", {"path": "words.json", "as_json": True}) == "invalid_json"


def test_autopilot_tells_what_was_done(bench: Bench) -> None:
    """Its response, the calls that it made, and what it used."""
    made = MadeCall("c1", "web_fetch", "{}", "a page", False)
    bench.sub_sessions = answered("Done", tool_calls=(made,), spend=Spend(prompt_tokens=7, completion_tokens=3))
    outputs = bench.run("AutoPilot", {"prompt": "Fetch it", "system_context": "Be brief"})

    assert outputs["response"] == ["Done"]
    assert [call["tool_name"] for call in outputs["tool_calls"][0]] == ["web_fetch"]
    assert outputs["token_usage"] == [{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}]
    assert [asked.prompt for asked in bench.sub_sessions.begun] == ["Fetch it"]


def test_autopilot_waits_for_the_end_of_the_turn(bench: Bench) -> None:
    """At no cost, and not longer than a turn may take."""
    bench.sub_sessions = answered(status="running", awaits="sub-task")
    wait = bench.start("AutoPilot", {"prompt": "Fetch it"})
    assert wait.on == ("TASK#sub-task",)
    assert wait.until == int((NOON + 6 * 3_600) * 1000)
    assert bench.fails("AutoPilot", {"prompt": "Fetch it"}) == "sub_session_timeout"


@pytest.mark.parametrize(("status", "code"), [("error", "sub_session_failed"), ("cancelled", "sub_session_cancelled")])
def test_autopilot_without_an_answer_is_an_error(bench: Bench, status: Any, code: str) -> None:
    """With the reason."""
    bench.sub_sessions = answered(status=status, error="It broke.")
    assert bench.fails("AutoPilot", {"prompt": "Fetch it"}) == code
