"""Routes about what users are asked to review: listing, looking, and deciding."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import StringConstraints

from shared.accounts.users import User
from shared.agents.reviews.records import MAX_WORDS_CHARACTERS, Status
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.api.bodies import read_body
from shared.api.parameters import Cursor, Limit
from shared.chat.requests import Body, parse_json, validated
from shared.chat.services import Services
from shared.kernel.clock import to_millis
from shared.kernel.cursors import cursor_of, place_of

Words = Annotated[str, StringConstraints(max_length=MAX_WORDS_CHARACTERS)]


class ReviewApproval(Body):
    """POST /reviews/{id}/approve."""

    data: Any = None
    """In place of the payload, if it is given; null is a value."""
    message: Words | None = None


class ReviewRejection(Body):
    """POST /reviews/{id}/reject."""

    message: Words | None = None


def reviews_router(services: Services, signed_in: Callable[..., User]) -> APIRouter:
    """The routes, built on `services`; `signed_in` finds the caller."""
    caller = Annotated[User, Depends(signed_in)]
    router = APIRouter(prefix="/api/reviews", tags=["agents"])
    reviews = Reviews(services.database, services.clock)

    def now() -> int:
        return to_millis(services.clock.now())

    @router.get("")
    def list_reviews(
        user: caller,
        status: Annotated[Status | None, Query()] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """What runs and chats have asked the user, the newest first."""
        before = str(place_of(cursor, str)[0]) if cursor else ""
        found, following = reviews.page(user.id, status, limit, before)
        return {
            "reviews": [review.head(now()) for review in found],
            "next_cursor": cursor_of(following) if following else None,
        }

    @router.get("/{review_id}")
    def look(review_id: str, user: caller) -> dict[str, Any]:
        """One review, with what it is about."""
        return reviews.get(user.id, review_id).public(now())

    async def decide(review_id: str, user: User, verdict: Verdict) -> dict[str, Any]:
        decided = await asyncio.to_thread(lambda: reviews.decide(user.id, review_id, verdict))
        return decided.public(now())

    @router.post("/{review_id}/approve")
    async def approve(review_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Let it happen, with the data as they are or as given; who waits goes on."""
        said: ReviewApproval = validated(ReviewApproval, parse_json(await read_body(request)))
        edited = "data" in said.model_fields_set
        return await decide(review_id, user, Verdict("approved", said.data, edited, said.message or ""))

    @router.post("/{review_id}/reject")
    async def reject(review_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Don't let it happen; who waits is told."""
        said: ReviewRejection = validated(ReviewRejection, parse_json(await read_body(request)))
        return await decide(review_id, user, Verdict("rejected", message=said.message or ""))

    return router
