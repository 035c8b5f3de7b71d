"""The model client against a server of our own that answers what a test wants, byte by byte."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from shared.chat.model import ModelEvent, ModelFailed, ModelFinished, ModelRequest, TextDelta, ToolCallDelta
from shared.chat.openai_model import OpenAIModel
from shared.kernel.mailbox import Mailbox, ThreadWorkers


class _Server(BaseHTTPRequestHandler):
    status: ClassVar[int] = 200
    headers_out: ClassVar[dict[str, str]] = {}
    body: ClassVar[bytes] = b""
    asked: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.status)
        for name, value in {"content-type": "text/event-stream", **self.headers_out}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[type[_Server]]:
    """A server on a free port; its class says what it answers."""

    class Handler(_Server):
        asked: ClassVar[list[Any]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Handler.address = f"http://127.0.0.1:{http.server_address[1]}/v1"  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield Handler
        http.shutdown()
        thread.join()


def ask(
    server: type[_Server],
    *chunks: object,
    done: bool = True,
    tools: Sequence[dict[str, Any]] = (),
    most: int | None = None,
) -> list[ModelEvent]:
    """All events of one call to the server, which answers with the chunks."""
    if chunks:
        lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
        server.body = "".join(f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if done else [])]).encode()
    workers = ThreadWorkers()
    model = OpenAIModel("m", server.address, lambda: "key", workers)  # type: ignore[attr-defined]
    mailbox: Mailbox[ModelEvent] = workers.mailbox()
    model.start(ModelRequest([{"role": "user", "content": "Hi"}], tools, "ada", most), mailbox)
    events: list[ModelEvent] = []
    while not events or not isinstance(events[-1], ModelFinished | ModelFailed):
        event = mailbox.get(10)
        assert event is not None, "the call has not ended"
        events.append(event)
    return events


def delta(**fields: object) -> dict[str, object]:
    return {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]}


STOP = {"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def test_text_and_usage(server: type[_Server]) -> None:
    """Deltas in order, then how it ended and what it took."""
    usage = {"id": "x", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
    assert ask(server, delta(content="Hel"), delta(content="lo"), STOP, usage) == [
        TextDelta("Hel"), TextDelta("lo"), ModelFinished("stop", 7, 3),
    ]  # fmt: skip
    assert "tools" not in server.asked[0]
    assert "max_completion_tokens" not in server.asked[0]


def test_the_length_of_the_answer_is_bounded_by_the_server(server: type[_Server]) -> None:
    """What was reserved is what may be spent."""
    ask(server, delta(content="Hi"), STOP, most=400)
    assert server.asked[0]["max_completion_tokens"] == 400


@pytest.mark.parametrize("tokens", [-5, float("nan"), float("inf")])
def test_usage_that_makes_no_sense_was_not_counted(server: type[_Server], tokens: float) -> None:
    """Neither a gift nor a debt."""
    usage = json.dumps({"id": "x", "choices": [], "usage": {"prompt_tokens": tokens, "completion_tokens": tokens}})
    assert ask(server, delta(content="Hi"), STOP, usage)[-1] == ModelFinished("stop", 0, 0)


def test_a_cut_stream_tells_what_was_counted(server: type[_Server]) -> None:
    """Servers that count along with each chunk."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    failed = ask(server, {**delta(content="Hi"), "usage": usage}, done=False)[-1]
    assert isinstance(failed, ModelFailed)
    assert (failed.code, failed.prompt_tokens, failed.completion_tokens) == ("stream_cut", 7, 3)


@pytest.mark.parametrize("tokens", [None, "12", 12.0])
def test_usage_that_is_no_whole_number_ends_no_turn(server: type[_Server], tokens: object) -> None:
    """Some servers send null or a fraction; what is stored is a whole number."""
    usage = {"id": "x", "choices": [], "usage": {"prompt_tokens": tokens, "completion_tokens": tokens}}
    last = ask(server, delta(content="Hi"), STOP, usage)[-1]
    assert isinstance(last, ModelFinished)
    assert isinstance(last.prompt_tokens, int)
    assert isinstance(last.completion_tokens, int)


def test_halves_of_surrogate_pairs_never_pass(server: type[_Server]) -> None:
    """In text, names, arguments and ids: everything can be stored as UTF-8."""
    call = {"index": 0, "id": "c\ud800", "function": {"name": "n\ud800", "arguments": "a\udfff"}}
    events = ask(server, delta(content="x\ud800"), delta(tool_calls=[call]), STOP)
    said, called = events[:2]
    assert isinstance(said, TextDelta)
    assert isinstance(called, ToolCallDelta)
    "".join([said.text, called.id, called.name, called.arguments]).encode()


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(429, "model_rate_limited", True), (500, "model_unavailable", True), (401, "model_unauthorized", False),
     (400, "model_refused", False)],
)  # fmt: skip
def test_refusals_say_whether_to_try_again(server: type[_Server], status: int, code: str, retryable: bool) -> None:
    """One call each: the client never repeats one by itself."""
    server.status, server.headers_out, server.body = status, {"retry-after": "3"}, b'{"error":{"message":"no"}}'
    (failed,) = ask(server)
    assert isinstance(failed, ModelFailed)
    assert (failed.code, failed.retryable) == (code, retryable)
    assert failed.retry_after_seconds == (3.0 if retryable else 0.0)
    assert len(server.asked) == 1


TOO_LONG = {
    "OpenAI": (400, {"code": "context_length_exceeded", "message": "no"}),
    "OpenAI, more than a minute's tokens": (
        429,
        {"code": "rate_limit_exceeded", "message": "Request too large for gpt-x on tokens per min (TPM): Limit 30000"},
    ),
    "vLLM": (400, {"code": 400, "message": "This model's maximum context length is 8192 tokens. However, you ..."}),
    "llama.cpp": (400, {"code": 400, "type": "exceed_context_size_error", "message": "the request exceeds ..."}),
    "Anthropic": (400, {"message": "prompt is too long: 211000 tokens > 200000 maximum"}),
    "Gemini": (400, {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed"}),
    "a gateway": (413, {"message": "Payload Too Large"}),
    "Mistral": (422, {"message": "Please reduce the length of the messages"}),
}


@pytest.mark.parametrize("said", TOO_LONG)
def test_a_prompt_that_is_too_long_is_told_from_other_refusals(server: type[_Server], said: str) -> None:
    """Each server says it in its own way; a shorter prompt is worth a try, the same one is not."""
    server.status, error = TOO_LONG[said]
    server.body = json.dumps({"error": error}).encode()
    (failed,) = ask(server)
    assert isinstance(failed, ModelFailed)
    assert (failed.code, failed.retryable) == ("prompt_too_long", False)


def test_a_prompt_that_is_too_long_may_be_refused_in_the_stream(server: type[_Server]) -> None:
    """Some servers answer 200 first."""
    (failed,) = ask(server, {"error": {"code": "context_length_exceeded", "message": "Too many."}})
    assert isinstance(failed, ModelFailed)
    assert failed.code == "prompt_too_long"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (429, "Too many tokens per minute", "model_rate_limited"),
        (400, "n exceeds the limit", "model_refused"),
    ],
)
def test_other_limits_are_not_the_window(server: type[_Server], status: int, message: str, code: str) -> None:
    """What a shorter prompt doesn't help."""
    server.status, server.body = status, json.dumps({"error": {"message": message}}).encode()
    (failed,) = ask(server)
    assert isinstance(failed, ModelFailed)
    assert failed.code == code


@pytest.mark.parametrize("body", ["data: {not json\n\n", "", "data: [DONE]\n\n", 'data: {"choices":[{"delta":5}]}\n\n'])
def test_a_stream_that_breaks_is_worth_another_try(server: type[_Server], body: str) -> None:
    """Not JSON, nothing, no reason to end, a shape of its own: a failure, never a silence."""
    server.body = body.encode()
    failed = ask(server)[-1]
    assert isinstance(failed, ModelFailed)
    assert failed.retryable
