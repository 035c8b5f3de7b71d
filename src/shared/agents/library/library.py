"""Keeping users' agents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.agents.graphs.model import Graph
from shared.agents.library.marketplace import Marketplace, Published
from shared.agents.library.matching import Candidate, matches
from shared.agents.library.records import MAX_AGENTS, LibraryAgent, library_key, one_less, one_more
from shared.agents.library.versions import GraphVersions, Version, may_be_chosen
from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Delete, Put, Write
from shared.kernel.clock import Clock, to_millis
from shared.kernel.cursors import cursor_of, place_of
from shared.kernel.errors import Conflict, LimitReached, NotFound
from shared.kernel.ids import derived_id
from shared.kernel.telemetry import log_event

KEPT_VERSIONS = 100
"""Of an agent: older ones go."""
_FIRST_VERSION = 1
_NEW = "attribute_not_exists(#pk)"


@dataclass(frozen=True)
class Page:
    """A part of a library, the last updated first."""

    agents: Sequence[LibraryAgent]
    next_cursor: str | None


class Library:
    """The agents of all users; each method looks only at those of the user that it is given."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._versions = GraphVersions(database, clock)
        self._marketplace = Marketplace(database, clock)

    def create(self, user_id: str, graph: Graph, agent_id: str) -> LibraryAgent:
        """Put a new agent with its first version; the same id again answers with what is there.

        Raises:
            TooLarge: the graph has more bytes than can be kept.
            LimitReached: the user has as many agents as one may have.
            NotFound: there was an agent of that id, which has been deleted.
        """
        now = to_millis(self._clock.now())
        graph_id = derived_id("graph", user_id, agent_id)
        agent = LibraryAgent(
            agent_id,
            user_id,
            graph_id,
            _FIRST_VERSION,
            graph.name,
            graph.description,
            now,
            now,
            latest_version=_FIRST_VERSION,
        )
        return self._added(agent, self._versions.puts(graph_id, _FIRST_VERSION, graph))

    def add_published(self, user_id: str, slug: str) -> LibraryAgent:
        """The user's agent for `username/agent-slug`: the one that they have, their own if they have published it, or a
        new one.

        It stays with the version that is published now, and goes on working when that is withdrawn.

        Raises:
            NotFound: nothing is published under that slug, and the user has not added it before.
            LimitReached: the user has as many agents as one may have.
        """
        known = self.by_slug(user_id, slug)
        if known is not None:
            return known
        published = self._marketplace.get(slug)
        self._marketplace.pin(published)
        now = to_millis(self._clock.now())
        agent = LibraryAgent(
            _id_of_published(user_id, published.slug),
            user_id,
            published.graph_id,
            published.version,
            published.name,
            published.description,
            now,
            now,
            owns_graph=False,
            slug=published.slug,
        )
        return self._added(agent, [])

    def get(self, user_id: str, agent_id: str) -> LibraryAgent:
        """The agent.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        item = self._database.get(library_key(user_id, agent_id))
        if item is None:
            raise _not_found()
        return LibraryAgent.from_item(item)

    def by_slug(self, user_id: str, slug: str) -> LibraryAgent | None:
        """The user's agent that was added from `username/agent-slug`, or that they have published there themselves."""
        wanted = slug.strip().lower()
        item = self._database.get(library_key(user_id, _id_of_published(user_id, wanted)))
        if item is None:
            published = self._marketplace.find(wanted)
            if published is None or published.user_id != user_id:
                return None
            item = self._database.get(library_key(user_id, published.agent_id))
        return LibraryAgent.from_item(item) if item else None

    def by_graph(self, user_id: str, graph_id: str) -> LibraryAgent | None:
        """The user's agent that runs that graph; of several, the last updated."""
        return next((agent for agent in self._all(user_id) if agent.graph_id == graph_id), None)

    def page(self, user_id: str, limit: int, cursor: str | None = None) -> Page:
        """Up to `limit` agents, the last updated first.

        Raises:
            Invalid: the cursor is not one that this list has given.
        """
        before = tuple(place_of(cursor, int, str)) if cursor else None
        agents = [agent for agent in self._all(user_id) if before is None or _place(agent) < before]
        following = cursor_of(*_place(agents[limit - 1])) if len(agents) > limit else None
        return Page(agents[:limit], following)

    def search(self, user_id: str, query: str, limit: int) -> list[LibraryAgent]:
        """The user's agents that fit best, the best first; what the query names by id or slug, alone."""
        agents, wanted = self._all(user_id), query.strip()
        named = [agent for agent in agents if wanted.upper() in {agent.id, agent.graph_id}]
        named = named or [agent for agent in agents if agent.slug and agent.slug == wanted.lower()]
        if named:
            return named[:limit]
        candidates = [Candidate(agent, agent.name, agent.description) for agent in agents]
        return [match.item for match in matches(query, candidates, limit)]

    def save(self, agent: LibraryAgent, graph: Graph) -> LibraryAgent:
        """Put a further version, which runs from now on; a graph that isn't the user's own is copied.

        Raises:
            Conflict: somebody has changed the agent since it was read.
            TooLarge: the graph has more bytes than can be kept.
        """
        own = agent.owns_graph
        # An agent may be added again after it was deleted: its copy is another one then.
        graph_id = agent.graph_id if own else derived_id("graph", agent.user_id, agent.id, str(agent.created_at))
        version = max(agent.version, agent.latest_version) + 1 if own else _FIRST_VERSION
        news = replace(
            agent,
            graph_id=graph_id,
            owns_graph=True,
            version=version,
            latest_version=version,
            name=graph.name,
            description=graph.description,
        )
        saved = self._changed(agent, news, self._versions.puts(graph_id, version, graph))
        if version > KEPT_VERSIONS:
            self._versions.expire(graph_id, range(version - KEPT_VERSIONS, version - KEPT_VERSIONS + 1))
        return saved

    def change(
        self, agent: LibraryAgent, name: str | None = None, description: str | None = None, version: int | None = None
    ) -> LibraryAgent:
        """Give it another name, description or version that runs; None leaves each as it is.

        One whose graph is published has the version that it has, and the one that is published now.

        Raises:
            Conflict: somebody has changed the agent since it was read.
            NotFound: there is no such version.
        """
        news = replace(
            agent,
            name=agent.name if name is None else name,
            description=agent.description if description is None else description,
        )
        if version is None or version == agent.version:
            return self._changed(agent, news, [])
        if agent.owns_graph:
            if self._versions.find(agent.graph_id, version) is None:
                raise _no_such_version()
            news = replace(news, version=version, latest_version=max(agent.version, agent.latest_version))
            return self._changed(agent, news, [may_be_chosen(agent.graph_id, version)])
        published = self._published(agent)
        if published is None or published.version != version:
            raise _no_such_version()
        self._marketplace.pin(published)
        return self._changed(agent, replace(news, graph_id=published.graph_id, version=version), [])

    def delete(self, agent: LibraryAgent, also: Sequence[Write] = ()) -> None:
        """Delete it in one transaction with `also`, and in the end the graph that is its own.

        Raises:
            NotFound: it was deleted meanwhile.
            Conflict: one of `also` was refused, and nothing was deleted.
        """
        gone = Delete(
            library_key(agent.user_id, agent.id),
            condition="#created_at = :created",
            values={"created": agent.created_at},
        )
        try:
            self._database.transact([gone, one_less(agent.user_id), *also])
        except TransactionFailed as failure:
            if 0 in failure.failed or not failure.failed:  # somebody else was quicker
                raise _not_found() from failure
            raise _changed_meanwhile() from failure
        log_event("agent.deleted", user_id=agent.user_id, library_agent_id=agent.id)
        if agent.owns_graph:
            self._versions.expire(agent.graph_id)

    def versions(self, agent: LibraryAgent, limit: int, before: int | None = None) -> list[Version]:
        """Up to `limit` versions that it may run, the newest first, below the number `before`."""
        if agent.owns_graph:
            return self._versions.page(agent.graph_id, limit, before or 1_000_000)
        published = self._published(agent)
        offered = [self._versions.find(agent.graph_id, agent.version), published.as_version() if published else None]
        found = {version.number: version for version in offered if version}
        return [found[number] for number in sorted(found, reverse=True) if before is None or number < before][:limit]

    def graph(self, agent: LibraryAgent) -> Graph:
        """The graph that runs.

        Raises:
            NotFound: it is gone.
        """
        return self._versions.graph(agent.graph_id, agent.version)

    def exported(self, agent: LibraryAgent) -> Graph:
        """The graph that runs, under the name and description that the agent has now: to be edited, or shared.

        Raises:
            NotFound: it is gone.
        """
        return self.graph(agent).model_copy(update={"name": agent.name, "description": agent.description})

    def _published(self, agent: LibraryAgent) -> Published | None:
        return self._marketplace.find(agent.slug) if agent.slug else None

    def _all(self, user_id: str) -> list[LibraryAgent]:
        """The last updated first; there are `MAX_AGENTS` at most."""
        values = {"pk": f"LIBRARY#{user_id}", "agents": "AGENT#"}
        items = self._database.query("#pk = :pk AND begins_with(#sk, :agents)", values)
        return sorted(map(LibraryAgent.from_item, items), key=_place, reverse=True)

    def _added(self, agent: LibraryAgent, more: Sequence[Put]) -> LibraryAgent:
        writes: list[Write] = [Put(agent.to_item(), condition=_NEW), one_more(agent.user_id), *more]
        try:
            self._database.transact(writes)
        except TransactionFailed as failure:
            if failure.failed.keys() == {1}:  # there is no such agent, but no room for it either
                message = f"A library holds {MAX_AGENTS} agents; delete some first."
                raise LimitReached(message, code="TOO_MANY_AGENTS", details={"limit": MAX_AGENTS}) from failure
            return self.get(agent.user_id, agent.id)
        log_event("agent.created", user_id=agent.user_id, library_agent_id=agent.id)
        return agent

    def _changed(self, seen: LibraryAgent, news: LibraryAgent, more: Sequence[Write]) -> LibraryAgent:
        changed = replace(news, updated_at=to_millis(self._clock.now()), revision=seen.revision + 1)
        as_seen = Put(
            changed.to_item(),
            condition="#created_at = :created AND #revision = :seen",
            values={"created": seen.created_at, "seen": seen.revision},
        )
        try:
            self._database.transact([as_seen, *more])
        except TransactionFailed as failure:
            raise _changed_meanwhile() from failure
        log_event("agent.changed", user_id=seen.user_id, library_agent_id=seen.id)
        return changed


def _place(agent: LibraryAgent) -> tuple[int, str]:
    return agent.updated_at, agent.id


def _id_of_published(user_id: str, slug: str) -> str:
    return derived_id("library-agent", user_id, slug)


def _not_found() -> NotFound:
    return NotFound("There is no such agent in the library.", code="AGENT_NOT_FOUND")


def _changed_meanwhile() -> Conflict:
    return Conflict("The agent was changed meanwhile; look at it again.", code="AGENT_CHANGED")


def _no_such_version() -> NotFound:
    return NotFound("The agent has no such version.", code="VERSION_NOT_FOUND")
