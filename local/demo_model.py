"""A model server that needs no key: the OpenAI chat wire format around the phrases of `demo_phrases.py`.

It exists so that somebody who tries Parley on their own machine sees what Parley does: streamed text,
reasoning, tool calls, several steps, slow answers and failures. It is never deployed.

    python local/demo_model.py --port 8089 [--host 127.0.0.1] [--delay-ms 10]
"""

import argparse
import hashlib
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

if not __package__:  # started as a script: its own folder is on the path, the repository is not
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.demo_phrases import Failure, Reply, Request, plan_failure, plan_reply, text_of

MODEL = "parley-demo"
MAX_BODY_BYTES = 8_000_000


def _pieces(text: str) -> list[str]:
    """Cut text into words with the space before them, as a model's tokens come."""
    return re.findall(r"\s*\S+\s*$|\s*\S+", text)


def completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """Build the whole answer, as it goes to a caller that does not stream."""
    digest = hashlib.sha256(json.dumps(body.get("messages"), sort_keys=True).encode()).hexdigest()[:24]
    calls = [
        {"id": f"call_{digest}{i}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for i, call in enumerate(reply.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if calls:
        message["tool_calls"] = calls
    prompt = sum(len(_pieces(text_of(item))) for item in body.get("messages") or [])
    thought = len(_pieces(reply.reasoning))
    said = thought + len(_pieces(reply.text)) + sum(len(_split(call.arguments)) + 1 for call in reply.calls)
    return {
        "id": f"chatcmpl-{digest}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": str(body.get("model") or MODEL),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": said,
            "total_tokens": prompt + said,
            "completion_tokens_details": {"reasoning_tokens": thought},
        },
    }


def _split(arguments: str) -> list[str]:
    return [arguments[i : i + 12] for i in range(0, len(arguments), 12)]


def deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Take a message apart into what a stream brings: the role, reasoning, text, then pieces of tool calls."""
    yield {"role": "assistant", "content": ""}
    yield from ({"reasoning_content": piece} for piece in _pieces(message.get("reasoning_content", "")))
    yield from ({"content": piece} for piece in _pieces(message["content"] or ""))
    for index, call in enumerate(message.get("tool_calls", [])):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        opening = {"id": call["id"], "type": "function", "function": {"name": name, "arguments": ""}}
        yield {"tool_calls": [{"index": index, **opening}]}
        yield from ({"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in _split(arguments))


class DemoModel(ThreadingHTTPServer):
    """The server. `pause` is called between deltas with the seconds to wait."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], delay_seconds: float, pause: Callable[[float], object] = time.sleep):
        super().__init__(address, _Handler)
        self.delay_seconds = delay_seconds
        self.pause = pause
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/v1"

    def failure_due(self, request: Request) -> Failure | None:
        """Say what fails now. Counted by the user's words (a retry may differ elsewhere) and then forgotten."""
        failure = plan_failure(request)
        if failure is None or failure.times is None:
            return failure
        with self._lock:
            failed = self._failures.pop(request.asked, 0)
            if failed >= failure.times:
                return None
            self._failures[request.asked] = failed + 1
        return failure


class _Handler(BaseHTTPRequestHandler):
    server: DemoModel
    protocol_version = "HTTP/1.1"  # chunked bodies, so that a cut is seen as one

    def handle(self) -> None:
        with suppress(ConnectionError):  # the caller left: nobody to tell
            super().handle()

    def do_GET(self) -> None:
        if self.path.rstrip("/") != "/v1/models":
            self._error(404, "no such path")
            return
        model = {"id": MODEL, "object": "model", "created": 1_700_000_000, "owned_by": "parley"}
        self._json(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/v1/chat/completions" or not 0 < length <= MAX_BODY_BYTES:
            self.close_connection = True
            self._error(404, "POST /v1/chat/completions with a body")
            return
        try:
            body = json.loads(self.rfile.read(length))
            request = Request.parse(body)
        except (ValueError, AttributeError, TypeError):
            self._error(400, "the body must be a chat completion request")
            return
        failure = self.server.failure_due(request)
        if failure and failure.kind == "status":
            self._error(failure.status, f"the demo model fails with {failure.status}, as it was asked to")
            return
        reply = Reply() if failure and failure.kind == "empty" else plan_reply(request)
        answer = completion(body, reply)
        cut = failure is not None and failure.kind == "cut"
        if not body.get("stream"):
            self.close_connection = cut
            if not cut:
                self._json(200, answer)
            return
        options = body.get("stream_options") or {}
        self._stream(answer, reply, cut=cut, usage=bool(options.get("include_usage")))

    def _stream(self, answer: dict[str, Any], reply: Reply, *, cut: bool, usage: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        shared = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        choice = answer["choices"][0]
        parts = list(deltas(choice["message"]))
        wait = reply.seconds / len(parts) if reply.seconds else self.server.delay_seconds
        for delta in parts[: len(parts) // 2 + 1] if cut else parts:
            self._event({**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            self.server.pause(wait)
        if cut:
            self.close_connection = True
            return
        self._event({**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
        if usage:
            self._event({**shared, "choices": [], "usage": answer["usage"]})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, value: dict[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def _error(self, status: int, message: str) -> None:
        kind = "rate_limit_exceeded" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
        self._json(status, {"error": {"message": message, "type": kind, "code": kind, "param": None}})

    def _json(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log of `make run` belongs to Parley."""


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--delay-ms", type=float, default=10, help="pause between two deltas")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    with DemoModel((options.host, options.port), options.delay_ms / 1000) as server:
        print(f"demo model ready on {server.url}", flush=True)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
