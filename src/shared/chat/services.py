"""What the chat's use cases are built from, handed in once by each entry point."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from shared.aws.database import Database
from shared.aws.queue import TurnQueue
from shared.aws.sockets import Sockets
from shared.chat.model import Model
from shared.kernel.clock import Clock
from shared.kernel.ids import Ids
from shared.kernel.mailbox import Workers
from shared.kernel.settings import BudgetLimits, ModelPrice, TurnBounds
from shared.stream.chunk_log import ChunkLog
from shared.tasks.lease import Leases
from shared.tools.registry import Toolbox
from shared.tools.workspace.outputs import NoSpill, Spill


@dataclass(frozen=True)
class Services:
    """The deployment's storage, queue, sockets, time and identity."""

    database: Database
    log: ChunkLog
    leases: Leases
    queue: TurnQueue
    sockets: Sockets
    clock: Clock
    ids: Ids
    executor: Executor
    """Runs posts to sockets."""
    sends_per_minute: int | None = None
    """How many messages a user may send; None: as many as they like."""
    limits: BudgetLimits = field(default_factory=BudgetLimits)
    """What may be spent on models."""


@dataclass(frozen=True)
class TurnEngine:
    """What thinking needs on top."""

    model: Model
    toolbox: Toolbox
    workers: Workers
    bounds: TurnBounds
    prices: Mapping[str, ModelPrice]
    max_attempts: int
    max_output_tokens: int | None = None
    """Of one answer; None: the model's own limit."""
    spill: Spill = field(default_factory=NoSpill)
    """Keeps tool outputs that are too large for a row."""
