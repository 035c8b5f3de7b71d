"""What tools and blocks need from whoever runs agents: start a run, look at it, stop it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shared.agents.library.records import LibraryAgent
from shared.tasks.lineage import Lineage
from shared.tools.contract import ToolContext

RunStatus = Literal["queued", "running", "waiting", "review", "completed", "failed", "terminated"]
ENDED: frozenset[RunStatus] = frozenset({"completed", "failed", "terminated"})
Origin = Literal["chat", "api", "schedule", "agent"]


@dataclass(frozen=True)
class RunRequest:
    """A run that is to be. Its inputs have been checked against the agent's input schema."""

    id: str
    """Chosen by whoever asks (`kernel.ids.dated_id`): the same id starts once."""
    agent: LibraryAgent
    inputs: Mapping[str, Any]
    origin: Origin
    lineage: Lineage = field(default_factory=Lineage)
    """Of the task that starts it for itself: dry run, permissions, tree, depth."""
    chat_session_id: str = ""
    """The session in which somebody asked for it."""
    schedule_id: str = ""


@dataclass(frozen=True)
class Spent:
    """What was used of the model; what sub-sessions and other runs use that were started is theirs."""

    tokens: int = 0
    cost_micros: int = 0
    """Millionths of a US dollar."""


@dataclass(frozen=True)
class NodeView:
    """One execution of one node."""

    node_id: str
    index: int
    """Which execution of the node, from 0."""
    title: str
    block_id: str
    block_name: str
    status: Literal["waiting", "review", "completed", "failed"]
    inputs: Mapping[str, Any]
    """Long values are cut."""
    outputs: Mapping[str, Sequence[Any]]
    error: str
    started_at: int
    ended_at: int | None
    credits: int
    spend: Spent = Spent()


@dataclass(frozen=True)
class NodePage:
    """Some of a run's executions."""

    nodes: Sequence[NodeView]
    next: int | None
    """As how many-th the next page begins; None: there is none."""


@dataclass(frozen=True)
class RunView:
    """A run as its user sees it. Times are milliseconds since the epoch."""

    id: str
    user_id: str
    library_agent_id: str
    graph_id: str
    version: int
    agent_name: str
    status: RunStatus
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Sequence[Any]]
    """Name of an output to the values that it has had, in order; of a run that has ended."""
    error: str
    error_code: str
    dry_run: bool
    origin: Origin
    created_at: int
    started_at: int | None
    ended_at: int | None
    nodes_done: int
    credits: int
    reviews: Sequence[str] = ()
    """Ids of the reviews that it waits for."""
    epoch: int = 0
    """Rises whenever a worker takes it up; of a run that has not ended."""
    spend: Spent = Spent()

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED

    @property
    def link(self) -> str:
        """Where a person finds it in the console."""
        return f"/#run={self.id}"


@dataclass(frozen=True)
class RunFilter:
    """Which of a user's runs are meant."""

    library_agent_id: str = ""
    since: int = 0
    """Created then or later."""
    until: int = 0
    """Created before; 0: no bound."""
    statuses: frozenset[RunStatus] = frozenset()
    """Empty: all."""
    limit: int = 20
    before: str = ""
    """Where the page before has ended (`RunPage.next`): only older ones are meant."""


@dataclass(frozen=True)
class RunPage:
    """Some of a user's runs, the newest first."""

    runs: Sequence[RunView]
    next: str
    """Where the next page begins, which may be empty; empty: there is none."""


class ChildRuns(Protocol):
    """Runs that executions of a run start, and wait for."""

    def begin_child(self, call: ToolContext, library_agent_id: str, inputs: Mapping[str, Any]) -> RunView:
        """Begin a run of one of the caller's agents; the same execution begins it once.

        Raises:
            ToolError: it can't be begun; the code says why.
        """

    def look(self, user_id: str, run_id: str) -> RunView | None:
        """Where it is; None if there is no such run."""


class AgentRuns(Protocol):
    """Runs of users' agents. What belongs to somebody else does not exist."""

    def start(self, request: RunRequest) -> RunView:
        """Begin the run, once for each `request.id`.

        Raises:
            LimitReached: too many are in flight.
            Retryable: nothing was decided; ask again.
        """

    def look(self, user_id: str, run_id: str) -> RunView | None:
        """Where it is; None if there is no such run."""

    def nodes(self, user_id: str, run_id: str) -> Sequence[NodeView]:
        """What its nodes have done, in order."""

    def recent(self, user_id: str, wanted: RunFilter) -> Sequence[RunView]:
        """The user's runs that fit, the newest first; of the last 5,000."""

    def stop(self, user_id: str, run_id: str) -> RunView | None:
        """Have it stop; None if there is no such run."""
