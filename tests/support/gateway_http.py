"""API Gateway's HTTP API on a loopback socket: requests become payload 2.0 events, answers become responses."""

import asyncio
import base64
import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_REQUEST_BYTES = 10 * 1024 * 1024
MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Lambda takes and answers no more; the gateway refuses the one with 413 and the other with 500."""

HttpHandler = Callable[[dict[str, Any], Any], dict[str, Any]]
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


def http_event(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """The event that API Gateway makes of a request."""
    url = urlsplit(target)
    joined: dict[str, str] = {}
    for name, value in headers:
        if name.lower() != "cookie":
            joined[name.lower()] = f"{joined[name.lower()]},{value}" if name.lower() in joined else value
    query: dict[str, str] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(url.path),
        "rawQueryString": url.query,
        "headers": joined,
        "requestContext": _context(method, unquote(url.path), joined),
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if body:
        is_text = joined.get("content-type", "").lower().startswith(_TEXT_TYPES)
        event["isBase64Encoded"] = not is_text
        event["body"] = body.decode("utf-8", "replace") if is_text else base64.b64encode(body).decode()
    return event


def _context(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": "123456789012",
        "apiId": "api",
        "domainName": headers.get("host", "127.0.0.1"),
        "domainPrefix": "api",
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid.uuid4().hex,
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


class HttpGateway:
    """Serves `handler` on a free port, a thread for each connection."""

    def __init__(self, handler: HttpHandler) -> None:
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.handler = handler
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="http-gateway")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, break the connections and wait for their threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.break_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for them
    block_on_close = True
    request_queue_size = 128
    handler: HttpHandler

    def __init__(self, address: tuple[str, int], connection: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, connection)
        self._open: set[Any] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is no event."""

    def break_connections(self) -> None:
        """Wake the threads that wait for another request."""
        with self._lock:
            for request in self._open:
                try:
                    request.shutdown(2)
                except OSError:
                    continue


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize: ClassVar[int] = -1

    def setup(self) -> None:
        super().setup()
        # Mangum takes the thread's loop, as Lambda has one; here it ends with the connection.
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def finish(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        self._loop.close()
        super().finish()

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        event = http_event(self.command, self.path, self.headers.items(), body)
        if len(json.dumps(event)) > MAX_EVENT_BYTES:
            self._answer({"statusCode": 413, "body": '{"message":"Request Entity Too Large"}'})
            return
        try:
            answer = cast("_Server", self.server).handler(event, None)
        except Exception:
            answer = {"statusCode": 500, "body": '{"message":"Internal Server Error"}'}
        if len(answer.get("body") or "") > MAX_EVENT_BYTES:
            answer = {"statusCode": 500, "body": '{"message":"Internal Server Error"}'}
        self._answer(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _body(self) -> bytes | None:
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_REQUEST_BYTES:
            self.close_connection = True
            self._answer({"statusCode": 413, "body": '{"message":"Request Entity Too Large"}'})
            return None
        return self.rfile.read(length) if length else b""

    def _answer(self, answer: dict[str, Any]) -> None:
        text = answer.get("body") or ""
        body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        self.send_response_only(answer["statusCode"])
        for name, value in (answer.get("headers") or {}).items():
            if name.lower() not in {"content-length", "connection", "date"}:
                self.send_header(name, str(value))
        if answer["statusCode"] != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read answers, not logs."""
