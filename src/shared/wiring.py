"""Building the product from its parts, once per process, for the entry points."""

from concurrent.futures import ThreadPoolExecutor

from shared.aws import clients
from shared.aws.database import Database
from shared.aws.objects import Objects, S3Objects
from shared.aws.queue import TurnQueue
from shared.aws.sockets import ApiGatewaySockets
from shared.chat.services import Services
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.ids import RandomIds
from shared.kernel.settings import StorageSettings, TableSettings
from shared.stream.chunk_log import ChunkLog
from shared.tasks.lease import Leases
from shared.tasks.pools import PoolLimit, SlotLimits

_POSTING_THREADS = 8


def tables(settings: TableSettings, clock: Clock) -> Database:
    """The two tables."""
    return Database(clients.dynamodb(), {"state": settings.state_table, "chunks": settings.chunks_table}, clock)


def services(settings: StorageSettings) -> Services:
    """Everything that the chat's use cases share."""
    clock = SystemClock()
    database = tables(settings, clock)
    return Services(
        database=database,
        log=ChunkLog(database, clock, settings.retention_days),
        leases=Leases(database, clock),
        queue=TurnQueue(clients.sqs(), settings.turn_queue_url),
        sockets=ApiGatewaySockets(clients.sockets(settings.websocket_endpoint)),
        clock=clock,
        ids=RandomIds(clock),
        executor=ThreadPoolExecutor(max_workers=_POSTING_THREADS, thread_name_prefix="post"),
        sends_per_minute=settings.sends_per_minute,
        slot_limits=SlotLimits(
            user=PoolLimit(settings.max_running_turns, settings.max_turns_in_flight),
            tree=PoolLimit(settings.max_running_sub_sessions),
        ),
        limits=settings,
    )


def workspace_objects(bucket: str) -> Objects | None:
    """The workspace bucket, or None if this deployment has none."""
    return S3Objects(clients.s3, bucket) if bucket else None
