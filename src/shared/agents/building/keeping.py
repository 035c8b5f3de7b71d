"""Saving what was built: once for each call, whatever is repeated."""

from dataclasses import dataclass

from shared.agents.graphs.model import Graph
from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace
from shared.agents.library.records import LibraryAgent
from shared.agents.library.slugs import is_slug
from shared.kernel.errors import Conflict, NotFound, ToolError
from shared.kernel.ids import derived_id
from shared.tools.contract import ToolContext


@dataclass(frozen=True)
class Base:
    """The agent that is changed, as it was when the work began."""

    agent_id: str
    graph_id: str
    version: int


class Keeper:
    """Looks after the agents that are changed, copied and made, in the library of who asks."""

    def __init__(self, library: Library, marketplace: Marketplace) -> None:
        self._library = library
        self._marketplace = marketplace

    def find(self, user_id: str, agent_id: str) -> LibraryAgent:
        """The user's agent of that id, or of that graph.

        Raises:
            ToolError: `agent_not_found`: there is none, or it is somebody else's.
        """
        try:
            return self._library.get(user_id, agent_id)
        except NotFound:
            agent = self._library.by_graph(user_id, agent_id)
        if agent is None:
            raise _not_found("There is no such agent in the library; find_library_agent finds the user's agents.")
        return agent

    def graph(self, agent: LibraryAgent) -> Graph:
        """What is changed. Raises `ToolError` if it is gone."""
        try:
            return self._library.exported(agent)
        except NotFound as error:
            raise _not_found(error.message) from error

    def source(self, user_id: str, written: str) -> Graph:
        """What is copied: a published agent's graph by its slug, or that of the user's own.

        Raises:
            ToolError: `agent_not_found`.
        """
        slug = written.lower()
        if not is_slug(slug):
            return self.graph(self.find(user_id, written))
        try:
            return self._marketplace.graph(self._marketplace.get(slug))
        except NotFound as error:
            raise _not_found(f"{error.message} find_agent finds published agents.") from error

    def add(self, context: ToolContext, graph: Graph) -> LibraryAgent:
        """Put it into the library as a new agent.

        Raises:
            UserInputError: the library doesn't take it.
        """
        return self._library.create(context.user_id, graph, derived_id("built", context.task_id, context.tool_call_id))

    def change(self, user_id: str, base: Base, graph: Graph) -> LibraryAgent:
        """Put a further version of an agent that nobody has changed since; the version that runs stays if it is equal.

        Secrets that it has stay, unless others are given: whoever has built upon it was not shown them.

        Raises:
            UserInputError: the library doesn't take it, or somebody has changed the agent.
        """
        from shared.agents.graphs.secrets import with_secrets_of  # knows blocks, which no cold start should pay for

        agent = self._library.get(user_id, base.agent_id)
        before = self._library.exported(agent)
        graph = with_secrets_of(graph, before)
        if before == graph:
            return agent
        if (agent.graph_id, agent.version) != (base.graph_id, base.version):
            message = "The agent was changed while this was being built; look at it again."
            raise Conflict(message, code="AGENT_CHANGED")
        return self._library.save(agent, graph)


def _not_found(message: str) -> ToolError:
    return ToolError(message, code="agent_not_found")
