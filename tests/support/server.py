"""Parley in one process on real sockets and in real time: its storage is moto, its gateways are loopback.

What differs from AWS: one process, no IAM, no cold start, no 29 s integration limit, no throttling,
no redelivery (a worker that fails is a problem of the test), `$disconnect` always comes.
"""

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from mangum import Mangum
from moto import mock_aws

from shared.accounts.identity import Identity
from shared.accounts.tickets import redeem_ticket
from shared.api.application import build_application
from shared.aws.database import Database
from shared.aws.queue import TurnQueue
from shared.chat.openai_model import OpenAIModel
from shared.chat.operations.callbacks import Callbacks
from shared.chat.operations.telling import tell_operation_ended
from shared.chat.operations.work import Workbench, advance_operation
from shared.chat.services import Services, TurnEngine
from shared.chat.sessions import create_session
from shared.chat.transcript import Message, load_messages
from shared.chat.turn.advance import advance_turn
from shared.kernel.deadline import Deadline
from shared.kernel.ids import RandomIds
from shared.kernel.mailbox import ThreadWorkers
from shared.kernel.settings import IdentitySettings, TurnBounds
from shared.socket.connections import forget_connection, remember_connection
from shared.socket.handle import SocketHandler
from shared.stream.chunk_log import ChunkLog
from shared.tasks.lease import Leases
from shared.tasks.store import get_task, request_cancel
from shared.tools.contract import Tool
from shared.tools.registry import Toolbox
from tests.support.aws import aws_client
from tests.support.gateway_http import HttpGateway
from tests.support.gateway_websocket import WebSocketGateway
from tests.support.queue_workers import NotifyingQueue, QueueWorkers
from tests.support.region import COMPLETION_KEY, LAMBDA_SECONDS, create_tables
from tests.support.tools import Asking, Echo, Survey
from tests.support.waiting import eventually

SECRET = "a secret of the contract tests, long enough for HS256"
CONSOLE = Path(__file__).parents[2] / "clients" / "web"


class ServerStopping(Exception):
    """Wakes whoever holds a request open when the test is over."""


class LiveClock:
    """The machine's clock, which a test may set forward; whoever sleeps wakes when the server stops."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._stopping = threading.Event()

    def now(self) -> float:
        return time.time() + self._offset

    def sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise ServerStopping

    def stop(self) -> None:
        self._stopping.set()

    @contextmanager
    def set_forward(self, seconds: float) -> Iterator[None]:
        """For the length of a block it is later."""
        self._offset += seconds
        try:
            yield
        finally:
            self._offset -= seconds


_TOKEN_SECONDS = 30 * 86_400.0
"""Tokens outlive the tests that set the deployment's clock forward by days."""


@dataclass(frozen=True)
class LiveParley:
    """A running deployment."""

    services: Services
    clock: LiveClock
    http: HttpGateway
    sockets: WebSocketGateway
    workers: QueueWorkers
    runs: QueueWorkers
    """The run queue's."""
    echo: Echo
    asking: Asking
    client: Any
    model_url: str

    def token(self, user: str = "ada", seconds: float = _TOKEN_SECONDS, secret: str = SECRET, **claims: Any) -> str:
        """A bearer token."""
        given = {"sub": user, "exp": int(time.time() + seconds), **claims}
        return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, "HS256")

    def new_session(self, user: str = "ada") -> str:
        """An empty session of the user."""
        return create_session(self.services.database, self.clock, self.services.ids, user).id

    def rows(self, session_id: str) -> list[Message]:
        """The session's transcript."""
        return load_messages(self.services.database, session_id, 0)

    def items(self, table: str = "state") -> list[dict[str, Any]]:
        """Everything in a table, as DynamoDB has it."""
        pages = self.client.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]


@contextmanager
def running_parley(model_url: str, concurrency: int = 24, tools: Sequence[Tool[Any]] = ()) -> Iterator[LiveParley]:
    """Start everything; stop everything."""
    before = set(threading.enumerate())
    with mock_aws(), ThreadPoolExecutor(16, thread_name_prefix="post") as posts:
        parley = _assemble(model_url, concurrency, posts, tools)
        parley.http.start()
        parley.sockets.start()
        parley.workers.start()
        parley.runs.start()
        try:
            yield parley
        finally:
            _stop(parley)
    eventually(lambda: set(threading.enumerate()) <= before, "every thread has ended")


def _stop(parley: LiveParley) -> None:
    for task_id in parley.workers.working:
        request_cancel(parley.services.database, task_id)
    for task_id in parley.runs.working:
        request_cancel(parley.services.database, task_id)
    parley.workers.stop()
    parley.runs.stop()
    parley.clock.stop()
    parley.http.stop()
    parley.sockets.stop()
    problems = [*parley.workers.problems, *parley.runs.problems]
    assert not problems, problems


def _assemble(model_url: str, concurrency: int, posts: ThreadPoolExecutor, tools: Sequence[Tool[Any]]) -> LiveParley:
    clock, echo, asking = LiveClock(), Echo(), Asking()
    client = aws_client("dynamodb")
    create_tables(client)
    sqs = aws_client("sqs")
    url, run_url = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("turns", "runs"))
    database = Database(client, {"state": "state", "chunks": "chunks"}, clock)

    def authorize(event: dict[str, Any]) -> str | None:
        return redeem_ticket(database, clock, event["queryStringParameters"]["ticket"])

    sockets = WebSocketGateway(authorize, lambda: on_socket)
    workers = QueueWorkers(sqs, url, lambda task_id: advance(task_id), concurrency)
    runs = QueueWorkers(sqs, run_url, lambda task_id: advance_run(task_id), 4)
    services = Services(
        database=database,
        log=ChunkLog(database, clock, retention_days=7),
        leases=Leases(database, clock),
        queue=TurnQueue(NotifyingQueue(sqs, workers.news, runs.news), url, run_url),  # type: ignore[arg-type]
        sockets=sockets,
        clock=clock,
        ids=RandomIds(clock),
        executor=posts,
    )
    engine = _engine(model_url, [echo, asking, Survey(), *tools])

    def advance(task_id: str) -> None:
        deadline = Deadline(clock.now() + LAMBDA_SECONDS, clock)
        advance_turn(services, engine, task_id, f"worker-{uuid.uuid4().hex}", deadline)

    def advance_run(task_id: str) -> None:
        deadline = Deadline(clock.now() + LAMBDA_SECONDS, clock)
        advance_operation(services, bench, task_id, f"run-worker-{uuid.uuid4().hex}", deadline)
        if (task := get_task(database, task_id)) and task.status.ended:
            tell_operation_ended(services, task_id)  # what functions/state_changes hears from the table's stream

    on_socket = _SocketFunction(services)
    identity = Identity(IdentitySettings(jwt_secret_parameter="-", guests_enabled=True), lambda: SECRET, clock)
    app = build_application(services, identity, sockets.url, CONSOLE, lambda: COMPLETION_KEY)
    http = HttpGateway(Mangum(app, lifespan="off"))
    bench = Workbench(engine, Callbacks(http.url, lambda: COMPLETION_KEY).address_of)
    return LiveParley(services, clock, http, sockets, workers, runs, echo, asking, client, model_url)


def _engine(model_url: str, tools: Sequence[Tool[Any]]) -> TurnEngine:
    workers = ThreadWorkers()
    return TurnEngine(
        model=OpenAIModel("thinking-model", f"{model_url}/v1", lambda: "key", workers),
        toolbox=Toolbox(tools),
        workers=workers,
        bounds=TurnBounds(),
        prices={},
        max_attempts=4,
    )


class _SocketFunction:
    """What functions/websocket does with its events."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._handler = SocketHandler(services)

    def __call__(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        request = event["requestContext"]
        connection_id = request["connectionId"]
        match request["routeKey"]:
            case "$connect":
                user_id = request["authorizer"]["user_id"]
                remember_connection(self._services.database, self._services.clock, connection_id, user_id)
            case "$disconnect":
                forget_connection(self._services.database, connection_id)
            case _:
                self._handler.handle(connection_id, request["authorizer"]["user_id"], event["body"])
        return {"statusCode": 200}
