"""Whether what was sent as an agent is one, after the repairs that need no guessing."""

from dataclasses import dataclass, field
from typing import Any

from shared.agents.building.graph_answers import graph_in
from shared.agents.graphs.fixes import fixed
from shared.agents.graphs.model import Graph
from shared.agents.graphs.problem import Problem


@dataclass(frozen=True)
class Checked:
    """What came of it."""

    graph: Graph | None
    """None: it has problems."""
    problems: list[str] = field(default_factory=list)
    """Each names its node, and says what to do."""
    fixes: list[str] = field(default_factory=list)
    """What was repaired, one sentence each."""


def checked(sent: Any) -> Checked:
    """Look for a graph in what was sent, repair it, and say what is wrong with it still."""
    raw = graph_in(sent)
    if raw is None:
        return Checked(None, ["It is not a JSON object with nodes and links."])
    done = fixed(raw)
    return Checked(done.graph if done.sound else None, [_told(problem) for problem in done.problems], done.applied)


def _told(problem: Problem) -> str:
    where = f"Node {problem.node_id}: " if problem.node_id else ""
    return f"{where}{problem.message} ({problem.code})"
