"""API Gateway's WebSocket API on a loopback socket: handshakes and frames become events, posts become frames."""

import base64
import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from shared.aws.sockets import MAX_FRAME_BYTES, ConnectionGone

MAX_FRAGMENT_BYTES = 32 * 1024
"""A message of more must come in several frames, each no larger than this; else 1009."""

ROUTES = frozenset({"send", "resume", "abort"})
STAGE = "test"

Authorizer = Callable[[dict[str, Any]], str | None]
WebSocketHandler = Callable[[dict[str, Any], Any], dict[str, Any]]


def connect_event(connection_id: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """The event of `$connect`."""
    query = dict(parse_qsl(urlsplit(path).query))
    return {
        "headers": headers,
        "queryStringParameters": query or None,
        "requestContext": _context("$connect", "CONNECT", connection_id),
        "isBase64Encoded": False,
    }


def message_event(connection_id: str, user_id: str, body: str) -> dict[str, Any]:
    """The event of a frame, on the route that `$request.body.type` selects."""
    context = _context(route_of(body), "MESSAGE", connection_id)
    context["authorizer"] = {"user_id": user_id, "principalId": user_id}
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def route_of(body: str) -> str:
    """What the route selection expression finds; `$default` for everything else, also for no JSON at all."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "$default"
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and kind in ROUTES else "$default"


def _context(route: str, event_type: str, connection_id: str) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {
        "routeKey": route,
        "eventType": event_type,
        "connectionId": connection_id,
        "requestId": base64.b64encode(os.urandom(9)).decode(),
        "messageDirection": "IN",
        "stage": STAGE,
        "connectedAt": now,
        "requestTimeEpoch": now,
        "domainName": "127.0.0.1",
        "apiId": "ws",
        "identity": {"sourceIp": "127.0.0.1"},
    }


class WebSocketGateway:
    """Connections of clients, and `Sockets` for the product: what is posted reaches them."""

    def __init__(self, authorizer: Authorizer, handler: Callable[[], WebSocketHandler]) -> None:
        self._authorizer = authorizer
        self._handler = handler
        self._lock = threading.Lock()
        self._open: dict[str, _Client] = {}
        self._admitted: dict[str, tuple[str, str]] = {}
        self._threads: set[threading.Thread] = set()
        self._server: Server = serve(
            self._converse,
            "127.0.0.1",
            0,
            process_request=self._admit,
            max_size=(MAX_FRAME_BYTES, MAX_FRAGMENT_BYTES),
            ping_interval=None,
            close_timeout=1,
            compression=None,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="websocket-gateway")

    @property
    def url(self) -> str:
        """What clients connect to, with a ticket in the query."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/{STAGE}"

    @property
    def connections(self) -> list[str]:
        """Who is connected."""
        with self._lock:
            return list(self._open)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        self._server.shutdown()
        self._thread.join()
        for connection_id in self.connections:
            self.close(connection_id)
        for thread in list(self._threads):
            thread.join(timeout=10)

    # -- Sockets -------------------------------------------------------------------------------

    def post(self, connection_id: str, frame: bytes) -> None:
        """What `POST @connections/{id}` does."""
        assert len(frame) <= MAX_FRAME_BYTES, "API Gateway would answer 413"
        with self._lock:
            client = self._open.get(connection_id)
        if client is None:
            raise ConnectionGone(connection_id)
        client.post(frame)

    def close(self, connection_id: str) -> None:
        """What `DELETE @connections/{id}` does."""
        with self._lock:
            client = self._open.get(connection_id)
        if client is not None:
            client.connection.close(1001)

    # -- connections ---------------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """`$connect`: the authorizer first, then the route; 401 without the identity source, as in AWS."""
        connection_id = base64.urlsafe_b64encode(os.urandom(11)).decode()
        event = connect_event(connection_id, request.path, {k.lower(): v for k, v in request.headers.raw_items()})
        if not (event["queryStringParameters"] or {}).get("ticket"):
            return connection.respond(401, '{"message": "Unauthorized"}')
        user_id = self._authorizer(event)
        if user_id is None:
            return connection.respond(403, '{"Message": "User is not authorized"}')
        event["requestContext"]["authorizer"] = {"user_id": user_id, "principalId": user_id}
        status = self._handler()(event, None)["statusCode"]
        if status != 200:
            return connection.respond(status, "")
        self._admitted[str(connection.id)] = (connection_id, user_id)
        return None

    def _converse(self, connection: ServerConnection) -> None:
        thread = threading.current_thread()
        connection_id, user_id = self._admitted.pop(str(connection.id))
        with self._lock:
            self._threads.add(thread)
            self._open[connection_id] = _Client(connection_id, connection)
        try:
            for body in connection:
                text = body if isinstance(body, str) else body.decode("utf-8", "replace")
                self._invoke(connection_id, message_event(connection_id, user_id, text))
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                self._open.pop(connection_id)
                self._threads.discard(thread)
            context = _context("$disconnect", "DISCONNECT", connection_id)
            self._handler()({"requestContext": {**context, "disconnectStatusCode": 1006}}, None)

    def _invoke(self, connection_id: str, event: dict[str, Any]) -> None:
        try:
            self._handler()(event, None)
        except Exception:
            # What API Gateway says then has no type, and the official client closes the socket over it.
            problem = {"message": "Internal server error", "connectionId": connection_id, "requestId": "x"}
            self.post(connection_id, json.dumps(problem).encode())


class _Client:
    def __init__(self, connection_id: str, connection: ServerConnection) -> None:
        self._id = connection_id
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self.connection = connection

    def post(self, frame: bytes) -> None:
        with self._lock:  # posts arrive from many threads; each is one frame
            try:
                self.connection.send(frame.decode())
            except ConnectionClosed as error:
                raise ConnectionGone(self._id) from error
