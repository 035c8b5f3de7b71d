"""Whether what was sent as an agent is one, after the repairs that need no guessing."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.agents.blocks.registry import AnyBlock
from shared.agents.building.graph_answers import graph_in
from shared.agents.graphs.model import Graph
from shared.agents.graphs.problem import Problem


@dataclass(frozen=True)
class Checked:
    """What came of it."""

    graph: Graph | None
    """None: it has problems."""
    problems: list[Problem] = field(default_factory=list)
    fixes: list[str] = field(default_factory=list)
    """What was repaired, one sentence each."""

    @property
    def told(self) -> list[str]:
        """The problems in words."""
        return [f"{f'Node {one.node_id}: ' if one.node_id else ''}{one.message}" for one in self.problems]

    def listed(self, most: int) -> list[dict[str, str]]:
        """The first problems as JSON."""
        return [asdict(one) for one in self.problems[:most]]


def checked(sent: Any, blocks: Iterable[AnyBlock]) -> Checked:
    """Look for a graph of `blocks` in what was sent, repair it, and say what is wrong with it still."""
    from shared.agents.graphs.fixes import fixed  # knows blocks, which no cold start should pay for

    raw = graph_in(sent)
    if raw is None:
        return Checked(None, [Problem("malformed", "", "It is not a JSON object with nodes and links.")])
    done = fixed(raw, blocks)
    return Checked(done.graph if done.sound else None, done.problems, done.applied)
