"""Building the product from its parts, once per process, for the entry points."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING

from shared.aws import clients
from shared.aws.database import Database
from shared.aws.objects import Objects, S3Objects
from shared.aws.queue import TurnQueue
from shared.aws.sockets import ApiGatewaySockets
from shared.chat.model import Model
from shared.chat.services import Services, TurnEngine
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import ConfigError
from shared.kernel.ids import RandomIds
from shared.kernel.mailbox import ThreadWorkers, Workers
from shared.kernel.settings import (
    CredentialSettings,
    ModelSettings,
    StorageSettings,
    TableSettings,
    ToolSettings,
    TurnBounds,
)
from shared.stream.chunk_log import ChunkLog
from shared.tasks.lease import Leases
from shared.tasks.pools import PoolLimit, SlotLimits
from shared.tools.registry import Toolbox
from shared.tools.workspace.outputs import NoSpill, ToolOutputs

if TYPE_CHECKING:
    from shared.accounts.credentials.signing_in import SigningIn
    from shared.accounts.credentials.tokens import TokenEndpoints
    from shared.accounts.credentials.vault import Vault
    from shared.chat.block_model import BlockModel
    from shared.runs.preparing import RunBench
    from shared.runs.starting import Runs
    from shared.schedules.firing import Firing
    from shared.schedules.tick import Tick
    from shared.tools.catalogue import ToolDependencies

_POSTING_THREADS = 8
_FIRING_THREADS = 8


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
        queue=TurnQueue(clients.sqs(), settings.turn_queue_url, settings.run_queue_url),
        sockets=ApiGatewaySockets(clients.sockets(settings.websocket_endpoint)),
        clock=clock,
        ids=RandomIds(clock),
        executor=ThreadPoolExecutor(max_workers=_POSTING_THREADS, thread_name_prefix="post"),
        sends_per_minute=settings.sends_per_minute,
        slot_limits=SlotLimits(
            user=PoolLimit(settings.max_running_turns, settings.max_turns_in_flight),
            tree=PoolLimit(settings.max_running_sub_sessions),
            runs=PoolLimit(settings.max_running_runs, settings.max_runs_in_flight),
        ),
        limits=settings,
        run_max_days=settings.run_max_days,
        run_retention_days=settings.run_retention_days,
    )


def vault(needs: Services, read_secret: Callable[[str], str]) -> "Vault | None":
    """Users' accounts elsewhere; None if this deployment has no key to seal them with."""
    from shared.accounts.credentials.providers import Providers  # for workers and the HTTP API alone
    from shared.accounts.credentials.refreshing import Refresher
    from shared.accounts.credentials.store import CredentialStore
    from shared.accounts.credentials.vault import Vault
    from shared.aws.keys import DataKeys

    settings = CredentialSettings.from_environment()
    if not settings.credentials_key:
        return None
    store, keys = CredentialStore(needs.database, needs.clock), DataKeys(clients.kms, settings.credentials_key)
    refresher = Refresher(store, keys, _token_endpoints(needs, read_secret), needs.clock, needs.ids)
    return Vault(store, keys, Providers(settings.oauth_providers), refresher, needs.clock, needs.ids)


def signing_in(needs: Services, read_secret: Callable[[str], str], http_url: str) -> "SigningIn | None":
    """How users connect accounts by signing in at `http_url`'s providers; None without a vault."""
    from shared.accounts.credentials.signing_in import SigningIn

    kept = vault(needs, read_secret)
    if kept is None:
        return None
    endpoints = _token_endpoints(needs, read_secret)
    return SigningIn(kept, endpoints, needs.database, needs.clock, needs.ids, http_url)


def _token_endpoints(needs: Services, read_secret: Callable[[str], str]) -> "TokenEndpoints":
    from shared.accounts.credentials.tokens import TokenEndpoints
    from shared.tools.web.form_post import FormPost
    from shared.tools.web.network import Network

    return TokenEndpoints(FormPost(Network()), read_secret, needs.clock)


def turn_engine(needs: Services, read_secret: Callable[[str], str]) -> TurnEngine:
    """What workers think with: the models and the tools."""
    from shared.agents.catalogue import chat_tools
    from shared.chat.openai_model import OpenAIModel  # heavy, and needed by workers alone
    from shared.schedules.keeping import UserSchedules

    settings, tools = ModelSettings.from_environment(), ToolSettings.from_environment()
    objects, workers = workspace_objects(tools.workspace_bucket), ThreadWorkers()
    read_key = partial(read_secret, settings.model_api_key_parameter)
    answering = OpenAIModel(settings.model_name, settings.model_base_url, read_key, workers)
    dependencies = _dependencies(needs, read_secret)
    name = settings.model_title_name
    tools_of_chat = chat_tools(dependencies, _block_model(needs, answering, workers), runs(needs), UserSchedules(needs))
    return TurnEngine(
        model=answering,
        title_model=OpenAIModel(name, settings.model_base_url, read_key, workers) if name else answering,
        toolbox=Toolbox(tools_of_chat),
        workers=workers,
        bounds=TurnBounds.from_environment(),
        prices=settings.model_prices,
        max_attempts=settings.model_max_attempts,
        context_tokens=settings.model_context_tokens,
        max_output_tokens=settings.model_max_output_tokens,
        spill=ToolOutputs(objects) if objects else NoSpill(),
        tools_needing_approval=tools.tools_needing_approval,
        approval_seconds=tools.approval_seconds,
    )


def runs(needs: Services) -> "Runs":
    """Runs of users' agents."""
    from shared.agents.library.library import Library
    from shared.runs.starting import Runs

    return Runs(needs, Library(needs.database, needs.clock))


@cache
def _firing_pool() -> ThreadPoolExecutor:
    """Apart from the threads that post: a schedule may stop a turn, and then waits for what is posted."""
    return ThreadPoolExecutor(max_workers=_FIRING_THREADS, thread_name_prefix="fire")


def tick(needs: Services, function: str, may_go_on: Callable[[], bool]) -> "Tick":
    """What is due of schedules; what is too much for one invocation is left to others of `function`."""
    from shared.aws.invocations import Invocations
    from shared.schedules.tick import Tick

    def firing() -> "Firing":
        from shared.schedules.firing import Firing  # brings agents and runs, which most minutes don't need

        return Firing(needs, runs(needs))

    hand_on = Invocations(clients.functions, function).ask
    return Tick(needs.database, needs.clock, firing, hand_on, _firing_pool(), may_go_on)


def run_bench(needs: Services, engine: TurnEngine, read_secret: Callable[[str], str]) -> "RunBench":
    """What the run worker advances runs with."""
    from shared.agents.catalogue import block_services
    from shared.agents.reviews.gate import InputReviews
    from shared.agents.reviews.reviews import Reviews
    from shared.runs.preparing import RunBench

    model = _block_model(needs, engine.model, engine.workers)
    blocks = block_services(_dependencies(needs, read_secret), model, runs(needs))
    gate = InputReviews(Reviews(needs.database, needs.clock), needs.clock)
    return RunBench(blocks, engine.workers, gate)


def _dependencies(needs: Services, read_secret: Callable[[str], str]) -> "ToolDependencies":
    from shared.chat.sub_sessions import SubSessionTurns
    from shared.tools.catalogue import ToolDependencies

    tools = ToolSettings.from_environment()
    objects, sub_sessions = workspace_objects(tools.workspace_bucket), SubSessionTurns(needs)
    accounts = vault(needs, read_secret)
    return ToolDependencies(tools, needs.database, needs.clock, read_secret, objects, sub_sessions, accounts)


def _block_model(needs: Services, model: Model, workers: Workers) -> "BlockModel":
    from shared.chat.asking import Means
    from shared.chat.block_model import BlockModel

    settings = ModelSettings.from_environment()
    return BlockModel(needs, Means(model, workers, settings.model_prices, settings.model_max_output_tokens))


def optional_secret(parameter: str, read_secret: Callable[[str], str]) -> Callable[[], str | None]:
    """Reads a secret that a deployment may do without: None if it is not named, or not there."""

    def read() -> str | None:
        try:
            return read_secret(parameter) if parameter else None
        except ConfigError:
            return None

    return read


def workspace_objects(bucket: str) -> Objects | None:
    """The workspace bucket, or None if this deployment has none."""
    return S3Objects(clients.s3, bucket) if bucket else None
