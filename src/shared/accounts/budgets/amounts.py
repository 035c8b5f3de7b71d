"""Amounts, bounds and the size of a call: rules without storage."""

import math
from dataclasses import dataclass
from typing import Literal

from shared.kernel.errors import Terminal
from shared.kernel.settings import BudgetLimits, ModelPrice
from shared.tasks.records import Spend

Scope = Literal["turn", "tree", "day", "week"]
SCOPES: tuple[Scope, ...] = ("turn", "tree", "day", "week")
MICROS = 1_000_000
LEAST_OUTPUT_TOKENS = 256
"""A call that could not answer with so many is not worth its prompt."""


@dataclass(frozen=True)
class Amount:
    """Tokens (prompt + completion), and millionths of a US dollar."""

    tokens: int = 0
    micros: int = 0

    @classmethod
    def of(cls, spend: Spend) -> "Amount":
        """What a spend takes out of a budget."""
        return cls(spend.tokens, spend.cost_micros)

    def plus(self, other: "Amount") -> "Amount":
        """The sum."""
        return Amount(self.tokens + other.tokens, self.micros + other.micros)

    def minus(self, other: "Amount") -> "Amount":
        """The difference; it may be negative."""
        return Amount(self.tokens - other.tokens, self.micros - other.micros)


NOTHING = Amount()


@dataclass(frozen=True)
class Bound:
    """How much a budget holds; None: as much as you like."""

    tokens: int | None = None
    micros: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit at all."""
        return self.tokens is not None or self.micros is not None

    @property
    def blocks(self) -> bool:
        """Whether nothing may be spent."""
        return self.tokens == 0 or self.micros == 0

    def used_up(self, used: Amount) -> bool:
        """Whether nothing is left."""
        return (self.tokens is not None and used.tokens >= self.tokens) or (
            self.micros is not None and used.micros >= self.micros
        )

    def percent(self, used: Amount) -> float | None:
        """How much is used, of the limit that is nearer; None without a limit."""
        pairs = [(self.tokens, used.tokens), (self.micros, used.micros)]
        shares = [_percent(limit, amount) for limit, amount in pairs if limit is not None]
        return max(shares) if shares else None


def _percent(limit: int, used: int) -> float:
    return 100.0 if limit == 0 else round(min(100.0, max(0.0, 100 * used / limit)), 1)


def bound_of(limits: BudgetLimits, scope: Scope) -> Bound:
    """What the deployment allows."""
    match scope:
        case "turn":
            return Bound(limits.turn_max_tokens, _micros(limits.turn_max_cost_usd))
        case "tree":
            return Bound(limits.tree_max_tokens, _micros(limits.tree_max_cost_usd))
        case "day":
            return Bound(limits.user_day_max_tokens, _micros(limits.user_day_max_cost_usd))
        case "week":
            return Bound(limits.user_week_max_tokens, _micros(limits.user_week_max_cost_usd))


def _micros(usd: float | None) -> int | None:
    return None if usd is None else round(usd * MICROS)


def cost_micros(price: ModelPrice | None, prompt_tokens: int, completion_tokens: int) -> int:
    """What a call cost, in millionths of a US dollar; 0 where no price is configured."""
    if price is None:
        return 0
    return round(prompt_tokens * price.input + completion_tokens * price.output)


@dataclass(frozen=True)
class CallSize:
    """The most that a call can use: its prompt, and how long the answer may get."""

    prompt_tokens: int
    output_tokens: int
    price: ModelPrice | None

    def spend(self, output_tokens: int) -> Spend:
        """The maximum, with an answer of at most `output_tokens`."""
        cost = cost_micros(self.price, self.prompt_tokens, output_tokens)
        return Spend(prompt_tokens=self.prompt_tokens, completion_tokens=output_tokens, cost_micros=cost)

    def fitting(self, left: Bound) -> int:
        """The longest answer that `left` pays for, in tokens; negative if not even the prompt fits."""
        longest = self.output_tokens
        if left.tokens is not None:
            longest = min(longest, left.tokens - self.prompt_tokens)
        if left.micros is not None and self.price is not None:
            rest = left.micros - cost_micros(self.price, self.prompt_tokens, 0)
            if rest < 0:
                return -1
            if self.price.output:
                longest = min(longest, math.floor(max(0, rest - 1) / self.price.output))  # 1: both may be rounded
        return longest


_CODES: dict[Scope, str] = {
    "turn": "turn_budget",
    "tree": "tree_budget",
    "day": "daily_budget",
    "week": "weekly_budget",
}
_WORDS: dict[Scope, str] = {
    "turn": "This turn has used up its budget.",
    "tree": "This turn and what it has started have used up their common budget.",
    "day": "The budget of today is used up.",
    "week": "The budget of this week is used up.",
}


def code_of(scope: Scope) -> str:
    """The stable code of an exhausted budget."""
    return _CODES[scope]


def words_of(scope: Scope) -> str:
    """The same for people."""
    return _WORDS[scope]


class BudgetExhausted(Terminal):
    """The next call of the model does not fit into a budget any more.

    Unless somebody raises the bound, the turn ends with `code` (`turn_budget`, `tree_budget`, `daily_budget`,
    `weekly_budget`). `asks_for` is what approving would add: the bound once more. `raisable` says whether the
    user may: the deployer's limits of a day and a week, and a limit of 0, are not theirs to raise.
    """

    def __init__(self, scope: Scope, bound: Bound, *, held_by_others: bool = False) -> None:
        self.scope: Scope = scope
        self.held_by_others = held_by_others
        """Calls that are under way hold what this one needs: some of it will be free when they end."""
        self.asks_for = Amount(bound.tokens or 0, bound.micros or 0)
        self.raisable = scope in {"turn", "tree"} and not bound.blocks
        details = {
            "scope": scope,
            "limit_tokens": bound.tokens,
            "limit_usd": None if bound.micros is None else bound.micros / MICROS,
            "raisable": self.raisable,
        }
        super().__init__(words_of(scope), code=code_of(scope), details=details)

    def public(self) -> dict[str, object]:
        """What the user is shown who is asked to raise it."""
        limits = {name: value for name, value in (self.details or {}).items() if name.startswith("limit_")}
        return {"budget": self.scope, **limits}
