"""The examples of docs/protocol.md and of the README, extracted and run exactly as printed."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.examples import Example, examples_in
from tests.support.server import LiveParley

pytestmark = pytest.mark.clients

PAGE = "docs/protocol.md"
EXAMPLES = {example.name: example for example in examples_in(PAGE)}
ANSWER = "I have thought."
PRINTS: Mapping[str, str] = {
    "default": rf"thought: Hm, let me see\.\nanswer: {ANSWER}\nstatus: ready stop\n",
    "workflow": r"answer: I look both up\. \n(tool: tool-echo output-available\n){2}answer: .*that is the whole verdict\.\n",
    "websocket": rf"answer: {ANSWER}\nresumed: {ANSWER}\n",
    "eventsource": r"0 start \n1 start-step \n2 reasoning-start \n(\d+ .*\n)+\d+ finish \n",
    "fetch": rf"{ANSWER}\nfinished: stop\n",
    "ws": rf"end\nanswer: {ANSWER}\n",
    "curl": r'data: {"type":"start".*\n(data: {.*\n)+data: {"type":"finish","finishReason":"stop"}\ncompleted\n',
    "stop": r'pending\n1\ncancelled\ndata: {.*"status":"cancelled".*\n',
}
"""What each example must print, whole."""


def environment(live: LiveParley) -> dict[str, str]:
    return {"PARLEY_URL": live.http.url, "PARLEY_TOKEN": live.token()}


def test_every_program_on_the_page_is_run() -> None:
    """A block of code without a marker, or one that this test doesn't know, is a promise that nobody keeps."""
    unmarked = [example.code for example in examples_in(PAGE) if example.name is None]
    assert not unmarked, f"mark them as ```js example=name: {unmarked}"
    assert EXAMPLES.keys() == PRINTS.keys(), "say in PRINTS what each example prints"


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs_as_printed(live: LiveParley, tmp_path: Path, name: str) -> None:
    """With nothing but the address and a token it prints what it should, and ends."""
    printed = EXAMPLES[name].run(tmp_path, **environment(live))

    assert re.fullmatch(PRINTS[name], printed), printed


def test_the_plain_example_stays_with_a_turn_that_is_longer_than_a_segment(live: LiveParley, tmp_path: Path) -> None:
    """A send is held for 20 s; the example then resumes, and shows the whole answer."""
    printed = EXAMPLES["default"].run(tmp_path, "talk for half a minute", **environment(live))

    assert re.fullmatch(r"answer: (Word after word, ){25}\nstatus: ready stop\n", printed), printed


def test_the_readme_s_way_without_a_browser(live: LiveParley, tmp_path: Path) -> None:
    """It finds the address and a token in .local/region.json, which `make run` writes."""
    (tmp_path / ".local").mkdir()
    description = {"http_url": live.http.url, "tokens": {"ada": live.token()}}
    (tmp_path / ".local" / "region.json").write_text(json.dumps(description))
    (block,) = [example for example in examples_in("README.md") if "region.json" in example.code]

    printed = Example(block.page, "bash", "README", block.code).run(tmp_path)

    assert '"finishReason":"stop"' in printed
    assert printed.endswith("data: [DONE]\n\n")
