"""Parley's storage in moto, and the use cases built on it in fake time."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends as moto_backends
from moto.sqs.models import sqs_backends as moto_queues

from shared.accounts.tickets import issue_ticket
from shared.aws.database import Database
from shared.aws.queue import TurnQueue
from shared.aws.writes import Item
from shared.chat.accept import Accepted, Policy, Requester
from shared.chat.opening import Submission
from shared.chat.operations.callbacks import Callbacks
from shared.chat.operations.telling import tell_operation_ended
from shared.chat.operations.work import Workbench, advance_operation
from shared.chat.review_news import review_changed
from shared.chat.sending import Sending
from shared.chat.services import Services, TurnEngine
from shared.chat.sessions import Session, create_session, owned_session
from shared.chat.stopping import stop_children
from shared.chat.transcript import Message, load_messages
from shared.chat.turn.advance import advance_turn
from shared.kernel.deadline import Deadline
from shared.kernel.errors import Terminal
from shared.kernel.settings import BudgetLimits, TurnBounds
from shared.runs.deliveries import advance_delivery
from shared.runs.outside import fail_task
from shared.runs.preparing import RunBench
from shared.runs.telling import run_has_ended
from shared.runs.work import advance_run
from shared.schedules.outcomes import settle_fire, tell_stopped
from shared.socket.handle import SocketHandler
from shared.stream.chunk_log import ChunkLog
from shared.tasks.lease import Leases
from shared.tasks.pools import Pool, PoolLimit, SlotLimits, pool_key
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import get_task
from shared.tasks.sweep import Sweep
from shared.tasks.wait import pause_awaited, review_of
from shared.tasks.waits import wake_waiters
from shared.tools.registry import Toolbox
from tests.support.aws import aws_client
from tests.support.faults import AwsWatch
from tests.support.model import Script, ScriptedModel
from tests.support.sockets import FakeSockets
from tests.support.time import CountingIds, FakeClock, InlineExecutor, InlineWorkers

_to_wire = TypeSerializer().serialize
LAMBDA_SECONDS = 900.0
COMPLETION_KEY = "the key of who completes operations"


def create_tables(client: Any) -> None:
    """The two tables as the template has them."""
    client.create_table(
        TableName="state",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi1pk", "gsi1sk")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": [
                    {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                    {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["title", "created_at", "updated_at", "active_task"],
                },
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.create_table(
        TableName="chunks",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "seq", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "seq", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@dataclass
class Parley:
    """One deployment, driven by hand."""

    services: Services
    engine: TurnEngine
    clock: FakeClock
    sockets: FakeSockets
    model: ScriptedModel
    sqs: Any
    queue_url: str
    run_queue_url: str
    watch: AwsWatch = field(default_factory=AwsWatch)
    workers_started: int = field(default=0)
    ends_told: set[str] = field(default_factory=set)
    schedules_told: set[tuple[str, str]] = field(default_factory=set)
    """Which rest, and that is known."""
    run_bench: RunBench | None = None
    """What runs work with; None: there are none."""

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def frames(self) -> SocketHandler:
        return SocketHandler(self.services)

    def new_session(self, user: str = "ada") -> Session:
        return create_session(self.database, self.clock, self.services.ids, user)

    def session(self, session_id: str, user: str = "ada") -> Session:
        return owned_session(self.database, session_id, user)

    def ticket(self, user: str = "ada") -> str:
        return issue_ticket(self.database, self.clock, self.services.ids, user)

    def send(
        self,
        session: Session,
        text: str = "Hello",
        message_id: str = "m1",
        policy: Policy = "enqueue",
        requester: Requester | None = None,
    ) -> Accepted:
        return Sending(self.services).submit(session.owner, session.id, Submission(message_id, text), policy, requester)

    def scripted(self, *scripts: Script) -> None:
        """What the model says, call by call."""
        self.model.scripts = list(scripts)
        self.model.requests.clear()

    def with_bounds(self, **bounds: Any) -> None:
        self.engine = replace(self.engine, bounds=TurnBounds(**bounds))

    def with_sends_per_minute(self, most: int | None) -> None:
        self.services = replace(self.services, sends_per_minute=most)

    def with_window(self, tokens: int, *, known: bool = True) -> None:
        """The model takes so many tokens in a prompt; whether the deployment has been told."""
        self.model.window = tokens
        if known:
            self.engine = replace(self.engine, context_tokens=tokens)

    def with_turns(self, running: int | None, in_flight: int | None, *, tree: int | None = None) -> None:
        """How many turns a user may have, and how many of a tree may run."""
        limits = SlotLimits(PoolLimit(running, in_flight), PoolLimit(tree))
        self.services = replace(self.services, slot_limits=limits)

    def with_runs(self, running: int | None, in_flight: int | None) -> None:
        """How many runs a user may have."""
        self.services = replace(self.services, slot_limits=SlotLimits(runs=PoolLimit(running, in_flight)))

    def with_limits(self, **limits: Any) -> None:
        self.services = replace(self.services, limits=BudgetLimits(**limits))

    def with_tools(self, *tools: Any) -> None:
        self.engine = replace(self.engine, toolbox=Toolbox(tools))

    def work(self, task_id: str, seconds: float = LAMBDA_SECONDS) -> None:
        """One invocation of the worker for one message."""
        self.workers_started += 1
        deadline = Deadline(self.clock.now() + seconds, self.clock)
        advance_turn(self.services, self.engine, task_id, f"worker-{self.workers_started}", deadline)

    def run(self, task_id: str, seconds: float = LAMBDA_SECONDS) -> None:
        """One invocation of the run worker for one message."""
        self.workers_started += 1
        if self.run_bench is not None and self.task(task_id).kind == "run":
            deadline = Deadline(self.clock.now() + seconds, self.clock)
            advance_run(self.services, self.run_bench, task_id, f"worker-{self.workers_started}", deadline)
            return
        if self.run_bench is not None and self.task(task_id).kind == "delivery":
            advance_delivery(self.services, self.run_bench.blocks, task_id, f"worker-{self.workers_started}")
            return
        bench = Workbench(self.engine, Callbacks("https://parley.example", lambda: COMPLETION_KEY).address_of)
        deadline = Deadline(self.clock.now() + seconds, self.clock)
        advance_operation(self.services, bench, task_id, f"worker-{self.workers_started}", deadline)

    def messages_waiting(self) -> list[str]:
        """Take what is in the turn queue: the task ids."""
        return self._taken(self.queue_url)

    def runs_waiting(self) -> list[str]:
        """Take what is in the run queue: the task ids."""
        return self._taken(self.run_queue_url)

    def _taken(self, url: str) -> list[str]:
        found: list[str] = []
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(json.loads(message["Body"])["task_id"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def drain_queue(self) -> None:
        """Let workers take messages until there are none."""
        while tasks := self.messages_waiting():
            for task_id in tasks:
                self.work(task_id)

    def drain_runs(self) -> None:
        """Let run workers take messages until there are none."""
        while tasks := self.runs_waiting():
            for task_id in tasks:
                self.run(task_id)

    def drain_all(self) -> None:
        """Let all workers take messages until there are none."""
        self.drain_queue()
        while tasks := self.runs_waiting():
            for task_id in tasks:
                self.run(task_id)
            self.drain_queue()

    def state_changes(self) -> int:
        """What the State table's stream tells: tasks that have ended, reviews that were asked for or decided since the
        last time; how many."""
        ended = [awaited for awaited in _ended_tasks() if awaited not in self.ends_told]
        for awaited in ended:
            wake_waiters(self.database, self.services.queue, self.clock, awaited)
            stop_children(self.services, awaited.removeprefix("TASK#"))
            tell_operation_ended(self.services, awaited.removeprefix("TASK#"))
            run_has_ended(self.services, awaited.removeprefix("TASK#"))
            if _was_scheduled(awaited):
                settle_fire(self.services, awaited.removeprefix("TASK#"))
            self.ends_told.add(awaited)
        asking = [awaited for awaited in _asking_tasks() if awaited not in self.ends_told]
        for awaited in asking:
            wake_waiters(self.database, self.services.queue, self.clock, awaited.partition(" ")[0])
            self.ends_told.add(awaited)
        resting = _resting_schedules()
        for pk, sk in resting - self.schedules_told:
            tell_stopped(self.services, pk.removeprefix("SCHEDULES#"), sk.removeprefix("SCHEDULE#"))
        news, self.schedules_told = len(resting - self.schedules_told), resting
        reviews = [(pk, status) for pk, status in _reviews() if f"{pk} {status}" not in self.ends_told]
        for pk, status in reviews:
            review_changed(self.services, review_of(pk))
            self.ends_told.add(f"{pk} {status}")
        return len(ended) + len(asking) + len(reviews) + news

    def settle(self) -> None:
        """Let workers and the stream do what there is to do, until there is nothing."""
        self.drain_queue()
        while self.state_changes():
            self.drain_queue()

    def sweep(self, may_go_on: Callable[[], bool] = lambda: True, due_by: float | None = None) -> int:
        """The minute tick."""

        def end_lost(task_id: str) -> None:
            lost = Terminal("The work was started several times and never got on.", code="worker_lost")
            fail_task(self.services, task_id, lost, "scheduler")

        sweep = Sweep(self.database, self.services.queue, self.clock, self.services.slots, end_lost)
        return sweep.run(may_go_on, due_by)

    def timers(self) -> int:
        """How many timer rows there are; asks the emulator itself, because tests ask often."""
        return sum(len(rows) for key, rows in _table("state").items.items() if key.value.startswith("TIMER#"))

    def wipe(self) -> None:
        """Empty tables, queue and sockets, for the next of many runs."""
        for name in ("state", "chunks"):
            _table(name).items.clear()
        for queue in moto_queues[ACCOUNT_ID]["eu-central-1"].queues.values():
            queue._messages.clear()  # also those with a delay, which passes in real time
        self.ends_told.clear()
        self.schedules_told.clear()
        self.sockets.frames.clear()
        self.model.requests.clear()

    def pool(self, name: str = "user:ada") -> Pool:
        """Who holds a slot, and who waits for one."""
        return Pool.from_item(self.database.get(pool_key(name)))

    def task(self, task_id: str) -> Task:
        task = get_task(self.database, task_id)
        assert task is not None
        return task

    def parts(self, task_id: str) -> list[dict[str, Any]]:
        return self.services.log.parts(task_id)

    def transcript(self, session: Session) -> list[Message]:
        return load_messages(self.database, session.id, 0)


def _table(name: str) -> Any:
    return moto_backends[ACCOUNT_ID]["eu-central-1"].tables[name]


def put_rows(items: Iterable[Item]) -> None:
    """Put many into the State table at once, straight into the emulator."""
    table = _table("state")
    for item in items:
        table.put_item({name: _to_wire(value) for name, value in item.items()})


def _ended_tasks() -> list[str]:
    """The partition keys of tasks that have ended, as the emulator itself has them."""
    rows = [row.attrs for rows in _table("state").items.values() for row in rows.values()]
    tasks = [row for row in rows if row["sk"].value == "META" and row["pk"].value.startswith("TASK#")]
    return [row["pk"].value for row in tasks if TaskStatus(row["status"].value).ended]


def _was_scheduled(pk: str) -> bool:
    rows = _table("state").items
    return any("schedule_id" in row.attrs for key in rows if key.value == pk for row in rows[key].values())


def _asking_tasks() -> list[str]:
    """The pauses of tasks that wait for their users, each with the number of its owner."""
    rows = [row.attrs for rows in _table("state").items.values() for row in rows.values()]
    tasks = [row for row in rows if row["sk"].value == "META" and row["pk"].value.startswith("TASK#")]
    waiting = [row for row in tasks if row["status"].value == "waiting" and "asks" in row and row["asks"].value]
    ids = [(row["pk"].value.removeprefix("TASK#"), row["epoch"].value) for row in waiting]
    return [f"{pause_awaited(task_id)} {epoch}" for task_id, epoch in ids]


def due_rows(now: float) -> list[tuple[str, str, str]]:
    """What the tick would find, as the emulator itself has it: partition key, sort key and user of each row."""
    found = [rows for key, rows in _table("state").items.items() if key.value.startswith("FIRE#")]
    rows = [{name: value.value for name, value in row.attrs.items()} for rows in found for row in rows.values()]
    return [(row["pk"], row["sk"], row["user_id"]) for row in rows if row["sk"] <= f"{int(now * 1000):013d}#~"]


def tasks_by_kind() -> Counter[tuple[str, str]]:
    """How many tasks of each kind and status there are, as the emulator itself has them."""
    rows = [row.attrs for rows in _table("state").items.values() for row in rows.values()]
    tasks = [row for row in rows if row["sk"].value == "META" and row["pk"].value.startswith("TASK#")]
    return Counter((row["kind"].value, row["status"].value) for row in tasks)


def _resting_schedules() -> set[tuple[str, str]]:
    """The keys of schedules that are not active, as the emulator itself has them."""
    found = [rows for key, rows in _table("state").items.items() if key.value.startswith("SCHEDULES#")]
    rows = [row.attrs for rows in found for row in rows.values()]
    return {(row["pk"].value, row["sk"].value) for row in rows if "status" in row and row["status"].value != "active"}


def _reviews() -> list[tuple[str, str]]:
    """The partition keys of reviews, and how they are stored, as the emulator itself has them."""
    rows = [row.attrs for rows in _table("state").items.values() for row in rows.values()]
    found = [(row["pk"].value, row["status"].value) for row in rows if review_of(row["pk"].value)]
    return [(pk, status) for pk, status in found if status in {"pending", "approved", "rejected"}]


def build_parley(clock: FakeClock | None = None) -> Parley:
    """A deployment in moto; must be called inside `mock_aws`."""
    clock = clock or FakeClock()
    client = aws_client("dynamodb")
    create_tables(client)
    sqs = aws_client("sqs")
    url = sqs.create_queue(QueueName="turns")["QueueUrl"]
    run_url = sqs.create_queue(QueueName="runs")["QueueUrl"]
    consumer = aws_client("sqs")  # the event source mapping's, not watched
    watch = AwsWatch()
    watch.attach(client)
    watch.attach(sqs)
    database = Database(client, {"state": "state", "chunks": "chunks"}, clock)
    sockets, model = FakeSockets(), ScriptedModel(clock, [])
    services = Services(
        database=database,
        log=ChunkLog(database, clock, retention_days=7),
        leases=Leases(database, clock),
        queue=TurnQueue(sqs, url, run_url),
        sockets=sockets,
        clock=clock,
        ids=CountingIds(),
        executor=InlineExecutor(),
    )
    engine = TurnEngine(
        model=model,
        toolbox=Toolbox([]),
        workers=InlineWorkers(clock),
        bounds=TurnBounds(),
        prices={},
        max_attempts=4,
    )
    return Parley(services, engine, clock, sockets, model, consumer, url, run_url, watch)
