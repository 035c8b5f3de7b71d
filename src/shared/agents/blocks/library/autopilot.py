"""A conversation of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example, Given
from shared.kernel.errors import ToolError
from shared.tasks.run_state import Followed
from shared.tasks.wait import Wait
from shared.tools.sub_sessions.contract import Assignment, SessionId, SubSessionCall, SubSessionResult, TokenUsage
from shared.tools.sub_sessions.following import Following

MOST_SECONDS = 6 * 3_600
"""As long as a turn may take."""


class AutoPilotInput(BlockInput):
    """What it shall do."""

    prompt: str = Field(min_length=1, max_length=60_000, description="The whole task: it knows nothing else.")
    system_context: str = Field(default="", max_length=30_000, description="Background that is not part of the task.")
    session_id: SessionId | None = Field(default=None, description="A conversation to go on with. None: a new one.")


class AutoPilotOutput(BlockOutput):
    """What it has done."""

    response: str = ""
    tool_calls: list[SubSessionCall] = Field(default_factory=list)
    token_usage: TokenUsage | None = None
    session_id: str = ""


class AutoPilot(Block[AutoPilotInput, AutoPilotOutput]):
    """Runs a turn with tools in a sub-session, and waits for it at no cost."""

    id: ClassVar[str] = "132ba3d3-acef-4bfd-9ca0-32105f68bab4"
    name: ClassVar[str] = "AutoPilot"
    description: ClassVar[str] = "Let Parley work on a task by itself, with its tools and no wider permissions."
    category: ClassVar[Category] = "model"
    in_chat: ClassVar[bool] = False  # a chat has run_sub_session
    input_model: ClassVar[type[BlockInput]] = AutoPilotInput
    output_model: ClassVar[type[BlockOutput]] = AutoPilotOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"prompt": "Which river flows through Cologne?"},
            {
                "response": ["The Rhine."],
                "tool_calls": [[]],
                "token_usage": [{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}],
                "session_id": ["sub-session"],
            },
            Given(says=("The Rhine.",)),
        ),
    )

    def run(self, context: BlockContext, inputs: AutoPilotInput) -> AutoPilotOutput | Wait:
        """Start it; the same execution starts it once."""
        services = context.services
        assignment = Assignment(inputs.prompt, inputs.system_context, inputs.session_id)
        until = Following(services.sub_sessions, services.clock).deadline(MOST_SECONDS)
        return _follow(context, services.sub_sessions.begin(context.call, assignment), until)

    def resume(self, context: BlockContext, inputs: AutoPilotInput, note: Mapping[str, Any]) -> AutoPilotOutput | Wait:  # noqa: ARG002 - the note has what matters
        """It has ended, or the time has."""
        return _follow(context, Followed.from_note(note["followed"]), note["until"])

    def rehearse(self, context: BlockContext, inputs: AutoPilotInput) -> AutoPilotOutput:  # noqa: ARG002 - none is started
        """Without starting one."""
        return AutoPilotOutput(response="(dry run: no sub-session was started)", tool_calls=[], session_id="")


def _follow(context: BlockContext, followed: Followed, until: int) -> AutoPilotOutput | Wait:
    following = Following(context.services.sub_sessions, context.services.clock)
    answer = following.answer(context.call, followed, until)
    if isinstance(answer, Wait):
        return answer
    if answer.status != "completed":
        raise _failure(answer)
    return AutoPilotOutput(
        response=answer.response or "",
        tool_calls=answer.tool_calls,
        token_usage=answer.usage,
        session_id=answer.sub_session_id,
    )


def _failure(answer: SubSessionResult) -> ToolError:
    codes = {"cancelled": "sub_session_cancelled", "error": "sub_session_failed"}
    why = answer.error or answer.message
    return ToolError(f"The sub-session has no answer: {why}", code=codes.get(answer.status, "sub_session_timeout"))
