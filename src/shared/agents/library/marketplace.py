"""Agents that users have published for all users of the deployment, and those that Parley ships.

| record    | pk                            | sk              | notes                                              |
|-----------|-------------------------------|-----------------|----------------------------------------------------|
| username  | `STORE_USERNAME#{username}`   | `META`          | whose it is; taken once                            |
| publisher | `USER#{id}`                   | `STORE_PROFILE` | the user's username, which never changes; how many |
|           |                               |                 | they have `published`                              |
| published | `STORE#{username}`            | `AGENT#{slug}`  | on GSI1 under `STORE`, the last published first;   |
|           |                               |                 | `title` is the name and the description's beginning |

What is published is a copy: a graph of its own, whose versions stay when its publisher changes or deletes the agent, or
withdraws it. A withdrawn one keeps its record, so that its versions are counted on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from shared.agents.graphs.model import Graph
from shared.agents.library.matching import Candidate, matches
from shared.agents.library.records import LibraryAgent
from shared.agents.library.shipped import Shipped, shipped_agent, shipped_agents
from shared.agents.library.slugs import RESERVED_USERNAMES, is_slug
from shared.agents.library.versions import GraphVersions, Version
from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Item, Key, Put, Update
from shared.kernel.clock import Clock, iso, to_millis
from shared.kernel.cursors import cursor_of, place_of
from shared.kernel.errors import Conflict, Invalid, LimitReached, NotFound
from shared.kernel.ids import derived_id
from shared.kernel.telemetry import log_event

RECORD_VERSION = 1
MAX_PUBLISHED = 100
"""By one user, withdrawn ones included."""
MOST_SEARCHED = 5_000
"""How many published agents one search looks at, the last published first."""
_SUMMARY_CHARACTERS = 300
_NEW = "attribute_not_exists(#pk)"


@dataclass(frozen=True)
class Listed:
    """A published agent as a list shows it."""

    slug: str
    """`username/agent-slug`."""
    name: str
    summary: str
    """How its description begins."""
    updated_at: int

    @property
    def id(self) -> str:
        """Of its graph."""
        return derived_id("published-graph", self.slug)

    def public(self) -> dict[str, Any]:
        """What the API shows."""
        return {
            "id": self.id,
            "slug": self.slug,
            "name": self.name,
            "description": self.summary,
            "updated_at": iso(self.updated_at),
        }


@dataclass(frozen=True)
class Published:
    """A published agent."""

    slug: str
    """`username/agent-slug`."""
    user_id: str
    """Who has published it; empty for those that Parley ships."""
    agent_id: str
    """The agent in its publisher's library."""
    agent_version: int
    """Which version of that agent it was."""
    version: int
    """Counts what was published under this slug."""
    name: str
    description: str
    nodes: int
    created_at: int
    updated_at: int
    withdrawn: bool = False
    graph_id: str = ""

    @property
    def link(self) -> str:
        """Where a person finds it in the console."""
        return f"/#store={self.slug}"

    def listed(self) -> Listed:
        """As a list shows it."""
        return Listed(self.slug, self.name, self.description[:_SUMMARY_CHARACTERS], self.updated_at)

    def as_version(self) -> Version:
        """As a version of those who have added it."""
        return Version(self.version, self.name, self.updated_at, self.nodes)

    def to_item(self) -> Item:
        """The stored form."""
        fields = {name: value for name, value in vars(self).items() if name != "slug"}
        item = {**_published_key(self.slug), "v": RECORD_VERSION, **fields}
        if not self.withdrawn:
            listed = self.listed()
            item |= {
                "gsi1pk": "STORE",
                "gsi1sk": f"{self.updated_at:013d}#{self.slug}",
                "title": f"{listed.name}\n{listed.summary}",
            }
        return item

    @classmethod
    def from_item(cls, item: Item) -> "Published":
        """The record from its stored form."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        return cls(**{**known, "slug": _slug_of(item)})

    @classmethod
    def of_shipped(cls, shipped: Shipped) -> "Published":
        """What Parley ships."""
        graph = shipped.graph
        return cls(
            slug=shipped.slug,
            user_id="",
            agent_id="",
            agent_version=shipped.version,
            version=shipped.version,
            name=graph.name,
            description=graph.description,
            nodes=len(graph.nodes),
            created_at=shipped.published_at,
            updated_at=shipped.published_at,
            graph_id=_graph_id(shipped.slug),
        )


class Marketplace:
    """All published agents."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._versions = GraphVersions(database, clock)

    def username(self, user_id: str) -> str | None:
        """Under which name the user publishes."""
        item = self._database.get(_publisher_key(user_id))
        return str(item["username"]) if item else None

    def claim(self, user_id: str, username: str) -> str:
        """Take a username, once and for good; the same again is fine.

        Raises:
            Invalid: it is reserved.
            Conflict: it is somebody else's, or the user has another one.
        """
        if username in RESERVED_USERNAMES:
            raise Invalid("This username is reserved.", code="USERNAME_RESERVED")
        now = to_millis(self._clock.now())
        record: Item = {"v": RECORD_VERSION, "created_at": now}
        name = Put(
            {"pk": f"STORE_USERNAME#{username}", "sk": "META", "user_id": user_id, **record},
            condition=f"{_NEW} OR #user_id = :user",
            values={"user": user_id},
        )
        profile = Put(
            {**_publisher_key(user_id), "username": username, **record},
            condition=f"{_NEW} OR #username = :name",
            values={"name": username},
        )
        try:
            self._database.transact([name, profile])
        except TransactionFailed as failure:
            if 1 in failure.failed:
                raise Conflict("You have a username; it doesn't change.", code="USERNAME_FIXED") from failure
            raise Conflict("This username is taken.", code="USERNAME_TAKEN") from failure
        return username

    def publish(self, agent: LibraryAgent, graph: Graph, agent_slug: str) -> Published:
        """Publish the version that runs, `graph`, under the user's name; what was published there is replaced.

        The same version again changes nothing. The graph has been validated.

        Raises:
            Conflict: the user has no username yet, another agent has the slug, the agent's graph is not the user's own,
                or two publish at once.
            LimitReached: the user has published as many as one may.
        """
        if not agent.owns_graph:
            message = "This agent was published by somebody else; change it, and it is your own."
            raise Conflict(message, code="NOT_YOUR_GRAPH")
        username = self.username(agent.user_id)
        if username is None:
            raise Conflict("Claim a username first.", code="USERNAME_MISSING")
        slug = f"{username}/{agent_slug}"
        before = self._record(slug)
        if before is not None and before.agent_id != agent.id and not before.withdrawn:
            raise Conflict("Another agent is published under this slug; choose another.", code="SLUG_TAKEN")
        news = self._next(slug, agent, graph, before)
        if before is not None and before == replace(news, version=before.version, updated_at=before.updated_at):
            return before
        as_seen = Put(
            news.to_item(),
            condition="#version = :seen AND #withdrawn = :withdrawn" if before else _NEW,
            values={"seen": before.version, "withdrawn": before.withdrawn} if before else {},
        )
        counted = [] if before else [_one_more(agent.user_id)]
        try:
            self._database.transact([as_seen, *self._versions.puts(news.graph_id, news.version, graph), *counted])
        except TransactionFailed as failure:
            if counted and 0 not in failure.failed:
                message = f"A user may publish {MAX_PUBLISHED} agents."
                raise LimitReached(message, code="TOO_MANY_PUBLISHED", details={"limit": MAX_PUBLISHED}) from failure
            raise Conflict("It was published meanwhile; look again.", code="PUBLISHED_MEANWHILE") from failure
        log_event("agent.published", user_id=agent.user_id, library_agent_id=agent.id)
        return news

    def withdraw(self, user_id: str, slug: str) -> None:
        """Take it out of the marketplace; those who have added it go on with it.

        Raises:
            NotFound: the user has published nothing under that slug.
            Conflict: it is being published again.
        """
        before = self._record(slug)
        if before is None or before.withdrawn or before.user_id != user_id:
            raise _not_found()
        gone = replace(before, withdrawn=True, updated_at=to_millis(self._clock.now()))
        as_seen = Put(gone.to_item(), condition="#version = :seen", values={"seen": before.version})
        try:
            self._database.transact([as_seen])
        except TransactionFailed as failure:
            raise Conflict("It was published meanwhile; look again.", code="PUBLISHED_MEANWHILE") from failure
        log_event("agent.withdrawn", user_id=user_id, library_agent_id=before.agent_id)

    def find(self, slug: str) -> Published | None:
        """What is published under `username/agent-slug`."""
        slug = slug.strip().lower()
        shipped = shipped_agent(slug)
        if shipped is not None:
            return Published.of_shipped(shipped)
        found = self._record(slug)
        return found if found and not found.withdrawn else None

    def get(self, slug: str) -> Published:
        """The same.

        Raises:
            NotFound: there is none.
        """
        found = self.find(slug)
        if found is None:
            raise _not_found()
        return found

    def graph(self, published: Published) -> Graph:
        """Its graph.

        Raises:
            NotFound: it is gone.
        """
        shipped = shipped_agent(published.slug)
        if shipped is not None and shipped.version == published.version:
            return shipped.graph
        return self._versions.graph(published.graph_id, published.version)

    def pin(self, published: Published) -> None:
        """See to it that this version stays, also when Parley ships another one."""
        if published.user_id or self._versions.find(published.graph_id, published.version):
            return
        try:
            self._database.transact(self._versions.puts(published.graph_id, published.version, self.graph(published)))
        except TransactionFailed:  # somebody else was quicker
            return

    def page(self, limit: int, cursor: str | None = None) -> tuple[list[Listed], str | None]:
        """Up to `limit` published agents and the cursor of the next page: Parley's, then the last published first.

        The index is eventually consistent: what was published an instant ago may be missing.

        Raises:
            Invalid: the cursor is not one that this list has given.
        """
        found = list(islice(self._behind(cursor, limit + 1), limit + 1))
        return found[:limit], cursor_of(_sort_key(found[limit - 1])) if len(found) > limit else None

    def search(self, query: str, limit: int) -> list[Listed]:
        """Those that fit best, the best first; what the query names by slug or id, alone."""
        wanted = query.strip()
        if "/" in wanted and (named := self.find(wanted)):
            return [named.listed()]
        listed = list(islice(self._behind(None, None), MOST_SEARCHED))
        if named_by_id := [one for one in listed if one.id == wanted.upper()]:
            return named_by_id
        candidates = [Candidate(one, one.name, f"{one.summary} {one.slug}") for one in listed]
        return [match.item for match in matches(query, candidates, limit)]

    def _behind(self, cursor: str | None, portion: int | None) -> Iterator[Listed]:
        place = str(place_of(cursor, str)[0]) if cursor else None
        shipped = [Published.of_shipped(one).listed() for one in shipped_agents()]
        places = [_sort_key(one) for one in shipped]
        if place is None or place in places:
            rest = shipped[places.index(place) + 1 :] if place else shipped
            return chain(rest, self._published_behind(None, portion))
        return self._published_behind(place, portion)

    def _published_behind(self, place: str | None, portion: int | None) -> Iterator[Listed]:
        start = _start_key(place) if place else None
        items = self._database.query(
            "#gsi1pk = :store", {"store": "STORE"}, index="GSI1", forward=False, portion=portion, start=start
        )
        for item in items:
            name, _, summary = item["title"].partition("\n")
            yield Listed(_slug_of(item), name, summary, int(item["gsi1sk"].split("#", 1)[0]))

    def _next(self, slug: str, agent: LibraryAgent, graph: Graph, before: Published | None) -> Published:
        now = to_millis(self._clock.now())
        return Published(
            slug=slug,
            user_id=agent.user_id,
            agent_id=agent.id,
            agent_version=agent.version,
            version=before.version + 1 if before else 1,
            name=graph.name,
            description=graph.description,
            nodes=len(graph.nodes),
            created_at=before.created_at if before else now,
            updated_at=now,
            graph_id=_graph_id(slug),
        )

    def _record(self, slug: str) -> Published | None:
        if not is_slug(slug):
            return None
        item = self._database.get(_published_key(slug))
        return Published.from_item(item) if item else None


def _one_more(user_id: str) -> Update:
    return Update(
        _publisher_key(user_id),
        "ADD #published :one",
        condition="attribute_not_exists(#published) OR #published < :most",
        values={"one": 1, "most": MAX_PUBLISHED},
    )


def _graph_id(slug: str) -> str:
    return derived_id("published-graph", slug)


def _publisher_key(user_id: str) -> Key:
    return {"pk": f"USER#{user_id}", "sk": "STORE_PROFILE"}


def _published_key(slug: str) -> dict[str, str]:
    username, _, agent_slug = slug.partition("/")
    return {"pk": f"STORE#{username}", "sk": f"AGENT#{agent_slug}"}


def _slug_of(item: Item) -> str:
    return f"{str(item['pk']).removeprefix('STORE#')}/{str(item['sk']).removeprefix('AGENT#')}"


def _sort_key(listed: Listed) -> str:
    return f"{listed.updated_at:013d}#{listed.slug}"


def _start_key(place: str) -> Item:
    millis, _, slug = place.partition("#")
    if not millis.isdigit() or not is_slug(slug):
        raise Invalid("The cursor is not one that this list has given.", code="invalid_cursor")
    return {**_published_key(slug), "gsi1pk": "STORE", "gsi1sk": place}


def _not_found() -> NotFound:
    return NotFound("Nothing is published under that name.", code="STORE_AGENT_NOT_FOUND")
