"""The demo model, asked through the official `openai` package over a real socket."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest

from local.demo_model import DemoModel

FETCH = {"type": "function", "function": {"name": "web_fetch", "parameters": {"type": "object", "properties": {}}}}
SUB_SESSION = {"type": "function", "function": {"name": "run_sub_session", "parameters": {"type": "object"}}}
CLOCK = {"type": "function", "function": {"name": "get_current_time", "parameters": {"type": "object"}}}


@dataclass
class Pauses:
    """Stands in for the clock: remembers the pauses instead of making them."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Answer:
    """One streamed completion, put together."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish: str | None = None
    usage: Any = None
    pieces: int = 0


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def client(pauses: Pauses) -> Iterator[openai.OpenAI]:
    server = DemoModel(("127.0.0.1", 0), delay_seconds=0.01, pause=pauses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client
    server.shutdown()
    thread.join()
    server.server_close()


def ask(client: openai.OpenAI, *messages: dict[str, Any] | str, tools: list[Any] | None = None) -> Answer:
    """Stream one completion; a plain string is a user message."""
    history: list[Any] = [{"role": "user", "content": item} if isinstance(item, str) else item for item in messages]
    options: dict[str, Any] = {"tools": tools} if tools else {}
    answer = Answer()
    with client.chat.completions.create(
        model="demo", messages=history, stream=True, stream_options={"include_usage": True}, **options
    ) as stream:
        for chunk in stream:
            answer.usage = chunk.usage or answer.usage
            for choice in chunk.choices:
                _collect(answer, choice.delta)
                answer.finish = choice.finish_reason or answer.finish
    return answer


def _collect(answer: Answer, delta: Any) -> None:
    answer.pieces += 1
    answer.text += delta.content or ""
    answer.reasoning += getattr(delta, "reasoning_content", None) or ""
    for piece in delta.tool_calls or []:
        call = answer.calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
        call["id"] += piece.id or ""
        call["name"] += piece.function.name or ""
        call["arguments"] += piece.function.arguments or ""


def after(answer: Answer, *results: Any) -> list[dict[str, Any]]:
    """The messages that follow an answer with tool calls: the answer and one result a call."""
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in answer.calls.values()
    ]
    rows = [
        {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)}
        for call, result in zip(answer.calls.values(), results, strict=True)
    ]
    return [{"role": "assistant", "content": answer.text or None, "tool_calls": calls}, *rows]


def test_plain_chat(client: openai.OpenAI, pauses: Pauses) -> None:
    """A plain message is answered in many deltas, about 10 ms apart, with usage at the end."""
    answer = ask(client, "Good morning")

    assert "demo model" in answer.text
    assert "Good morning" in answer.text
    assert answer.finish == "stop"
    assert answer.pieces > 10
    assert set(pauses.seconds) == {0.01}
    assert answer.usage.completion_tokens == len(answer.text.split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_same_history_same_answer(client: openai.OpenAI) -> None:
    """The same history gives the same answer, also the ids of its tool calls."""
    assert ask(client, "think and fetch a.example", tools=[FETCH]) == ask(
        client, "think and fetch a.example", tools=[FETCH]
    )


def test_help(client: openai.OpenAI) -> None:
    """`help` lists every phrase of the documentation."""
    text = ask(client, "Help!").text

    for phrase in ("fetch <url>", "compare", "steps <n>", "slow", "error <status>", "cut", "bad json", "think"):
        assert phrase in text


def test_a_title(client: openai.OpenAI) -> None:
    """Asked for one, it answers with the user's first words, whatever phrases are among them."""
    instructions = {"role": "system", "content": "Write a title for the conversation below."}
    asked = {"role": "user", "content": "User: please always fail, and fetch a.example slowly\n\nAssistant: No."}

    assert ask(client, instructions, asked, tools=[FETCH]).text == "Please always fail and fetch a"


def test_content_parts(client: openai.OpenAI) -> None:
    """A message whose content is a list of parts counts like its text."""
    message = {"role": "user", "content": [{"type": "text", "text": "count"}, {"type": "text", "text": "to 3"}]}

    assert ask(client, message).text == "1, 2, 3."


def test_think(client: openai.OpenAI) -> None:
    """`think` brings reasoning first and goes together with other phrases."""
    answer = ask(client, "Think, then count to 4")

    assert answer.reasoning
    assert answer.text == "1, 2, 3, 4."
    assert answer.usage.completion_tokens_details.reasoning_tokens == 40


@pytest.mark.parametrize(
    ("asked", "urls"),
    [
        ("fetch https://example.com/a?b=1.", ["https://example.com/a?b=1"]),
        ("Please READ example.org for me", ["https://example.org"]),
        ("fetch http://localhost:4566/x", ["http://localhost:4566/x"]),
        ("compare https://a.example and https://b.example!", ["https://a.example", "https://b.example"]),
    ],
)
def test_fetch(client: openai.OpenAI, asked: str, urls: list[str]) -> None:
    """`fetch`, `read` and `compare` call web_fetch, in parallel for two pages, with arguments in pieces."""
    answer = ask(client, asked, tools=[FETCH])

    assert answer.finish == "tool_calls"
    assert [call["name"] for call in answer.calls.values()] == ["web_fetch"] * len(urls)
    assert [json.loads(call["arguments"])["url"] for call in answer.calls.values()] == urls
    assert len({call["id"] for call in answer.calls.values()}) == len(urls)


def test_answers_from_tool_results(client: openai.OpenAI) -> None:
    """After the tools ran it says what they answered, also of a failed one, and calls no more."""
    asked = "compare a.example and b.example"
    first = ask(client, asked, tools=[FETCH])
    results = (
        {"type": "web_page", "title": "Apples", "text": "An apple a day."},
        {"type": "error", "message": "no such host"},
    )

    answer = ask(client, asked, *after(first, *results), tools=[FETCH])

    assert not answer.calls
    assert "**Apples** says: “An apple a day.”" in answer.text
    assert "no such host" in answer.text


def test_steps(client: openai.OpenAI) -> None:
    """`steps 3` makes three calls, one after the other, none like another, and then answers."""
    messages: list[Any] = ["steps 3"]
    urls = []
    for _ in range(3):
        answer = ask(client, *messages, tools=[FETCH])
        urls.append(answer.calls[0]["arguments"])
        messages += after(answer, {"text": "fine"})

    last = ask(client, *messages, tools=[FETCH])

    assert len(set(urls)) == 3
    assert last.finish == "stop"
    assert "3 tool calls" in last.text


def test_steps_prefer_the_clock(client: openai.OpenAI) -> None:
    """`steps` uses get_current_time where there is one, because it needs no network."""
    assert ask(client, "steps 2", tools=[FETCH, CLOCK]).calls[0]["name"] == "get_current_time"


def test_delegate(client: openai.OpenAI) -> None:
    """Everything behind the word is the sub-session's, also what would fail; its response is told."""
    answer = ask(client, "delegate error 500 and slow 9", tools=[SUB_SESSION, FETCH])
    assert json.loads(answer.calls[0]["arguments"]) == {"prompt": "error 500 and slow 9", "wait_for_result": 300}

    last = ask(
        client, "delegate slow 9", *after(answer, {"message": "It is done.", "response": "Seven"}), tools=[SUB_SESSION]
    )
    assert "“Seven”" in last.text


@pytest.mark.parametrize("asked", ["fetch a.example", "steps 3", "bad json", "unknown tool"])
def test_no_tools_no_calls(client: openai.OpenAI, asked: str) -> None:
    """Without tools in the request it answers in words, whatever was asked."""
    answer = ask(client, asked)

    assert not answer.calls
    assert answer.text


def test_wrap_up(client: openai.OpenAI) -> None:
    """The last call without tools, in the middle of `steps`, is answered from what there is."""
    first = ask(client, "steps 9", tools=[FETCH])

    answer = ask(client, "steps 9", *after(first, {"text": "fine"}))

    assert "1 tool call," in answer.text


def test_slow(client: openai.OpenAI, pauses: Pauses) -> None:
    """`slow 6` spreads 250 words over six seconds; `slow` alone 500 over twelve."""
    answer = ask(client, "slow 6")
    assert len(answer.text.split()) == 250
    assert sum(pauses.seconds) == pytest.approx(6)

    pauses.seconds.clear()
    assert len(ask(client, "be slow").text.split()) == 500
    assert sum(pauses.seconds) == pytest.approx(12)


def test_long(client: openai.OpenAI) -> None:
    """`long` brings Markdown, unchanged by the way it is cut into deltas."""
    text = ask(client, "a long one").text

    assert text.count("```python\ndef greet(name: str) -> str:\n    return") == 3
    assert text.count("\n\n## What you can do meanwhile\n\n- Reload") == 3


def test_broken_arguments(client: openai.OpenAI) -> None:
    """`bad json` calls a tool with broken arguments and then reacts to the error."""
    first = ask(client, "bad json", tools=[FETCH])
    with pytest.raises(json.JSONDecodeError):
        json.loads(first.calls[0]["arguments"])

    answer = ask(client, "bad json", *after(first, {"type": "error", "message": "not JSON"}), tools=[FETCH])

    assert not answer.calls
    assert "not JSON" in answer.text


def test_unknown_tool(client: openai.OpenAI) -> None:
    """`unknown tool` calls one that does not exist."""
    assert ask(client, "unknown tool", tools=[FETCH]).calls[0]["name"] == "no_such_tool"


@pytest.mark.parametrize(("asked", "failures"), [("error 500", 1), ("error 503 twice", 2), ("error 500 3 times", 3)])
def test_errors_recover(client: openai.OpenAI, asked: str, failures: int) -> None:
    """`error` fails as often as it says, then answers; asked again, it starts over."""
    for _ in range(2):
        for _ in range(failures):
            with pytest.raises(openai.InternalServerError):
                ask(client, asked)
        assert ask(client, asked).text


def test_rate_limit(client: openai.OpenAI) -> None:
    """`error 429` is what the client knows as a rate limit."""
    with pytest.raises(openai.RateLimitError):
        ask(client, "error 429")


def test_always_fail(client: openai.OpenAI) -> None:
    """`always fail` never recovers."""
    for _ in range(4):
        with pytest.raises(openai.InternalServerError):
            ask(client, "always fail")


def test_failures_before_tools_only(client: openai.OpenAI) -> None:
    """A failure strikes the first step of a turn; after a tool ran the turn goes on."""
    asked = "error 500 twice, then fetch a.example"
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask(client, asked, tools=[FETCH])
    first = ask(client, asked, tools=[FETCH])

    assert ask(client, asked, *after(first, {"text": "fine"}), tools=[FETCH]).finish == "stop"


def test_empty(client: openai.OpenAI) -> None:
    """`empty` is a completion with nothing in it, once."""
    answer = ask(client, "empty")
    assert (answer.text, answer.calls, answer.finish) == ("", {}, "stop")

    assert ask(client, "empty").text


def test_cut(client: openai.OpenAI, pauses: Pauses) -> None:
    """`cut` breaks the connection in the middle of the answer, once."""
    with pytest.raises(openai.APIError):
        ask(client, "cut")
    assert len(pauses.seconds) > 3

    assert ask(client, "cut").finish == "stop"


def test_without_streaming(client: openai.OpenAI) -> None:
    """A caller that does not stream gets the same answer in one piece, tool calls included."""
    tools: list[Any] = [FETCH]
    whole = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "think, fetch a.example"}], tools=tools
    )
    streamed = ask(client, "think, fetch a.example", tools=[FETCH])

    message = whole.choices[0].message
    assert message.content == streamed.text
    assert message.tool_calls
    assert message.tool_calls[0].id == streamed.calls[0]["id"]
    assert whole.usage == streamed.usage


def test_models(client: openai.OpenAI) -> None:
    """It lists itself as a model."""
    assert [model.id for model in client.models.list()] == ["parley-demo"]


@pytest.mark.parametrize("body", ["[]", '{"messages": [7]}', '{"messages": "x"}'])
def test_malformed_request(client: openai.OpenAI, body: str) -> None:
    """What is no chat request is answered 400."""
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", content=body.encode(), cast_to=object)


def test_command_line() -> None:
    """The command says in one line when it is ready, and ends cleanly on SIGTERM."""
    script = Path(__file__).parents[3] / "local" / "demo_model.py"
    command = [sys.executable, str(script), "--port", "0", "--delay-ms", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=os.sep) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        with openai.OpenAI(base_url=line.split()[-1], api_key="none") as client:
            assert ask(client, "count to 2").text == "1, 2."
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)

    assert line.startswith("demo model ready on http://127.0.0.1:")
    assert (process.returncode, rest, errors) == (0, "", "")
