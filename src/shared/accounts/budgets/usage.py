"""What users see of their budgets, and the check before a turn is accepted."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from shared.accounts.budgets.amounts import MICROS, Amount, Bound, bound_of, code_of, words_of
from shared.accounts.budgets.meters import Meter, day_of, resets_at, user_meters
from shared.aws.database import Database
from shared.aws.writes import Item
from shared.kernel.clock import Clock, iso, to_millis
from shared.kernel.errors import LimitReached, Retryable
from shared.kernel.settings import BudgetLimits
from shared.kernel.telemetry import count, log_problem

Period = Literal["day", "week"]
PERIODS: tuple[Period, ...] = ("day", "week")


@dataclass(frozen=True)
class Usage:
    """A user's day or week."""

    period: Period
    bound: Bound
    resets_at: float
    used: Amount | None
    """None: it could not be read."""
    reserved: Amount | None

    def public(self) -> dict[str, Any]:
        """What the API shows. Without numbers it still says what it knows."""
        known = self.used if self.used is not None else Amount()
        percent = self.bound.percent(known) if self.used is not None or self.bound.blocks else None
        return {
            "percent_used": percent,
            "resets_at": iso(to_millis(self.resets_at)),
            "tokens": _shown(self.used, self.reserved, self.bound.tokens, "tokens", 1),
            "usd": _shown(self.used, self.reserved, self.bound.micros, "micros", MICROS),
        }


def _shown(used: Amount | None, reserved: Amount | None, limit: int | None, unit: str, divisor: int) -> dict[str, Any]:
    def scaled(number: int | None) -> float | int | None:
        return number if number is None or divisor == 1 else number / divisor

    return {
        "used": scaled(getattr(used, unit)) if used else None,
        "reserved": scaled(getattr(reserved, unit)) if reserved else None,
        "limit": scaled(limit),
    }


class UsageOf:
    """Reads what users have used."""

    def __init__(self, database: Database, clock: Clock, limits: BudgetLimits) -> None:
        self._database = database
        self._clock = clock
        self._bounds = {period: bound_of(limits, period) for period in PERIODS}

    def require_left(self, user_id: str) -> None:
        """Refuse a new turn whose user has nothing left of the day or the week.

        Raises:
            LimitReached: `daily_budget` or `weekly_budget`; `details` says when it is whole again.
            Retryable: it can't be read, so nothing can be allowed.
        """
        now = self._clock.now()
        limited = [period for period in PERIODS if self._bounds[period].is_set]
        for period in limited:
            if self._bounds[period].blocks:
                raise self._refusal(period, now)
        if not limited:
            return
        item, meters = self._read(user_id, day_of(now))
        for period in limited:
            if self._bounds[period].used_up(meters[period].used(item)):
                raise self._refusal(period, now)

    def show(self, user_id: str) -> dict[str, Usage]:
        """The user's day and week; without numbers if they can't be read."""
        now = self._clock.now()
        try:
            item, meters = self._read(user_id, day_of(now))
        except Retryable as error:  # a display is no reason to fail
            log_problem("usage.unavailable", user_id=user_id, code=error.code)
            return {p: Usage(p, self._bounds[p], resets_at(p, now), None, None) for p in PERIODS}
        return {
            period: Usage(
                period,
                self._bounds[period],
                resets_at(period, now),
                meters[period].used(item),
                meters[period].reserved(item),
            )
            for period in PERIODS
        }

    def _read(self, user_id: str, day: date) -> tuple[Item | None, dict[str, Meter]]:
        of_day, of_week = user_meters(user_id, day)
        return self._database.get(of_week.key), {"day": of_day, "week": of_week}

    def _refusal(self, period: Period, now: float) -> LimitReached:
        count("RateLimited")
        reset = resets_at(period, now)
        details = {
            "resets_at": iso(to_millis(reset)),
            "retry_after_seconds": max(1, math.ceil(reset - now)),
            "percent_used": 100.0,
        }
        return LimitReached(words_of(period), code=code_of(period), details=details)
