"""Routes about what the user is asked: listing the requests of a session, and answering one."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from shared.accounts.users import User
from shared.api.bodies import read_body
from shared.chat.answer_requests import ApprovalAnswer, answer_of
from shared.chat.answering import Answering
from shared.chat.requests import parse_json, validated
from shared.chat.services import Services
from shared.kernel.errors import NotFound

MAX_APPROVAL_ID_CHARACTERS = 130
MAX_SESSION_ID_CHARACTERS = 64


def approvals_router(services: Services, signed_in: Callable[..., User]) -> APIRouter:
    """The routes, built on `services`; `signed_in` finds the caller."""
    caller = Annotated[User, Depends(signed_in)]
    router = APIRouter(prefix="/api/chat", tags=["chat"])
    answering = Answering(services)

    @router.get("/sessions/{session_id}/approvals")
    def listing(session_id: str, user: caller) -> dict[str, Any]:
        """What the session's paused turn asks the user."""
        if len(session_id) > MAX_SESSION_ID_CHARACTERS:
            raise NotFound("There is no such session.", code="SESSION_NOT_FOUND")
        return {"approvals": answering.pending(user.id, session_id)}

    @router.post("/approvals/{approval_id}")
    async def answer(approval_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Approve or deny; the last answer of a step starts the turn that goes on."""
        if len(approval_id) > MAX_APPROVAL_ID_CHARACTERS:
            raise NotFound("There is no such request for approval.", code="APPROVAL_NOT_FOUND")
        said = answer_of(approval_id, validated(ApprovalAnswer, parse_json(await read_body(request))))
        answered = await asyncio.to_thread(lambda: answering.answer(user.id, said))
        return answered.public()

    return router
