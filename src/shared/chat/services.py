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
from shared.tasks.pools import SlotLimits
from shared.tasks.records import Task
from shared.tasks.slots import Slots
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
    slot_limits: SlotLimits = field(default_factory=SlotLimits)
    """How many turns run at once."""
    limits: BudgetLimits = field(default_factory=BudgetLimits)
    """What may be spent on models."""
    run_max_days: int = 31
    """How long a run of an agent may take, waiting included."""
    run_retention_days: int = 90
    """How long its records are kept after that."""

    def limits_of(self, task: Task) -> BudgetLimits:
        """What this task, and its tree, may spend."""
        return self.limits.of_kind(task.kind).narrowed(task.tree_max_tokens, task.tree_max_micros)

    @property
    def slots(self) -> Slots:
        """Who may run."""
        return Slots(self.database, self.queue, self.clock, self.slot_limits)


@dataclass(frozen=True)
class TurnEngine:
    """What thinking needs on top."""

    model: Model
    toolbox: Toolbox
    workers: Workers
    bounds: TurnBounds
    prices: Mapping[str, ModelPrice]
    max_attempts: int
    context_tokens: int = 128_000
    """What the model takes in one call."""
    max_output_tokens: int | None = None
    """Of one answer; None: the model's own limit."""
    spill: Spill = field(default_factory=NoSpill)
    """Keeps tool outputs that are too large for a row."""
    title_model: Model | None = None
    """Finds titles of sessions; None: they keep how their first message begins."""
    tools_needing_approval: frozenset[str] = frozenset()
    """The tools that this deployment wants approved, besides those that say so themselves."""
    approval_seconds: int = 30 * 86_400
    """How long a user may take to answer a request for approval."""
