"""Waiting for a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from pydantic import AwareDatetime, Field, model_validator

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example
from shared.kernel.clock import iso, to_millis
from shared.kernel.errors import ToolError
from shared.tasks.wait import Wait as Waiting

MOST_SECONDS = 30 * 86_400


class WaitInput(BlockInput):
    """For how long."""

    seconds: int | None = Field(default=None, ge=0, le=MOST_SECONDS, description="So many from now; up to 30 days.")
    until: AwareDatetime | None = Field(
        default=None, description="ISO 8601 with an offset, in place of seconds; a time that is over doesn't wait."
    )
    value: Any = Field(default=None, description="Emitted afterwards.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "WaitInput":
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give exactly one of seconds and until")
        return self


class WaitOutput(BlockOutput):
    """It is time."""

    value: Any = None
    waited_until: str = Field(default="", description="When it was to go on, ISO 8601 in UTC.")


class Wait(Block[WaitInput, WaitOutput]):
    """Waits at no cost."""

    id: ClassVar[str] = "8d5ca69d-e268-4190-98bc-7439d3ff3206"
    name: ClassVar[str] = "Wait"
    description: ClassVar[str] = "Wait for some seconds, or until a time, then pass a value on. Waiting costs nothing."
    category: ClassVar[Category] = "time"
    input_model: ClassVar[type[BlockInput]] = WaitInput
    output_model: ClassVar[type[BlockOutput]] = WaitOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"until": "2025-07-18T13:59:00+02:00", "value": "go"},
            {"value": ["go"], "waited_until": ["2025-07-18T11:59:00.000Z"]},
        ),
        Example({"seconds": 90}, {"value": [None], "waited_until": ["2025-07-18T12:01:30.000Z"]}),
    )

    def run(self, context: BlockContext, inputs: WaitInput) -> WaitOutput | Waiting:
        """Until then."""
        return self._until(context, inputs, _end(context, inputs))

    def resume(self, context: BlockContext, inputs: WaitInput, note: Mapping[str, Any]) -> WaitOutput | Waiting:
        """It is time, or somebody knocked too early."""
        return self._until(context, inputs, note["until"])

    def rehearse(self, context: BlockContext, inputs: WaitInput) -> WaitOutput:
        """As if it were time."""
        return WaitOutput(value=inputs.value, waited_until=iso(_end(context, inputs)))

    def _until(self, context: BlockContext, inputs: WaitInput, end: int) -> WaitOutput | Waiting:
        if to_millis(context.services.clock.now()) < end:
            return Waiting((), end, note={"until": end})
        return WaitOutput(value=inputs.value, waited_until=iso(end))


def _end(context: BlockContext, inputs: WaitInput) -> int:
    """In milliseconds since the epoch."""
    now = context.services.clock.now()
    if inputs.seconds is not None:
        return to_millis(now + inputs.seconds)
    assert isinstance(inputs.until, datetime)
    end = inputs.until.timestamp()
    if end > now + MOST_SECONDS:
        raise ToolError(f"That is more than {MOST_SECONDS // 86_400} days from now.", code="wait_too_long")
    return max(0, to_millis(end))
