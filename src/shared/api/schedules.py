"""The routes about schedules."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from shared.accounts.users import User
from shared.agents.setup import Accounts
from shared.api.bodies import read_body
from shared.api.callers import not_a_guest
from shared.api.parameters import SomeId
from shared.chat.requests import parse_json
from shared.chat.services import Services

if TYPE_CHECKING:
    from shared.schedules.desk import ScheduleDesk


def schedules_router(services: Services, signed_in: Callable[..., User], accounts: Accounts | None) -> APIRouter:
    """The routes; `signed_in` finds the caller. Without `accounts` this deployment keeps none."""
    router = APIRouter(prefix="/api/schedules", tags=["schedules"])

    def desk() -> "ScheduleDesk":
        from shared.schedules.desk import ScheduleDesk  # models and rules, which most cold starts don't need

        return ScheduleDesk(services, accounts)

    def account(user: Annotated[User, Depends(signed_in)]) -> User:
        not_a_guest(user)
        return user

    caller = Annotated[User, Depends(account)]

    @router.post("", status_code=201)
    async def create_schedule(request: Request, user: caller) -> dict[str, Any]:
        """Have an agent run, or a message sent, at times of the caller's choice."""
        return desk().create(user.id, parse_json(await read_body(request)))

    @router.get("")
    def list_schedules(
        user: caller,
        library_agent_id: SomeId = "",
        graph_id: SomeId = "",
    ) -> dict[str, Any]:
        """The caller's schedules, the oldest first."""
        return desk().list(user.id, library_agent_id, graph_id)

    @router.post("/preview")
    async def preview_schedule(request: Request, user: caller) -> dict[str, Any]:
        """The next five times, before anything is saved."""
        return desk().preview(user.id, parse_json(await read_body(request)))

    @router.get("/{schedule_id}")
    def get_schedule(schedule_id: str, user: caller) -> dict[str, Any]:
        """One schedule, with what it brings along."""
        return desk().get(user.id, schedule_id)

    @router.patch("/{schedule_id}")
    async def change_schedule(schedule_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Replace what is given."""
        return desk().change(user.id, schedule_id, parse_json(await read_body(request)))

    @router.delete("/{schedule_id}", status_code=204)
    def delete_schedule(schedule_id: str, user: caller) -> Response:
        """Take it away; what it has started goes on."""
        desk().delete(user.id, schedule_id)
        return Response(status_code=204)

    @router.post("/{schedule_id}/pause")
    def pause_schedule(schedule_id: str, user: caller) -> dict[str, Any]:
        """Let it rest."""
        return desk().pause(user.id, schedule_id)

    @router.post("/{schedule_id}/resume")
    def resume_schedule(schedule_id: str, user: caller) -> dict[str, Any]:
        """Let it fire again from now on; its failures are forgiven."""
        return desk().resume(user.id, schedule_id)

    @router.post("/{schedule_id}/run", status_code=202)
    def run_schedule(schedule_id: str, user: caller) -> dict[str, Any]:
        """Start it at once, also one that is paused; its next fire stays."""
        from shared.agents.library.library import Library
        from shared.runs.starting import Runs

        runs = Runs(services, Library(services.database, services.clock))
        return desk().run_now(user.id, schedule_id, runs)

    @router.get("/{schedule_id}/history")
    def schedule_history(schedule_id: str, user: caller) -> dict[str, Any]:
        """What has become of its last 50 fires, the newest first."""
        return desk().history(user.id, schedule_id)

    return router
