"""The time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example
from shared.kernel.errors import ToolError
from shared.kernel.time_zones import known_time_zone


class CurrentTimeInput(BlockInput):
    """Where."""

    timezone: str = Field(default="UTC", max_length=100, description="IANA name such as Europe/Berlin.")


class CurrentTimeOutput(BlockOutput):
    """This moment."""

    iso: str = Field(default="", description="ISO 8601 with the offset, whole seconds.")
    date: str = ""
    time: str = ""
    weekday: str = ""
    unix_seconds: int = 0


class CurrentTime(Block[CurrentTimeInput, CurrentTimeOutput]):
    """Looks at the clock."""

    id: ClassVar[str] = "7876ce79-b0d5-409d-b905-be23e4e48b3f"
    name: ClassVar[str] = "Current time"
    description: ClassVar[str] = "The date, time and weekday now, in a time zone."
    category: ClassVar[Category] = "time"
    input_model: ClassVar[type[BlockInput]] = CurrentTimeInput
    output_model: ClassVar[type[BlockOutput]] = CurrentTimeOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"timezone": "Europe/Berlin"},
            {
                "iso": ["2025-07-18T14:00:00+02:00"],
                "date": ["2025-07-18"],
                "time": ["14:00:00"],
                "weekday": ["Friday"],
                "unix_seconds": [1_752_840_000],
            },
        ),
    )

    def run(self, context: BlockContext, inputs: CurrentTimeInput) -> CurrentTimeOutput:
        """Look."""
        from zoneinfo import ZoneInfo  # looks for its database when it is imported; a cold start need not

        try:
            zone = UTC if inputs.timezone == "UTC" else ZoneInfo(known_time_zone(inputs.timezone))
        except ValueError:
            message = f"There is no time zone {inputs.timezone!r}; give an IANA name such as Europe/Berlin."
            raise ToolError(message, code="unknown_timezone") from None
        seconds = int(context.services.clock.now())
        local = datetime.fromtimestamp(seconds, zone)
        return CurrentTimeOutput(
            iso=local.isoformat(timespec="seconds"),
            date=local.date().isoformat(),
            time=local.time().isoformat(timespec="seconds"),
            weekday=local.strftime("%A"),
            unix_seconds=seconds,
        )
