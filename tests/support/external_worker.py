"""A service that takes work over: it answers 202, and calls back when, as often and however a test wants."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.serving import serving
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class TakenOver:
    """What it was asked."""

    operation_id: str
    callback_url: str
    input: dict[str, Any]
    idempotency_key: str


@dataclass
class ExternalWorker:
    """Remembers what it was asked, and answers with `status` and `body`."""

    url: str = ""
    status: int = 202
    body: bytes = b""
    taken: list[TakenOver] = field(default_factory=list)

    def call_back(
        self, url: str, *, key: str = "", success: bool = True, result: Any = None, error: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """POST the outcome; the status and the body of the answer."""
        told = json.dumps({"success": success, "result": result, "error": error}).encode()
        headers = {"content-type": "application/json", **({"x-api-key": key} if key else {})}
        request = urllib.request.Request(url, told, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)


@contextmanager
def external_worker() -> Iterator[ExternalWorker]:
    """One that listens on loopback for the length of a block."""
    worker = ExternalWorker()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            worker.taken.append(TakenOver(**asked, idempotency_key=self.headers["idempotency-key"]))
            self.send_response(worker.status)
            self.send_header("content-length", str(len(worker.body)))
            self.end_headers()
            self.wfile.write(worker.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    worker.url = f"http://127.0.0.1:{server.server_address[1]}/jobs"
    with serving(server):
        yield worker
