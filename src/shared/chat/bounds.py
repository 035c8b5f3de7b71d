"""What ends a turn that would otherwise go on; checked before each step."""

from shared.kernel.errors import Terminal
from shared.kernel.settings import TurnBounds
from shared.tasks.records import Spend

_MICROS = 1_000_000


def check_hard_bounds(bounds: TurnBounds, spend: Spend, age_seconds: float) -> None:
    """Time, tokens and money end the turn.

    Raises:
        Terminal: one of them is used up.
    """
    if age_seconds > bounds.turn_max_seconds:
        raise Terminal(f"The turn took longer than {bounds.turn_max_seconds} s.", code="time_limit")
    if bounds.turn_max_tokens is not None and spend.tokens >= bounds.turn_max_tokens:
        raise Terminal(f"The turn has used its {bounds.turn_max_tokens} tokens.", code="token_limit")
    if bounds.turn_max_cost_usd is not None and spend.cost_micros >= bounds.turn_max_cost_usd * _MICROS:
        raise Terminal("The turn has used up its money.", code="cost_limit")


def exhausted(bounds: TurnBounds, spend: Spend) -> str | None:
    """What is used up so far that the next model call must do without tools, in words; or None."""
    if spend.steps >= bounds.turn_max_steps:
        return f"{bounds.turn_max_steps} steps"
    if spend.tool_calls >= bounds.turn_max_tool_calls:
        return f"{bounds.turn_max_tool_calls} tool calls"
    return None
