"""Routes about who the caller is: tickets, guests, the profile, usage."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from shared.accounts.budgets.usage import UsageOf
from shared.accounts.credits import Credits
from shared.accounts.identity import GUEST_SECONDS, Identity
from shared.accounts.limits import RateLimit
from shared.accounts.profile import Facts, Instructions, Name, Profile, Profiles, TimeZone
from shared.accounts.tickets import TICKET_SECONDS, issue_ticket
from shared.accounts.users import User
from shared.api.bodies import read_body
from shared.api.callers import not_a_guest, source_network
from shared.chat.claim import claim_session
from shared.chat.requests import Body, ClaimSession, parse_json, validated
from shared.chat.services import Services
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import log_problem

GUESTS_PER_HOUR = 30
"""From one address. Behind it may be a whole office, or one program that wants many identities."""
_HOUR_SECONDS = 3_600


class ProfileBody(Body):
    """PUT /api/profile: the whole profile; what is left out is emptied."""

    name: Name | None = None
    timezone: TimeZone | None = None
    instructions: Instructions = ""
    understanding: Facts = Field(default_factory=dict)


def accounts_router(
    services: Services, identity: Identity, signed_in: Callable[..., User], websocket_url: str
) -> APIRouter:
    """The routes; `signed_in` finds the caller."""
    router = APIRouter(prefix="/api", tags=["account"])
    caller = Annotated[User, Depends(signed_in)]

    @router.post("/ws-ticket")
    def ws_ticket(user: caller) -> dict[str, Any]:
        """A ticket for one WebSocket connection: open `{url}?ticket={ticket}` within its seconds."""
        ticket = issue_ticket(services.database, services.clock, services.ids, user.id)
        return {"ticket": ticket, "url": websocket_url, "expires_in": TICKET_SECONDS}

    _add_usage_route(router, services, caller)
    _add_guest_routes(router, services, identity, caller)
    _add_profile_routes(router, Profiles(services.database, services.clock), caller)
    return router


def _add_guest_routes(router: APIRouter, services: Services, identity: Identity, caller: Any) -> None:
    guests = RateLimit(services.database, services.clock, "guest", GUESTS_PER_HOUR, _HOUR_SECONDS)

    @router.post("/chat/guest-token")
    def guest_token(request: Request) -> dict[str, Any]:
        """An identity for somebody who has not signed in; no token is needed to get it."""
        token, guest = identity.new_guest(services.ids)
        guests.charge(source_network(request), guest.id)
        return {"token": token, "user_id": guest.id, "expires_in": GUEST_SECONDS}

    @router.patch("/chat/sessions/{session_id}/assign-user")
    async def assign_user(session_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Make a guest's session the caller's, once; `guest_token` proves that it may be."""
        not_a_guest(user)
        body: ClaimSession = validated(ClaimSession, parse_json(await read_body(request)))
        guest_id = identity.guest_of(body.guest_token)
        return claim_session(services, session_id, guest_id, user.id).head()


def _add_usage_route(router: APIRouter, services: Services, caller: Any) -> None:
    usage = UsageOf(services.database, services.clock, services.limits)
    credits = Credits(services.database, services.clock)

    @router.get("/usage")
    def read_usage(user: caller) -> dict[str, Any]:
        """What the caller has used of the day's and the week's budget, and their credits.

        A number that can't be read is null: a display is no reason to fail.
        """
        shown = usage.show(user.id)
        try:
            balance = credits.balance(user.id)
        except Retryable as error:
            log_problem("usage.unavailable", user_id=user.id, code=error.code)
            balance = None
        return {"daily": shown["day"].public(), "weekly": shown["week"].public(), "credits": balance}


def _add_profile_routes(router: APIRouter, profiles: Profiles, caller: Any) -> None:
    @router.get("/profile")
    def read_profile(user: caller) -> dict[str, Any]:
        """What the caller has told about themselves."""
        not_a_guest(user)
        return profiles.load(user.id).public()

    @router.put("/profile")
    async def write_profile(request: Request, user: caller) -> dict[str, Any]:
        """Replace it; the turns that begin from now on know it."""
        not_a_guest(user)
        body: ProfileBody = validated(ProfileBody, parse_json(await read_body(request)))
        facts = {name: text for name, text in body.understanding.items() if text}
        return profiles.save(user.id, Profile(body.name or None, body.timezone, body.instructions, facts)).public()
