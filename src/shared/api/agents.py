"""Routes under /api/agents: the caller's library."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, Field, StringConstraints

from shared.accounts.users import User
from shared.agents.graphs.model import MAX_GRAPH_BYTES
from shared.agents.library.library import Library
from shared.agents.library.matching import MAX_QUERY_CHARACTERS
from shared.agents.library.records import LibraryAgent
from shared.agents.setup import Accounts
from shared.api.bodies import read_body
from shared.api.callers import not_a_guest
from shared.api.parameters import MAX_ID_CHARACTERS, Cursor, Limit
from shared.api.threads import in_thread
from shared.chat.requests import Body, parse_json, validated
from shared.chat.services import Services
from shared.kernel.cursors import cursor_of, place_of
from shared.kernel.errors import Conflict, NotFound
from shared.runs import deleting
from shared.runs.hooks import check_hook, delete_hook, load_hook, put_hook

MAX_VERSION = 999_999
MAX_DOCUMENT_BYTES = MAX_GRAPH_BYTES + 64_000
"""A graph, and what an export says around it."""


def _on_one_line(name: str) -> str:
    if len(name.splitlines()) > 1:
        raise ValueError("must be on one line")
    return name


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_on_one_line)
]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
Search = Annotated[str, Query(max_length=MAX_QUERY_CHARACTERS)]


class NewAgent(Body):
    """POST /api/agents."""

    graph: dict[str, Any] = Field(description="Nodes, links, name and description.")


class ChangedGraph(Body):
    """PUT /api/agents/{id}/graph."""

    graph: dict[str, Any]
    version: int = Field(ge=1, le=MAX_VERSION, description="The one that was changed.")


class Webhook(Body):
    """PUT /api/agents/{id}/webhook."""

    url: Annotated[
        str,
        StringConstraints(strip_whitespace=True, max_length=2_048),
        Field(description="https, on the public internet, with a host name, not an IP address."),
    ]


class ChangedAgent(Body):
    """PATCH /api/agents/{id}: what is left out stays."""

    name: Name | None = None
    description: Description | None = None
    version: int | None = Field(default=None, ge=1, le=MAX_VERSION, description="The one that runs from now on.")


def agents_router(services: Services, signed_in: Callable[..., User], accounts: Accounts | None) -> APIRouter:
    """The routes; `signed_in` finds the caller, `accounts` knows what users have connected: None, if nobody can."""

    async def owner(request: Request, user: Annotated[User, Depends(signed_in)]) -> User:
        """The caller, if they may have agents; an id longer than any of ours is not looked up."""
        not_a_guest(user)
        if len(request.path_params.get("agent_id", "")) > MAX_ID_CHARACTERS:
            raise NotFound("There is no such agent in the library.", code="AGENT_NOT_FOUND")
        return user

    router = APIRouter(prefix="/api/agents", tags=["agents"])
    library = Library(services.database, services.clock)
    caller = Annotated[User, Depends(owner)]
    _add_creating(router, library, services, caller)
    _add_reading(router, library, caller)
    _add_changing(router, library, services, caller)
    _add_webhook(router, library, services, accounts, caller)
    return router


def _add_creating(router: APIRouter, library: Library, services: Services, caller: Any) -> None:
    def create(user: User, raw: Any) -> dict[str, Any]:
        from shared.agents.library.described import sound_graph

        return _details(library, library.create(user.id, sound_graph(raw), services.ids.new()))

    def take_in(user: User, raw: Any) -> dict[str, Any]:
        from shared.agents.graphs.transfer import imported
        from shared.agents.library.described import unsound

        done = imported(raw)
        if done.graph is None or done.problems:
            raise unsound(done.problems)
        agent = library.create(user.id, done.graph, services.ids.new())
        return {**_details(library, agent), "fixes_applied": done.applied}

    @router.post("", status_code=201)
    async def create_agent(request: Request, user: caller) -> dict[str, Any]:
        """Put a new agent into the library."""
        body: NewAgent = validated(NewAgent, parse_json(await read_body(request)))
        return await in_thread(lambda: create(user, body.graph))

    @router.post("/import", status_code=201)
    async def import_agent(request: Request, user: caller) -> dict[str, Any]:
        """The same for what an export has answered, or a bare graph: repaired, if it has to be."""
        raw = parse_json(await read_body(request, MAX_DOCUMENT_BYTES), MAX_DOCUMENT_BYTES)
        return await in_thread(lambda: take_in(user, raw))


def _add_reading(router: APIRouter, library: Library, caller: Any) -> None:
    @router.get("")
    def list_agents(user: caller, limit: Limit = 50, cursor: Cursor = None, query: Search = "") -> dict[str, Any]:
        """The caller's agents, the last updated first; with `query`, those that fit, the best first, on one page."""
        if query.strip():
            found = library.search(user.id, query, limit)
            return {"agents": [agent.public() for agent in found], "next_cursor": None}
        page = library.page(user.id, limit, cursor)
        return {"agents": [agent.public() for agent in page.agents], "next_cursor": page.next_cursor}

    @router.get("/{agent_id}")
    def read_agent(agent_id: str, user: caller, include_graph: bool = False) -> dict[str, Any]:
        """An agent with what it asks for, answers and needs."""
        return _details(library, library.get(user.id, agent_id), include_graph=include_graph)

    @router.get("/{agent_id}/versions")
    def list_versions(agent_id: str, user: caller, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
        """The versions that may run, the newest first."""
        before = int(place_of(cursor, int)[0]) if cursor else None
        agent = library.get(user.id, agent_id)
        found = library.versions(agent, limit + 1, before)
        following = cursor_of(found[limit - 1].number) if len(found) > limit else None
        shown = [{**version.public(), "runs": version.number == agent.version} for version in found[:limit]]
        return {"versions": shown, "next_cursor": following}

    @router.get("/{agent_id}/export")
    def export_agent(agent_id: str, user: caller) -> dict[str, Any]:
        """The version that runs as a document without the values of secret inputs, to be kept or imported."""
        from shared.agents.graphs.transfer import exported  # knows blocks, as below

        return exported(library.exported(library.get(user.id, agent_id)))


def _add_changing(router: APIRouter, library: Library, services: Services, caller: Any) -> None:
    def save(user: User, agent_id: str, body: ChangedGraph) -> dict[str, Any]:
        from shared.agents.library.described import sound_graph

        agent = library.get(user.id, agent_id)
        graph = sound_graph(body.graph)
        if agent.version != body.version:
            message = "The agent was changed meanwhile; look at it again."
            raise Conflict(message, code="AGENT_CHANGED", details={"version": agent.version})
        return _details(library, library.save(agent, graph))

    @router.patch("/{agent_id}")
    async def change_agent(agent_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Change the name, the description, or which version runs."""
        body: ChangedAgent = validated(ChangedAgent, parse_json(await read_body(request)))

        def change() -> LibraryAgent:
            return library.change(library.get(user.id, agent_id), body.name, body.description, body.version)

        return (await in_thread(change)).public()

    @router.put("/{agent_id}/graph")
    async def save_graph(agent_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Save a changed graph as a new version, which runs from now on."""
        body: ChangedGraph = validated(ChangedGraph, parse_json(await read_body(request)))
        return await in_thread(lambda: save(user, agent_id, body))

    @router.delete("/{agent_id}", status_code=204)
    def delete_agent(agent_id: str, user: caller) -> None:
        """Delete an agent with its files; runs that are under way are stopped, and all of them stay readable."""
        deleting.delete_agent(services, library, user.id, agent_id)


def _add_webhook(
    router: APIRouter, library: Library, services: Services, accounts: Accounts | None, caller: Any
) -> None:
    database = services.database

    @router.get("/{agent_id}/webhook")
    def read_webhook(agent_id: str, user: caller) -> dict[str, Any]:
        """Where the ends of the agent's runs, and what they ask, are told."""
        library.get(user.id, agent_id)
        return {"url": load_hook(database, user.id, agent_id)}

    @router.put("/{agent_id}/webhook")
    async def put_webhook(agent_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Tell them there from now on, signed with the caller's `webhook_signing` credential for that host."""
        body: Webhook = validated(Webhook, parse_json(await read_body(request)))

        def put() -> None:
            library.get(user.id, agent_id)
            check_hook(accounts, user.id, body.url)
            put_hook(database, user.id, agent_id, body.url)

        await in_thread(put)
        return {"url": body.url}

    @router.delete("/{agent_id}/webhook", status_code=204)
    def delete_webhook(agent_id: str, user: caller) -> None:
        """Tell nobody any more."""
        library.get(user.id, agent_id)
        delete_hook(database, user.id, agent_id)


def _details(library: Library, agent: LibraryAgent, *, include_graph: bool = False) -> dict[str, Any]:
    from shared.agents.library.accounts import providers_needed  # know blocks: a cold start has no use for them
    from shared.agents.library.described import details_of

    graph = library.exported(agent)
    needed = providers_needed(library, agent.user_id, graph)
    return {
        **agent.public(),
        **details_of(graph),
        "credentials": needed,
        "graph": graph.to_json() if include_graph else None,
    }
