"""What ends or pauses a turn that would otherwise go on; checked before each step."""

from dataclasses import replace

from shared.kernel.errors import Terminal
from shared.kernel.settings import TurnBounds
from shared.tasks.records import Spend, Task

_MICROS = 1_000_000


class BudgetExhausted(Terminal):
    """A bound is reached that the user may raise: the turn pauses and asks.

    `spent`, `limit` and `asked_for` (what the bound would grow by) are in the bound's unit: tokens, or
    millionths of a US dollar.
    """

    def __init__(self, message: str, *, code: str, bound: str, spent: int, limit: int, asked_for: int) -> None:
        super().__init__(message, code=code)
        self.bound = bound
        self.spent = spent
        self.limit = limit
        self.asked_for = asked_for

    def public(self) -> dict[str, object]:
        """What the user is shown."""
        return {"bound": self.bound, "spent": self.spent, "limit": self.limit, "asked_for": self.asked_for}


def raise_bound(task: Task, bound: str) -> Task:
    """The task with one of its bounds raised once more: by as much as it was at first."""
    return replace(task, raised={**task.raised, bound: task.raised.get(bound, 0) + 1})


def check_hard_bounds(bounds: TurnBounds, task: Task, spend: Spend, age_seconds: float) -> None:
    """Time ends the turn; tokens and money pause it. `spend` is that of the whole message.

    Raises:
        Terminal: its time is up, or it may spend nothing at all.
        BudgetExhausted: its tokens or its money are used up.
    """
    if age_seconds > bounds.turn_max_seconds:
        raise Terminal(f"The turn took longer than {bounds.turn_max_seconds} s.", code="time_limit")
    if bounds.turn_max_tokens is not None:
        words = "The turn has used its {limit} tokens."
        _check(task, "tokens", spend.tokens, bounds.turn_max_tokens, words, "token_limit")
    if bounds.turn_max_cost_usd is not None:
        most = round(bounds.turn_max_cost_usd * _MICROS)
        _check(task, "money", spend.cost_micros, most, "The turn has used up its money.", "cost_limit")


def _check(task: Task, bound: str, spent: int, at_first: int, words: str, code: str) -> None:
    limit = at_first * (1 + task.raised.get(bound, 0))
    if spent < limit:
        return
    message = words.format(limit=limit)
    if at_first == 0:
        raise Terminal(message, code=code)
    raise BudgetExhausted(message, code=code, bound=bound, spent=spent, limit=limit, asked_for=at_first)


def exhausted(bounds: TurnBounds, spend: Spend) -> str | None:
    """What is used up so far that the next model call must do without tools, in words; or None."""
    if spend.steps >= bounds.turn_max_steps:
        return f"{bounds.turn_max_steps} steps"
    if spend.tool_calls >= bounds.turn_max_tool_calls:
        return f"{bounds.turn_max_tool_calls} tool calls"
    return None
