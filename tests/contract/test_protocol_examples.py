"""The examples of docs/protocol.md and of the README, extracted and run exactly as printed."""

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.api_client import ApiClient
from tests.support.examples import Example, examples_in
from tests.support.server import SECRET, LiveParley
from tests.support.waiting import eventually

pytestmark = pytest.mark.clients

PAGE = "docs/protocol.md"
SEND_HOLD_SECONDS = 20
EXAMPLES = {example.name: example for example in examples_in(PAGE)}
ANSWER = "I have thought."
PRINTS: Mapping[str, str] = {
    "default": rf"thought: Hm, let me see\.\nanswer: {ANSWER}\nstatus: ready\n",
    "approval": (
        r'asked: tool-send_mail {"text":"Dear Bob"}\n'
        r"answer: I write it\. \nanswer: That is settled\.\nended: tool-calls, stop\n"
    ),
    "workflow": r"answer: I look both up\. \n(tool: tool-echo output-available\n){2}answer: .* the whole verdict\.\n",
    "websocket": rf"answer: {ANSWER}\nresumed: {ANSWER}\n",
    "eventsource": r"0 start \n1 start-step \n2 reasoning-start \n(\d+ .*\n)+\d+ finish \n",
    "fetch": rf"{ANSWER}\nfinished: stop\n",
    "ws": rf"end\nanswer: {ANSWER}\n",
    "curl": r'data: {"type":"start".*\n(data: {.*\n)+data: {"type":"finish","finishReason":"stop"}\ncompleted\n',
    "stop": r'pending\n1\ncancelled\ndata: {.*"status":"cancelled".*\n',
}
"""What each example must print, whole."""


def environment(live: LiveParley) -> dict[str, Any]:
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
    with ThreadPoolExecutor(1) as background:
        run = background.submit(EXAMPLES["default"].run, tmp_path, "take your time", **environment(live))
        eventually(lambda: has_begun(live), "the answer has begun")
        with live.clock.set_forward(SEND_HOLD_SECONDS + 1):
            printed = run.result()

    assert re.fullmatch(r"answer: (Step by step\. ){50}\nstatus: ready\n", printed), printed


def has_begun(live: LiveParley) -> bool:
    return any(part["type"] == "text-delta" for task in live.workers.working for part in live.services.log.parts(task))


def test_the_readme_s_way_without_a_browser(live: LiveParley, tmp_path: Path) -> None:
    """It finds the address and a token in .local/region.json, as `make run` writes it."""
    (tmp_path / ".local").mkdir()
    description = {"http_url": live.http.url, "tokens": {"ada": live.token()}}
    (tmp_path / ".local" / "region.json").write_text(json.dumps(description))
    (block,) = [example for example in examples_in("README.md") if "region.json" in example.code]

    printed = Example(block.page, "bash", "README", block.code).run(tmp_path)

    assert '"finishReason":"stop"' in printed
    assert printed.endswith("data: [DONE]\n\n")


def test_the_examples_about_identity(live: LiveParley, api: ApiClient, tmp_path: Path) -> None:
    """Those of docs/identity.md, in their order: a token, a ticket, a guest, whose session is claimed, a profile."""
    given = environment(live)
    guest = api.http.post("/api/chat/guest-token").json()["token"]
    session = api.http.post("/api/chat/sessions", headers={"authorization": f"Bearer {guest}"}).json()["id"]
    given |= {"TOKEN": live.token(), "GUEST_TOKEN": guest, "SESSION": session, "PARLEY_SECRET": SECRET}

    printed = [example.run(tmp_path, **given) for example in examples_in("docs/identity.md")]

    assert [sorted(json.loads(line)) for text in printed[1:] for line in text.replace("}{", "}\n{").splitlines()] == [
        ["expires_in", "ticket", "url"],
        ["expires_in", "token", "user_id"],
        ["created_at", "id", "is_processing", "parent_session", "title", "updated_at"],
        ["instructions", "name", "timezone", "understanding", "updated_at"],
        ["instructions", "name", "timezone", "understanding", "updated_at"],
    ]
    assert jwt.decode(printed[0].strip(), SECRET, algorithms=["HS256"])["sub"] == "ada"
