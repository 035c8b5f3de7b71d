"""Which accounts an agent needs, and the agents that it runs; knows blocks, so it is imported when it is needed."""

from collections.abc import Iterator
from contextlib import suppress

from shared.agents.blocks.library.run_agent import RunAgent
from shared.agents.blocks.registry import shipped_block
from shared.agents.graphs.model import Graph
from shared.agents.graphs.schemas import FindBlock, execution_modes, input_schema, providers_of
from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.agents.setup import Accounts, SetupSubject, setup_needed
from shared.kernel.errors import Conflict, NotFound
from shared.tasks.lineage import MAX_DEPTH

_MOST_AGENTS = 20
"""How many are looked into: a request should not read a whole library."""


def providers_needed(library: Library, user_id: str, graph: Graph, find_block: FindBlock = shipped_block) -> list[str]:
    """The providers of which a user must have connected an account, in alphabetical order.

    Agents that are run count as far as the graphs name them: one whose id a link brings is known in the run alone.
    """
    found = {*providers_of(graph, find_block)}
    for nested in _nested(library, user_id, graph):
        found |= {*providers_of(nested, find_block)}
    return sorted(found)


def require_accounts(
    library: Library, accounts: Accounts | None, agent: LibraryAgent, graph: Graph, refused: str
) -> None:
    """Return if the agent's user has connected all that it needs; None: this deployment keeps no accounts.

    Raises:
        Conflict: something is missing; the message begins with `refused`, the details name it.
    """
    needed = providers_needed(library, agent.user_id, graph)
    missing = needed if accounts is None else accounts.missing(agent.user_id, needed)
    if not missing:
        return
    subject = SetupSubject(agent.graph_id, agent.name, needed, input_schema(graph), execution_modes(graph))
    setup = setup_needed(subject, missing).model_dump(mode="json", include={"setup_info", "connect_links"})
    message = f"{refused}: connect {', '.join(missing)} first."
    raise Conflict(message, code="credentials_missing", details={"missing": list(missing), **setup})


def _nested(library: Library, user_id: str, graph: Graph) -> Iterator[Graph]:
    """The graphs of the agents that it runs, and of those that they run, as deep as runs go; each once."""
    level, seen = [graph], set[str]()
    for _ in range(MAX_DEPTH):
        named = [agent_id for one in level for agent_id in _named(one)]
        level = []
        for agent_id in dict.fromkeys(named):
            if agent_id in seen or len(seen) >= _MOST_AGENTS:
                continue
            seen.add(agent_id)
            with suppress(NotFound):  # the run will say so
                level.append(library.graph(library.get(user_id, agent_id)))
        yield from level


def _named(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        agent_id = node.input_default.get("library_agent_id")
        if node.block_id == RunAgent.id and isinstance(agent_id, str) and agent_id:
            yield agent_id
