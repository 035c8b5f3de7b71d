"""Agents that run in a test's own deployment: made from a graph, started, worked on until nothing is left to do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from shared.agents.blocks.contract import AskedReviews, Block, BlockContext, BlockInput, BlockOutput, BlockServices
from shared.agents.blocks.registry import AnyBlock, find, shipped_block, shipped_blocks
from shared.agents.graphs.model import Graph, Link, Node
from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.agents.running import NodeView, Origin, RunRequest, RunView
from shared.chat.asking import Means
from shared.chat.block_model import BlockModel
from shared.chat.sub_sessions import SubSessionTurns
from shared.kernel.clock import to_millis
from shared.kernel.ids import dated_id
from shared.runs.calling import ReviewGate
from shared.runs.preparing import RunBench
from shared.runs.starting import Runs
from shared.tasks.lineage import Lineage
from shared.tasks.wait import Wait
from shared.tools.web.network import Network
from shared.tools.workspace.store import Workspace
from tests.support.region import Parley

_NUMBERS = count(1)
OWN = {
    name: f"5b6a0f0e-0000-4000-8000-00000000000{number}"
    for number, name in enumerate(("probe", "send", "paid", "countdown", "asks"))
}
"""Blocks of tests by the names that they go by in graphs."""


def node(node_id: str, block: str, title: str = "", **inputs: Any) -> Node:
    """A use of the block of that name, shipped or the test's own."""
    found = find(shipped_blocks(), block)
    return Node(id=node_id, block_id=found.id if found else OWN[block], title=title, input_default=inputs)


def given(node_id: str, name: str, **more: Any) -> Node:
    """An input of the agent."""
    return node(node_id, "Agent input", name=name, **more)


def result(node_id: str, name: str) -> Node:
    """An output of the agent."""
    return node(node_id, "Agent output", name=name)


def link(path: str, *, static: bool = False) -> Link:
    """`a.value > b.template`: from an output to an input."""
    source, _, sink = path.partition(" > ")
    source_id, _, source_name = source.partition(".")
    sink_id, _, sink_name = sink.partition(".")
    return Link(source_id=source_id, source_name=source_name, sink_id=sink_id, sink_name=sink_name, is_static=static)


def graph(nodes: Sequence[Node], *links: str | Link, name: str = "Agent") -> Graph:
    """A graph of those nodes; links as `link` reads them."""
    return Graph(name=name, nodes=list(nodes), links=[one if isinstance(one, Link) else link(one) for one in links])


GREETER = graph(
    [given("in", "City"), node("greet", "Text template", template="Hello {{ city }}"), result("out", "Greeting")],
    "in.value > greet.values.city",
    "greet.text > out.value",
)
"""Three nodes in a row."""


@dataclass
class Agents:
    """Runs of a test."""

    parley: Parley
    files: Workspace | None = None
    network: Network = field(default_factory=Network)
    reviews: ReviewGate | None = None
    blocks: Sequence[AnyBlock] = ()
    """Besides the shipped ones."""
    asked: AskedReviews | None = None
    """Where the block Human review asks; None: nobody can be asked."""
    _made: Iterator[int] = field(default_factory=lambda: _NUMBERS)

    def __post_init__(self) -> None:
        parley = self.parley
        parley.run_bench = RunBench(self.services, parley.engine.workers, self.reviews, self._block)

    def _block(self, block_id: str) -> AnyBlock | None:
        return next((block for block in self.blocks if block.id == block_id), None) or shipped_block(block_id)

    @property
    def services(self) -> BlockServices:
        """What the blocks work with; the model is the deployment's scripted one."""
        parley = self.parley
        engine = parley.engine
        model = BlockModel(parley.services, Means(engine.model, engine.workers, engine.prices, None))
        subs = SubSessionTurns(parley.services)
        return BlockServices(parley.clock, model, subs, self.files, self.network, self.asked, runs=self.runs)

    @property
    def library(self) -> Library:
        return Library(self.parley.database, self.parley.clock)

    @property
    def runs(self) -> Runs:
        return Runs(self.parley.services, self.library)

    def agent(self, made_of: Graph, user: str = "ada", agent_id: str = "") -> LibraryAgent:
        """An agent in the user's library."""
        return self.library.create(user, made_of, agent_id or f"agent-{next(self._made)}")

    def request(
        self,
        agent: LibraryAgent,
        inputs: Mapping[str, Any] | None = None,
        lineage: Lineage | None = None,
        run_id: str = "",
        origin: Origin = "api",
    ) -> RunRequest:
        """A run that is to be."""
        run_id = run_id or dated_id(to_millis(self.parley.clock.now()), "test", str(next(self._made)))
        return RunRequest(run_id, agent, inputs or {}, origin, lineage or Lineage())

    def start(self, agent: LibraryAgent, inputs: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Begin a run; its id."""
        return self.runs.start(self.request(agent, inputs, **more)).id

    def run(self, made_of: Graph, inputs: Mapping[str, Any] | None = None, **more: Any) -> RunView:
        """Make an agent, start it, and let workers do what there is to do."""
        run_id = self.start(self.agent(made_of), inputs, **more)
        self.until_quiet()
        return self.look(run_id)

    def until_quiet(self) -> None:
        """Workers of both queues and the State table's stream do what there is to do, until there is nothing."""
        self.parley.drain_all()
        while self.parley.state_changes():
            self.parley.drain_all()

    def minutes(self, count: int = 8) -> None:
        """Time passes, the sweep runs, and workers do what that brings."""
        for _ in range(count):
            self.parley.clock.advance(60)
            self.parley.sweep()
            self.until_quiet()

    def look(self, run_id: str, user: str = "ada") -> RunView:
        found = self.runs.look(user, run_id)
        assert found is not None
        return found

    def nodes(self, run_id: str, user: str = "ada") -> list[NodeView]:
        return list(self.runs.nodes(user, run_id))


class ProbeInput(BlockInput):
    """Anything."""

    value: Any = None


class ProbeOutput(BlockOutput):
    """The same."""

    value: Any = None


Act = Callable[[BlockContext, Any], Any]


class Probe(Block[ProbeInput, ProbeOutput]):
    """Remembers what it was given and does what a test wants: answers, waits or fails. Graphs name it `probe`."""

    id = OWN["probe"]
    name = "Probe"
    description = "Passes on what it is given."
    category = "data"
    input_model = ProbeInput
    output_model = ProbeOutput
    examples = ()

    def __init__(self, act: Act | None = None) -> None:
        self.calls: list[tuple[str, Any]] = []
        """The executions, repeats included, and what they were given; or what they had noted when they waited."""
        self._act = act

    def run(self, context: BlockContext, inputs: ProbeInput) -> Any:
        return self._answer(context, inputs.value)

    def resume(self, context: BlockContext, inputs: ProbeInput, note: Mapping[str, Any]) -> Any:
        return self._answer(context, dict(note))

    def rehearse(self, context: BlockContext, inputs: ProbeInput) -> ProbeOutput:
        return ProbeOutput(value="(dry run)")

    def _answer(self, context: BlockContext, value: Any) -> Any:
        self.calls.append((context.call.tool_call_id, value))
        answer = self._act(context, value) if self._act else value
        return answer if isinstance(answer, Wait | BlockOutput) else ProbeOutput(value=answer)


class Send(Probe):
    """The same with an effect outside: it must not happen twice. Graphs name it `send`."""

    id = OWN["send"]
    name = "Send"
    side_effect = True


class Paid(Probe):
    """The same for 3 credits. Graphs name it `paid`."""

    id = OWN["paid"]
    name = "Paid"
    price_credits = 3
