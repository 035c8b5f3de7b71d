"""`schedule_followup`: a message that the user will have sent later, once or again and again."""

from typing import ClassVar

from pydantic import Field

from shared.accounts.permissions import Permissions
from shared.agents.scheduling import FollowUp, ScheduleRequest, Scheduling, When
from shared.agents.tools.schedule_answers import FollowUpScheduled, shown
from shared.kernel.errors import NotFound, Retryable, ToolError, UserInputError
from shared.kernel.ids import derived_id
from shared.tools.contract import Tool, ToolContext, ToolInput


class ScheduleFollowupInput(ToolInput):
    """What, where and when; exactly one of `delay_seconds` and `cron`."""

    message: str = Field(min_length=1, max_length=16_000, description="What you are asked then; it stands alone.")
    delay_seconds: int | None = Field(default=None, description="Once, at least 60 seconds from now.")
    cron: str = Field(default="", max_length=100, description="Again and again: five fields, 0 and 7 are Sunday.")
    timezone: str = Field(default="", max_length=100, description="IANA name; empty: the user's.")
    session_id: str | None = Field(default=None, max_length=64, description="`this` chat; None: a new one each time.")
    name: str = Field(default="", max_length=100)


class ScheduleFollowup(Tool[ScheduleFollowupInput]):
    """Makes a schedule whose fires are messages."""

    name: ClassVar[str] = "schedule_followup"
    description: ClassVar[str] = (
        "Have a message sent to you later, in a chat of the user or a fresh one, by delay_seconds or cron. End your "
        "turn after it."
    )
    input_model: ClassVar[type[ToolInput]] = ScheduleFollowupInput
    requires_auth: ClassVar[bool] = True
    trusted_only: ClassVar[bool] = True

    def __init__(self, scheduling: Scheduling) -> None:
        self._scheduling = scheduling

    def run(self, context: ToolContext, arguments: ScheduleFollowupInput) -> FollowUpScheduled:
        """Schedule it; the same call makes one."""
        if context.dry_run:
            raise ToolError("Schedules would really run; there are none in a dry run.", code="dry_run")
        request = ScheduleRequest(
            id=derived_id("follow-up", context.task_id, context.tool_call_id),
            user_id=context.user_id,
            name=arguments.name,
            when=When(arguments.cron, arguments.delay_seconds, arguments.timezone),
            target=FollowUp(arguments.message, _session(context, arguments)),
            chat_session_id=context.session_id,
            permissions=_bounds(context.permissions),
            max_tokens=context.tree_max_tokens,
            max_cost_micros=context.tree_max_micros,
        )
        try:
            made = self._scheduling.create(request)
        except NotFound as error:
            raise ToolError("There is no such session.", code="session_not_found") from error
        except (UserInputError, Retryable) as error:
            raise ToolError(error.message, code=error.code.lower()) from error
        message = "It is scheduled. End your turn now: say when you will go on, and don't wait for it."
        return FollowUpScheduled(schedule=shown(made), message=message)


def _session(context: ToolContext, arguments: ScheduleFollowupInput) -> str:
    """A model isn't told its session's id, so it has a word for it."""
    return context.session_id if arguments.session_id == "this" else arguments.session_id or ""


def _bounds(permissions: Permissions) -> dict[str, object]:
    return dict(permissions.to_item())
