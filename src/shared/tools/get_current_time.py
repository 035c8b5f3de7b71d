"""`get_current_time`: a model doesn't know what day it is."""

from datetime import UTC, datetime, tzinfo
from typing import ClassVar, Literal

from pydantic import Field

from shared.kernel.clock import Clock
from shared.kernel.errors import ToolError
from shared.kernel.time_zones import known_time_zone
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class GetCurrentTimeInput(ToolInput):
    """Where."""

    timezone: str = Field(default="UTC", max_length=100, description="IANA name such as Europe/Berlin.")


class CurrentTime(ToolResponse):
    """This moment, on the clocks of a time zone."""

    type: Literal["current_time"] = "current_time"
    timezone: str
    iso: str
    """ISO 8601 with the offset, whole seconds."""
    weekday: str
    utc_offset: str
    """Such as +02:00."""
    abbreviation: str
    unix_seconds: int


class GetCurrentTime(Tool[GetCurrentTimeInput]):
    """Reads the clock that it is given."""

    name: ClassVar[str] = "get_current_time"
    description: ClassVar[str] = "The current date, time, weekday and UTC offset in a time zone (default UTC)."
    input_model: ClassVar[type[ToolInput]] = GetCurrentTimeInput

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def run(self, context: ToolContext, arguments: GetCurrentTimeInput) -> CurrentTime:  # noqa: ARG002 - no matter whose
        """Look."""
        seconds = int(self._clock.now())
        local = datetime.fromtimestamp(seconds, _zone(arguments.timezone))
        iso = local.isoformat(timespec="seconds")
        return CurrentTime(
            timezone=arguments.timezone,
            iso=iso,
            weekday=_WEEKDAYS[local.weekday()],
            utc_offset=iso[19:],
            abbreviation=local.tzname() or "",
            unix_seconds=seconds,
        )


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # looks for its database when it is imported; a cold start need not

    try:
        return ZoneInfo(known_time_zone(name))
    except ValueError:
        raise ToolError(
            f"There is no time zone {name!r}; give an IANA name such as Europe/Berlin.", code="unknown_timezone"
        ) from None
