"""Routes under /api/store: the marketplace."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints

from shared.accounts.users import User
from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace, Published
from shared.agents.library.slugs import MAX_SLUG_CHARACTERS, SLUG_PATTERN, USERNAME_PATTERN, slug_from
from shared.api.agents import Search
from shared.api.bodies import read_body
from shared.api.callers import not_a_guest
from shared.api.parameters import MAX_ID_CHARACTERS, Cursor, Limit
from shared.api.threads import in_thread
from shared.chat.requests import Body, parse_json, validated
from shared.chat.services import Services
from shared.kernel.clock import iso
from shared.kernel.errors import Invalid, NotFound

Username = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=32, pattern=USERNAME_PATTERN)
]
AgentSlug = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SLUG_CHARACTERS, pattern=SLUG_PATTERN)]


class StoreProfile(Body):
    """PUT /api/store/profile."""

    username: Username


class Publication(Body):
    """POST /api/store."""

    library_agent_id: str = Field(min_length=1, max_length=MAX_ID_CHARACTERS)
    slug: AgentSlug | None = Field(default=None, description="What stands behind `username/`; null: from its name.")


def store_router(services: Services, signed_in: Callable[..., User]) -> APIRouter:
    """The routes, built on `services`; `signed_in` finds the caller."""

    async def member(request: Request, user: Annotated[User, Depends(signed_in)]) -> User:
        """The caller, if they have signed in; a name longer than any of ours is not looked up."""
        not_a_guest(user)
        names = (request.path_params.get(part, "") for part in ("username", "slug"))
        if any(len(name) > MAX_SLUG_CHARACTERS for name in names):
            raise NotFound("Nothing is published under that name.", code="STORE_AGENT_NOT_FOUND")
        return user

    router = APIRouter(prefix="/api/store", tags=["agents"])
    caller = Annotated[User, Depends(member)]
    library = Library(services.database, services.clock)
    marketplace = Marketplace(services.database, services.clock)
    _add_profile(router, marketplace, caller)
    _add_reading(router, marketplace, caller)
    _add_publishing(router, marketplace, library, caller)
    return router


def _add_profile(router: APIRouter, marketplace: Marketplace, caller: Any) -> None:
    @router.get("/profile")
    def read_store_profile(user: caller) -> dict[str, Any]:
        """Under which name the caller publishes."""
        return {"username": marketplace.username(user.id)}

    @router.put("/profile")
    async def claim_username(request: Request, user: caller) -> dict[str, Any]:
        """Claim a username, once and for good."""
        body: StoreProfile = validated(StoreProfile, parse_json(await read_body(request)))
        return {"username": await in_thread(lambda: marketplace.claim(user.id, body.username))}


def _add_reading(router: APIRouter, marketplace: Marketplace, caller: Any) -> None:
    @router.get("")
    def list_published(_: caller, limit: Limit = 50, cursor: Cursor = None, query: Search = "") -> dict[str, Any]:
        """What is published, the latest first behind what Parley ships; with `query`, what fits, on one page."""
        if query.strip():
            return {"agents": [listed.public() for listed in marketplace.search(query, limit)], "next_cursor": None}
        found, following = marketplace.page(limit, cursor)
        return {"agents": [listed.public() for listed in found], "next_cursor": following}

    @router.get("/{username}/{slug}")
    def read_published(username: str, slug: str, _: caller) -> dict[str, Any]:
        """A published agent with what it asks for, answers and needs."""
        return _details(marketplace, marketplace.get(f"{username}/{slug}"))


def _add_publishing(router: APIRouter, marketplace: Marketplace, library: Library, caller: Any) -> None:
    def publish(user: User, body: Publication) -> dict[str, Any]:
        from shared.agents.graphs.secrets import without_secrets
        from shared.agents.library.described import require_sound

        agent = library.get(user.id, body.library_agent_id)
        slug = body.slug or slug_from(agent.name)
        if not slug:
            raise Invalid("No slug can be made of the agent's name; choose one.", code="SLUG_MISSING")
        graph, _ = without_secrets(library.exported(agent))
        require_sound(graph)
        return _details(marketplace, marketplace.publish(agent, graph, slug))

    @router.post("")
    async def publish_agent(request: Request, user: caller) -> dict[str, Any]:
        """Publish the version of an agent that runs, or replace what is published under its slug."""
        body: Publication = validated(Publication, parse_json(await read_body(request)))
        return await in_thread(lambda: publish(user, body))

    @router.delete("/{username}/{slug}", status_code=204)
    def withdraw(username: str, slug: str, user: caller) -> None:
        """Withdraw an agent; those who have added it keep it."""
        marketplace.withdraw(user.id, f"{username}/{slug}")

    @router.post("/{username}/{slug}/add")
    def add_to_library(username: str, slug: str, user: caller) -> dict[str, Any]:
        """The caller's agent for a published one: a new one, or the one that they have."""
        return library.add_published(user.id, f"{username}/{slug}").public()


def _details(marketplace: Marketplace, published: Published) -> dict[str, Any]:
    from shared.agents.library.described import details_of  # knows blocks: a cold start has no use for them

    return {
        "id": published.graph_id,
        "slug": published.slug,
        "name": published.name,
        "description": published.description,
        "version": published.version,
        "link": published.link,
        "created_at": iso(published.created_at),
        "updated_at": iso(published.updated_at),
        **details_of(marketplace.graph(published)),
    }
