"""Keeping users' agents."""

from shared.agents.graphs.model import MAX_GRAPH_BYTES, Graph
from shared.agents.library.records import (
    MAX_STORED_BYTES,
    RECORD_VERSION,
    LibraryAgent,
    deflated,
    inflated,
    library_key,
    version_key,
)
from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Put
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Conflict, NotFound, TooLarge
from shared.kernel.ids import derived_id

_FIRST_VERSION = 1


class Library:
    """The agents of all users; each method looks only at those of the user that it is given."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, user_id: str, graph: Graph, agent_id: str) -> LibraryAgent:
        """Put a new agent with its first version; the same id again answers with what is there.

        Raises:
            TooLarge: the graph has more bytes than can be kept.
        """
        now = to_millis(self._clock.now())
        graph_id = derived_id("graph", user_id, agent_id)
        agent = LibraryAgent(agent_id, user_id, graph_id, _FIRST_VERSION, graph.name, graph.description, now, now)
        new = "attribute_not_exists(#pk)"
        try:
            self._database.transact(
                [Put(agent.to_item(), condition=new), self._version(graph_id, _FIRST_VERSION, graph, now)]
            )
        except TransactionFailed:
            return self.get(user_id, agent_id)
        return agent

    def get(self, user_id: str, agent_id: str) -> LibraryAgent:
        """The agent.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        item = self._database.get(library_key(user_id, agent_id))
        if item is None:
            raise NotFound("There is no such agent in the library.", code="AGENT_NOT_FOUND")
        return LibraryAgent.from_item(item)

    def save(self, agent: LibraryAgent, graph: Graph) -> LibraryAgent:
        """Put a further version, which runs from now on; a graph that isn't the user's own is copied.

        Raises:
            Conflict: somebody has changed the agent since it was read.
            TooLarge: the graph has more bytes than can be kept.
        """
        now = to_millis(self._clock.now())
        own = agent.owns_graph
        graph_id = agent.graph_id if own else derived_id("graph", agent.user_id, agent.id)
        version = agent.version + 1 if own else _FIRST_VERSION
        saved = LibraryAgent(
            id=agent.id,
            user_id=agent.user_id,
            graph_id=graph_id,
            version=version,
            name=graph.name,
            description=graph.description,
            created_at=agent.created_at,
            updated_at=now,
            slug=agent.slug,
        )
        unchanged = Put(
            saved.to_item(),
            condition="#graph_id = :graph AND #version = :seen",
            values={"graph": agent.graph_id, "seen": agent.version},
        )
        try:
            self._database.transact([unchanged, self._version(graph_id, version, graph, now)])
        except TransactionFailed as failure:
            message = "The agent was changed meanwhile; look at it again."
            raise Conflict(message, code="AGENT_CHANGED") from failure
        return saved

    def graph(self, agent: LibraryAgent) -> Graph:
        """The graph that runs.

        Raises:
            NotFound: it is gone.
        """
        item = self._database.get(version_key(agent.graph_id, agent.version))
        if item is None:
            raise NotFound("The agent's graph is gone.", code="GRAPH_NOT_FOUND")
        return inflated(item["graph"])

    def _version(self, graph_id: str, version: int, graph: Graph, now: int) -> Put:
        stored = deflated(graph)
        if len(stored) > MAX_STORED_BYTES or len(graph.model_dump_json().encode()) > MAX_GRAPH_BYTES:
            raise TooLarge("The graph is larger than 1 MB, or can't be packed enough.", code="GRAPH_TOO_LARGE")
        item = {
            **version_key(graph_id, version),
            "v": RECORD_VERSION,
            "name": graph.name,
            "created_at": now,
            "nodes": len(graph.nodes),
            "graph": stored,
        }
        return Put(item, condition="attribute_not_exists(#pk)")
