"""The entry points under recorded events: each function as AWS calls it, on moto, configured by its environment.

In events/*.json TOKEN, TICKET, KEY, SESSION, TASK, ENDED and STOPPED stand for what a test has made.
"""

import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jwt
import pytest
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws
from moto.apigatewaymanagementapi.models import apigatewaymanagementapi_backends

from shared import wiring
from shared.accounts.tickets import issue_ticket
from shared.agents.reviews.records import Asking
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.aws.writes import Put
from shared.chat.accept import Acceptance, Requester
from shared.chat.deletion import PURGE_AFTER_SECONDS, delete_session
from shared.chat.opening import Submission, watched_task_writes
from shared.chat.operations.records import Operation, load_outcome, operation_task_id
from shared.chat.services import Services
from shared.chat.sessions import Session, create_session, owned_session
from shared.chat.transcript import load_messages
from shared.kernel.settings import StorageSettings
from shared.schedules.book import ScheduleBook, Terms
from shared.schedules.requests import Times
from shared.schedules.store import ScheduleStore
from shared.socket.connections import remember_connection, user_of
from shared.stream.viewers import find_view
from shared.tasks.records import Task
from shared.tasks.store import get_task
from shared.tasks.wait import Wait, pause_awaited
from shared.tasks.waits import waiters
from tests.support.aws import aws_client
from tests.support.gateway_http import HttpGateway
from tests.support.region import create_tables
from tests.support.time import FakeClock

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
ACCOUNT = "123456789012"
"""The one that moto plays."""
SECRET = "a secret of the event tests, long enough for HS256"
CONNECTION = "UQQXlcY8FiACJHQ="


@dataclass(frozen=True)
class LambdaContext:
    """What the functions read of Lambda's context."""

    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name: str = "parley"
    seconds_left: int = 900

    def get_remaining_time_in_millis(self) -> int:
        return self.seconds_left * 1000


@dataclass(frozen=True)
class Deployment:
    """Storage in moto, and the functions on top of it."""

    services: Services
    queue_url: str
    sqs: Any

    def call(self, function: str, event: str, *, seconds_left: int = 900, **stands_for: str) -> Any:
        """What `functions/{function}/app.py`, started afresh, answers to a recorded event."""
        text = (ROOT / "events" / f"{event}.json").read_text()
        for name, value in stands_for.items():
            text = text.replace(name, value)
        return load(function).handler(json.loads(text), LambdaContext(seconds_left=seconds_left))

    def session(self) -> Session:
        return create_session(self.services.database, self.services.clock, self.services.ids, "ada")

    def turn(self, seconds_ago: float = 0, requester: Requester | None = None) -> Task:
        """A turn that was accepted, its message taken out of the queue."""
        clock = FakeClock(time.time() - seconds_ago)
        services = self.services
        acceptance = Acceptance(services.database, services.queue, clock, services.ids, services.slots)
        accepted = acceptance.submit("ada", self.session().id, Submission("m1", "Hello"), "enqueue", requester)
        assert self.queued() == [accepted.task.id]
        return accepted.task

    def task(self, task_id: str) -> Task:
        task = get_task(self.services.database, task_id)
        assert task
        return task

    def queued(self) -> list[str]:
        """Take what is in the turn queue: the task ids."""
        messages = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["task_id"] for message in messages]

    def connect(self) -> None:
        remember_connection(self.services.database, self.services.clock, CONNECTION, "ada")

    def posted(self) -> list[dict[str, Any]]:
        """The frames that were posted to the connection."""
        backend = apigatewaymanagementapi_backends[ACCOUNT][REGION]
        text = b"".join(connection.data for connection in backend.connections.values()).decode()
        return list(_values(text))


def _values(text: str) -> Iterator[dict[str, Any]]:
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        yield value


def load(function: str) -> ModuleType:
    """The entry point as a cold start imports it."""
    spec = importlib.util.spec_from_file_location(f"app_of_{function}", ROOT / "functions" / function / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The variables that template.yaml sets."""

    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    set_all(
        STAGE="test",
        STATE_TABLE="state",
        CHUNKS_TABLE="chunks",
        WEBSOCKET_ENDPOINT=f"https://f6g7h8i9j0.execute-api.{REGION}.amazonaws.com/prod",
        WEBSOCKET_URL=f"wss://f6g7h8i9j0.execute-api.{REGION}.amazonaws.com/prod",
        ALLOWED_ORIGINS="https://parley.example",
        MODEL_BASE_URL="http://127.0.0.1:9/v1",
        MODEL_NAME="a-model",
        MODEL_API_KEY_PARAMETER="/parley/model-key",
        JWT_SECRET_PARAMETER="/parley/jwt-secret",
        JWT_ISSUER="",
        JWT_AUDIENCE="",
        MODEL_PRICES="",
        POWERTOOLS_METRICS_NAMESPACE="Parley",
    )
    return set_all


@pytest.fixture
def deployment(environment: Callable[..., None]) -> Iterator[Deployment]:
    """Tables, queue, parameters."""
    with mock_aws():
        create_tables(aws_client("dynamodb"))
        sqs = aws_client("sqs")
        url = sqs.create_queue(QueueName="turns")["QueueUrl"]
        ssm = aws_client("ssm")
        ssm.put_parameter(Name="/parley/jwt-secret", Value=SECRET, Type="SecureString")
        ssm.put_parameter(Name="/parley/model-key", Value="a-key", Type="SecureString")
        parameters.clear_caches()  # type: ignore[no-untyped-call]
        environment(TURN_QUEUE_URL=url, RUN_QUEUE_URL=sqs.create_queue(QueueName="runs")["QueueUrl"])
        yield Deployment(wiring.services(StorageSettings.from_environment()), url, sqs)


@pytest.fixture
def model(environment: Callable[..., None]) -> Iterator[list[dict[str, Any]]]:
    """A model server that answers everything with one sentence; the requests that it got."""
    requests: list[dict[str, Any]] = []

    def answer(event: dict[str, Any], _context: Any) -> dict[str, Any]:
        requests.append({"key": event["headers"]["authorization"], **json.loads(event["body"])})
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": {"content": "Hello yourself."}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}},
        ]
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "a-model"}
        events = [f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in chunks]
        return {"statusCode": 200, "headers": {"content-type": "text/event-stream"}, "body": "".join(events)}

    server = HttpGateway(answer)
    server.start()
    environment(MODEL_BASE_URL=f"{server.url}/v1")
    yield requests
    server.stop()


def token() -> str:
    return jwt.encode({"sub": "ada", "exp": int(time.time()) + 600}, SECRET, "HS256")


def test_health(deployment: Deployment) -> None:
    """GET /api/health answers without a token."""
    answer = deployment.call("api", "http_health")

    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})


def test_listing_sessions(deployment: Deployment) -> None:
    """GET with a query string, signed by the secret that stands in the parameter store."""
    session = deployment.session()
    answer = deployment.call("api", "http_list_sessions", TOKEN=token())

    assert answer["statusCode"] == 200
    assert [row["id"] for row in json.loads(answer["body"])["sessions"]] == [session.id]


def test_without_a_token(deployment: Deployment) -> None:
    """401 in our form."""
    answer = deployment.call("api", "http_without_token")

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "token_missing")


def test_creating_a_session(deployment: Deployment) -> None:
    """POST with a JSON body."""
    answer = deployment.call("api", "http_create_session", TOKEN=token())

    assert answer["statusCode"] == 201
    assert json.loads(answer["body"])["title"] == "Von der Pike auf"


@pytest.mark.parametrize("event", ["http_send", "http_send_base64"])
def test_a_send_over_http(deployment: Deployment, event: str) -> None:
    """A body in plain text and one in base64 are the same message; its turn is in the queue."""
    session = deployment.session()
    answer = deployment.call("api", event, TOKEN=token(), SESSION=session.id)

    assert answer["statusCode"] == 202
    assert deployment.queued() == [json.loads(answer["body"])["task_id"]]
    (row,) = load_messages(deployment.services.database, session.id, 0)
    assert (row.role, row.content, row.id) == ("user", "Grüß dich", "m1")


def test_a_resume_over_http(deployment: Deployment) -> None:
    """204 with an empty body where there is nothing to resume."""
    answer = deployment.call("api", "http_resume", TOKEN=token(), SESSION=deployment.session().id)

    assert (answer["statusCode"], answer.get("body", "")) == (204, "")


def test_a_ticket_is_good_for_one_connection(deployment: Deployment) -> None:
    """The authorizer allows the ticket once, names the user in its context, and denies it from then on."""
    services = deployment.services
    ticket = issue_ticket(services.database, services.clock, services.ids, "ada")

    first = deployment.call("authorizer", "websocket_authorizer", TICKET=ticket)
    second = deployment.call("authorizer", "websocket_authorizer", TICKET=ticket)

    assert first["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert (first["principalId"], first["context"]) == ("ada", {"user_id": "ada"})
    assert second["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_an_origin_that_is_not_allowed(deployment: Deployment, environment: Callable[..., None]) -> None:
    """A browser on another site can't use a ticket, and doesn't use it up."""
    services = deployment.services
    ticket = issue_ticket(services.database, services.clock, services.ids, "ada")

    environment(ALLOWED_ORIGINS="https://elsewhere.example")
    denied = deployment.call("authorizer", "websocket_authorizer", TICKET=ticket)
    environment(ALLOWED_ORIGINS="https://parley.example")
    allowed = deployment.call("authorizer", "websocket_authorizer", TICKET=ticket)

    effects = [answer["policyDocument"]["Statement"][0]["Effect"] for answer in (denied, allowed)]
    assert effects == ["Deny", "Allow"]


def test_connections_come_and_go(deployment: Deployment) -> None:
    """$connect remembers whose the connection is, $disconnect forgets it."""
    assert deployment.call("websocket", "websocket_connect") == {"statusCode": 200}
    assert user_of(deployment.services.database, CONNECTION) == "ada"

    assert deployment.call("websocket", "websocket_disconnect") == {"statusCode": 200}
    assert user_of(deployment.services.database, CONNECTION) is None


def test_a_send_over_the_socket(deployment: Deployment) -> None:
    """The frame is answered with `start`, its turn is in the queue, and the connection watches from part 0."""
    deployment.connect()
    session = deployment.session()

    answer = deployment.call("websocket", "websocket_send", SESSION=session.id)

    assert answer == {"statusCode": 200}
    assert deployment.posted() == [{"type": "start", "requestId": "r1"}]
    (task_id,) = deployment.queued()
    view = find_view(deployment.services.database, CONNECTION, "r1")
    assert view
    assert (view.task_id, view.from_seq, view.offset) == (task_id, 0, 0)


def test_a_resume_over_the_socket(deployment: Deployment) -> None:
    """`no-active` where there is nothing to resume."""
    deployment.connect()
    deployment.call("websocket", "websocket_resume", SESSION=deployment.session().id)

    assert deployment.posted() == [{"type": "no-active", "requestId": "r1"}]


def test_an_abort(deployment: Deployment) -> None:
    """The viewer is forgotten and the turn goes on."""
    deployment.connect()
    task = deployment.turn(requester=Requester(CONNECTION, "r1"))

    deployment.call("websocket", "websocket_abort")

    assert find_view(deployment.services.database, CONNECTION, "r1") is None
    assert deployment.task(task.id).status == "queued"


@pytest.mark.parametrize(("event", "answer"), [("websocket_default", "pong"), ("websocket_garbage", "error")])
def test_the_default_route(deployment: Deployment, event: str, answer: str) -> None:
    """What no route takes is answered by a typed frame, and never by a failure."""
    deployment.connect()

    assert deployment.call("websocket", event) == {"statusCode": 200}
    assert [frame["type"] for frame in deployment.posted()] == [answer]


def test_a_turn(deployment: Deployment, model: list[dict[str, Any]]) -> None:
    """The worker answers the user, tells the viewer, and takes the message off the queue."""
    deployment.connect()
    task = deployment.turn(requester=Requester(CONNECTION, "r1"))

    answer = deployment.call("turn_worker", "sqs_turn", TASK=task.id)

    assert answer == {"batchItemFailures": []}
    assert [request["key"] for request in model] == ["Bearer a-key"] * 2, "the answer, and then the title"
    assert owned_session(deployment.services.database, task.session_id, "ada").title == "Hello yourself"
    rows = load_messages(deployment.services.database, task.session_id, 0)
    assert [(row.role, row.content) for row in rows] == [("user", "Hello"), ("assistant", "Hello yourself.")]
    frames = deployment.posted()
    assert [frame["sequence"] for frame in frames if frame["type"] == "chunk"] == list(range(len(frames) - 1))
    assert frames[-1]["type"] == "end"
    ended = deployment.task(task.id)
    assert (ended.status, ended.spend.tokens) == ("completed", 20), "the title is paid by the turn, too"


def test_a_model_for_titles(
    deployment: Deployment, model: list[dict[str, Any]], environment: Callable[..., None]
) -> None:
    """MODEL_TITLE_NAME finds the title; the turn is answered by the other."""
    environment(MODEL_TITLE_NAME="a-cheap-model")
    deployment.call("turn_worker", "sqs_turn", TASK=deployment.turn().id)

    assert [request["model"] for request in model] == ["a-model", "a-cheap-model"]


def test_a_message_that_comes_again(deployment: Deployment, model: list[dict[str, Any]]) -> None:
    """A turn that has ended is not run again."""
    task = deployment.turn()
    deployment.call("turn_worker", "sqs_turn", TASK=task.id)

    asked = len(model)
    assert deployment.call("turn_worker", "sqs_turn", TASK=task.id) == {"batchItemFailures": []}
    assert len(model) == asked


def test_a_message_that_is_none(deployment: Deployment) -> None:
    """What can't be read fails, alone, and so ends in the dead letter queue."""
    answer = deployment.call("turn_worker", "sqs_turn_unreadable")

    assert answer == {"batchItemFailures": [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975830a7d"}]}


def test_a_dead_letter(deployment: Deployment) -> None:
    """Its turn fails with a reason, and whoever watches gets error, finish and end."""
    deployment.connect()
    task = deployment.turn(requester=Requester(CONNECTION, "r1"))

    answer = deployment.call("dead_letters", "sqs_dead_letter", TASK=task.id)

    assert answer == {"batchItemFailures": []}
    ended = deployment.task(task.id)
    assert (ended.status, (ended.error or {})["code"]) == ("failed", "not_processable")
    frames = deployment.posted()
    assert [frame["chunk"]["type"] for frame in frames if frame["type"] == "chunk"][-2:] == ["error", "finish"]
    assert frames[-1]["type"] == "end"


def test_a_dead_letter_that_nobody_can_read(deployment: Deployment) -> None:
    """It is dropped: nothing would ever make it readable."""
    assert deployment.call("dead_letters", "sqs_turn_unreadable") == {"batchItemFailures": []}


def test_a_tick(deployment: Deployment) -> None:
    """A turn that nobody took for half a minute is in the queue again, without counting a lost worker; a younger
    one is left alone."""
    forgotten, fresh = deployment.turn(seconds_ago=60), deployment.turn()

    assert deployment.call("scheduler", "scheduler_tick") == {"fires": 0, "timers": 1, "purged": 0}
    assert deployment.queued() == [forgotten.id]
    assert [deployment.task(task.id).takeovers for task in (forgotten, fresh)] == [0, 0]


def test_a_tick_recovers_turns_before_it_fires_schedules(deployment: Deployment) -> None:
    """A row that nobody can read stops neither."""
    forgotten, session = deployment.turn(seconds_ago=60), deployment.session()
    database = deployment.services.database
    book = ScheduleBook(database, FakeClock(time.time() - 120))
    book.schedule_message("ada", "s1", Times(delay_seconds=60), Terms("Ask"), "Any news?", session.id)
    database.write(Put({"pk": "FIRE#0", "sk": "0000000000001#broken"}))

    assert deployment.call("scheduler", "scheduler_tick") == {"fires": 1, "timers": 1, "purged": 0}

    fired = owned_session(database, session.id, "ada").active_task
    assert deployment.queued() == [forgotten.id, fired]


def test_schedules_fire_though_the_sweep_has_used_up_its_time(deployment: Deployment) -> None:
    """However many turns wait in a backlog. What the sweep has not got to, it goes on with at the end."""
    forgotten, session = deployment.turn(seconds_ago=60), deployment.session()
    database = deployment.services.database
    book = ScheduleBook(database, FakeClock(time.time() - 120))
    book.schedule_message("ada", "s1", Times(delay_seconds=60), Terms("Ask"), "Any news?", session.id)

    answer = deployment.call("scheduler", "scheduler_tick", seconds_left=40)

    assert answer == {"fires": 1, "timers": 1, "purged": 0}
    fired = owned_session(database, session.id, "ada").active_task
    assert deployment.queued() == [fired, forgotten.id]


def test_the_end_of_a_task(deployment: Deployment) -> None:
    """Who waits for it is told: its inbox is raised and its message sent."""
    waiting = deployment.turn()
    deployment.queued()
    until = int(time.time() * 1000) + 60_000
    for row in waiters(Wait(("TASK#awaited",), until), waiting.id, "call-1"):
        deployment.services.database.write(row)

    assert deployment.call("state_changes", "stream_task_ended") == {"batchItemFailures": []}

    assert deployment.queued() == [waiting.id]
    assert deployment.task(waiting.id).inbox == waiting.inbox + 1


def test_a_task_that_asks_its_user(deployment: Deployment) -> None:
    """Who waits for its pause is told; who waits for its end is not."""
    told, untold = deployment.turn(), deployment.turn()
    deployment.queued()
    until = int(time.time() * 1000) + 60_000
    for waiting, awaited in ((told, pause_awaited("awaited")), (untold, "TASK#awaited")):
        for row in waiters(Wait((awaited,), until), waiting.id, "call-1"):
            deployment.services.database.write(row)

    assert deployment.call("state_changes", "stream_task_asks") == {"batchItemFailures": []}

    assert deployment.queued() == [told.id]


def test_a_review_that_is_decided_wakes_who_waits(deployment: Deployment) -> None:
    """From its own event, which the table's stream brings."""
    services = deployment.services
    reviews = Reviews(services.database, services.clock)
    asked = reviews.request(Asking("ada", "run", "R1", "n#0", "home", "a-block", "Human review", 1))
    reviews.decide("ada", asked.id, Verdict("approved"))
    waiting = deployment.turn()
    for row in waiters(Wait((asked.awaited,), asked.expires), waiting.id, "call-1"):
        services.database.write(row)

    assert deployment.call("state_changes", "stream_review_decided", DECIDED=asked.id) == {"batchItemFailures": []}

    assert deployment.task(waiting.id).inbox == waiting.inbox + 1


def test_a_tick_purges(deployment: Deployment, environment: Callable[..., None]) -> None:
    """What a session has left that was deleted long ago: its rows, and its files in the bucket of the environment."""
    s3 = aws_client("s3", "us-east-1")
    s3.create_bucket(Bucket="workspace")
    environment(WORKSPACE_BUCKET="workspace")
    session = deployment.turn().session_id
    s3.put_object(Bucket="workspace", Key=f"users/ada/sessions/{session}/files/a.txt/1", Body=b"x")
    long_ago = FakeClock(time.time() - PURGE_AFTER_SECONDS - 1)
    delete_session(replace(deployment.services, clock=long_ago), "ada", session)

    assert deployment.call("scheduler", "scheduler_tick")["purged"] == 1
    assert "Contents" not in s3.list_objects_v2(Bucket="workspace")
    assert load_messages(deployment.services.database, session, 0) == []


def test_a_schedule_that_has_stopped(deployment: Deployment) -> None:
    """Its user is told on their sockets."""
    deployment.connect()
    store = ScheduleStore(deployment.services.database)
    made = ScheduleBook(deployment.services.database, FakeClock(time.time())).schedule_message(
        "ada", "s1", Times(cron="0 9 * * *"), Terms("Ask"), "Any news?", ""
    )
    store.change("ada", made.id, lambda seen: seen.stopped("disabled", "ended"))

    assert deployment.call("state_changes", "stream_schedule_stopped", STOPPED=made.id) == {"batchItemFailures": []}

    (told,) = deployment.posted()
    assert (told["type"], told["kind"], told["schedule_id"]) == ("notify", "schedule-paused", made.id)
    assert (told["name"], told["status"], told["reason"], told["error"]) == ("Ask", "disabled", "ended", "")


def begun(deployment: Deployment, tool: str) -> Task:
    """An operation of a turn's call; the turn is left queued."""
    turn = deployment.turn()
    task = turn.fresh(id=operation_task_id(turn, "c1"), kind="operation", parent=turn.id, tool_name=tool)
    deadline = turn.created_at + 3_600_000
    record = Operation(task.id, tool, "c1", "{}", turn.id, seq=7, placeholder="", deadline=deadline)
    deployment.services.database.transact([*watched_task_writes(task), *record.puts(task.session_id)])
    return task


def test_an_operation(deployment: Deployment) -> None:
    """The run worker ends what nobody can do any more, and takes the message off the queue."""
    task = begun(deployment, "a_tool_that_is_gone")

    assert deployment.call("run_worker", "sqs_run", TASK=task.id) == {"batchItemFailures": []}

    ended = deployment.task(task.id)
    assert (ended.status, (ended.error or {})["code"]) == ("failed", "unknown_tool")


def test_a_completion(deployment: Deployment, environment: Callable[..., None]) -> None:
    """Refused as long as no key is configured; then its outcome is stored, and the run worker is sent for."""
    task = begun(deployment, "run_external_operation")
    refused = deployment.call("api", "http_complete", TASK=task.id, KEY="the key")
    environment(OPERATIONS_API_KEY_PARAMETER="/parley/operations-key")
    parameter = {"Name": "/parley/operations-key", "Value": "the key", "Type": "SecureString"}
    aws_client("ssm").put_parameter(**parameter)

    answer = deployment.call("api", "http_complete", TASK=task.id, KEY="the key")

    assert (refused["statusCode"], json.loads(refused["body"])["code"]) == (503, "completions_not_configured")
    assert json.loads(answer["body"]) == {"status": "ok", "task_id": task.id}
    assert (load_outcome(deployment.services.database, task.id) or {})["result"] == '{"rows":42}'


def test_the_end_of_an_operation(deployment: Deployment) -> None:
    """Its user is told on their sockets."""
    deployment.connect()
    task = begun(deployment, "a_tool_that_is_gone")
    deployment.call("run_worker", "sqs_run", TASK=task.id)

    assert deployment.call("state_changes", "stream_operation_ended", ENDED=task.id) == {"batchItemFailures": []}

    (told,) = deployment.posted()
    assert (told["type"], told["kind"], told["task_id"]) == ("notify", "operation-finished", task.id)


def test_every_recorded_event_is_used() -> None:
    """No file in events/ is there for nothing."""
    source = Path(__file__).read_text()

    assert [path.stem for path in (ROOT / "events").glob("*.json") if f'"{path.stem}"' not in source] == []
