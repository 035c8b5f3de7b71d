"""What ends or pauses a turn that would otherwise go on; checked before each step."""

from shared.kernel.errors import Terminal
from shared.kernel.settings import TurnBounds
from shared.tasks.records import Spend


def check_time(bounds: TurnBounds, age_seconds: float) -> None:
    """Time ends the turn. (Tokens and money do so as well, where they are reserved: see `metering`.)

    Raises:
        Terminal: it is used up.
    """
    if age_seconds > bounds.turn_max_seconds:
        raise Terminal(f"The turn took longer than {bounds.turn_max_seconds} s.", code="time_limit")


def exhausted(bounds: TurnBounds, spend: Spend) -> str | None:
    """What is used up so far that the next model call must do without tools, in words; or None."""
    if spend.steps >= bounds.turn_max_steps:
        return f"{bounds.turn_max_steps} steps"
    if spend.tool_calls >= bounds.turn_max_tool_calls:
        return f"{bounds.turn_max_tool_calls} tool calls"
    return None
