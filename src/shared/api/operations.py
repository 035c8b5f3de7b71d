"""Routes under /api/chat/operations: others complete what they have taken over, users stop what they have started."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import Field

from shared.accounts.users import User
from shared.api.bodies import read_body
from shared.api.parameters import MAX_ID_CHARACTERS
from shared.chat.operations.callbacks import Callbacks
from shared.chat.operations.completing import complete_operation, find_operation, stop_operation
from shared.chat.requests import Body, parse_json, validated
from shared.chat.services import Services
from shared.kernel.errors import NotFound

_MAX_SECRET_CHARACTERS = 1_000
_MAX_BYTES = 1_200_000
"""Of a completion: what is brought may be an agent, and those have up to 1 MB."""


class Completion(Body):
    """What came of an operation."""

    success: bool
    result: dict[str, Any] | str | None = None
    error: str | None = Field(default=None, max_length=100_000)


def operations_router(services: Services, callbacks: Callbacks, signed_in: Callable[..., User]) -> APIRouter:
    """The routes; `callbacks` knows who may complete."""
    caller = Annotated[User, Depends(signed_in)]
    router = APIRouter(prefix="/api/chat/operations", tags=["chat"])

    @router.post("/{operation_id}/complete")
    async def complete(
        operation_id: str,
        request: Request,
        x_api_key: Annotated[str, Header()] = "",
        expires: Annotated[str, Query()] = "",
        signature: Annotated[str, Query()] = "",
    ) -> dict[str, Any]:
        """Tell what came of an operation that was handed over; telling it again changes nothing."""
        key, mark = x_api_key[:_MAX_SECRET_CHARACTERS], signature[:_MAX_SECRET_CHARACTERS]
        await asyncio.to_thread(callbacks.check, services.clock, operation_id, key, expires, mark)
        _possible(operation_id)
        await asyncio.to_thread(find_operation, services, operation_id)
        body: Completion = validated(Completion, parse_json(await read_body(request, _MAX_BYTES), _MAX_BYTES))
        task = await asyncio.to_thread(
            complete_operation, services, operation_id, success=body.success, result=body.result, error=body.error
        )
        return {"status": "ok", "task_id": task.id}

    @router.post("/{operation_id}/cancel")
    def cancel(operation_id: str, user: caller) -> dict[str, Any]:
        """Stop an operation; its turn's stop doesn't."""
        _possible(operation_id)
        task = stop_operation(services, user.id, operation_id)
        return {"cancelled": task is not None, "task_id": task.id if task else None}

    return router


def _possible(operation_id: str) -> None:
    """An id longer than any of ours is not looked up: DynamoDB would refuse the key, not miss it."""
    if len(operation_id) > MAX_ID_CHARACTERS:
        raise NotFound("There is no such operation.", code="OPERATION_NOT_FOUND")
