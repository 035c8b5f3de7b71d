"""The counters of what is spent, and the writes that change them.

| record      | pk              | sk                | notes                                                     |
|-------------|-----------------|-------------------|-----------------------------------------------------------|
| usage       | `USAGE#{user}`  | `WEEK#{monday}`   | the week (`week_...`) and its days (`mon_...` to `sun_...`) |
| tree        | `TREE#{task}`   | `USAGE`           | of a task and all below it (`tree_...`)                     |
| task        | `TASK#{id}`     | `META`            | of one turn: `claimed_...` only; what it spent is in `spend` |
| reservation | `TASK#{id}`     | `RESERVED#{call}#{epoch}` | see `reservations`                                |

Each counter has `spent_...`, `claimed_...` and `raised_...`, in `tokens` and `micros`. What is claimed is
spent + reserved - raised: DynamoDB's conditions can compare, but not add, and this one number against the
limit is the whole check. A day and its week are one record, so that counting is one write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.accounts.budgets.amounts import NOTHING, Amount, Bound, Scope, bound_of
from shared.aws.writes import Item, Key, Update
from shared.kernel.settings import BudgetLimits
from shared.tasks.records import task_key

RECORD_VERSION = 1
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEPT_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class Meter:
    """One counter: which record, and which of its attributes."""

    scope: Scope
    pk: str
    sk: str
    prefix: str

    @property
    def key(self) -> Key:
        """The record's key."""
        return {"pk": self.pk, "sk": self.sk}

    def claimed(self, item: Item | None) -> Amount:
        """Spent + reserved - raised, as the record has it."""
        return self._amount("claimed", item)

    def used(self, item: Item | None) -> Amount:
        """What counts against the limit, reservations apart: spent - raised."""
        return self.spent(item).minus(self._amount("raised", item))

    def spent(self, item: Item | None) -> Amount:
        """What was spent."""
        return self._amount("spent", item)

    def reserved(self, item: Item | None) -> Amount:
        """What calls that are under way hold."""
        return self.claimed(item).minus(self.used(item))

    def name(self, kind: str, unit: str) -> str:
        """The attribute of one number."""
        return f"{self.prefix}{kind}_{unit}"

    def _amount(self, kind: str, item: Item | None) -> Amount:
        found = item or {}
        return Amount(found.get(self.name(kind, "tokens"), 0), found.get(self.name(kind, "micros"), 0))


def turn_meter(task_id: str) -> Meter:
    """Of one turn."""
    key = task_key(task_id)
    return Meter("turn", str(key["pk"]), str(key["sk"]), "")


def tree_meter(tree: str) -> Meter:
    """Of a tree of tasks."""
    return Meter("tree", f"TREE#{tree}", "USAGE", "tree_")


def user_meters(user_id: str, day: date) -> tuple[Meter, Meter]:
    """Of a user's day and of its week."""
    monday = day - timedelta(days=day.weekday())
    pk, sk = f"USAGE#{user_id}", f"WEEK#{monday.isoformat()}"
    return Meter("day", pk, sk, f"{_DAYS[day.weekday()]}_"), Meter("week", pk, sk, "week_")


def day_of(now: float) -> date:
    """The day in UTC, in which all budgets are kept."""
    return datetime.fromtimestamp(now, UTC).date()


def resets_at(scope: Scope, now: float) -> float:
    """When the day's (00:00 UTC) or the week's (Monday 00:00 UTC) budget is whole again, in seconds."""
    day = day_of(now)
    following = day + timedelta(days=1 if scope == "day" else 7 - day.weekday())
    return datetime(following.year, following.month, following.day, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Change:
    """What is added to a counter."""

    meter: Meter
    spent: Amount = NOTHING
    claimed: Amount = NOTHING


def counting(changes: Sequence[Change], now: float) -> list[Update]:
    """The writes that make the changes, one a record, whatever the limits say: what was used was used."""
    return [_update(group, now, None) for group in _by_record(changes)]


def claiming(changes: Sequence[Change], now: float, limits: BudgetLimits) -> list[Update]:
    """The same, provided that no limit is exceeded by it."""
    return [_update(group, now, limits) for group in _by_record(changes)]


def within(changes: Sequence[Change], limits: BudgetLimits) -> tuple[str, dict[str, int]]:
    """The condition that no limit is exceeded by the changes of one record (empty if there is none), and its values."""
    terms: list[str] = []
    values: dict[str, int] = {}
    for change in changes:
        bound = bound_of(limits, change.meter.scope)
        for unit, limit, more in _units(bound, change.claimed):
            if limit is None or more <= 0:
                continue
            name = change.meter.name("claimed", unit)
            values[f"room_{name}"] = limit - more
            fits = f"#{name} <= :room_{name}"
            terms.append(f"(attribute_not_exists(#{name}) OR {fits})" if more <= limit else fits)
    return " AND ".join(terms), values


def added(changes: Sequence[Change]) -> tuple[str, dict[str, int]]:
    """The ADD clause for the changes of one record (empty if nothing changes), and its values."""
    values: dict[str, int] = {}
    for change in changes:
        for kind, amount in (("spent", change.spent), ("claimed", change.claimed)):
            values |= {change.meter.name(kind, unit): n for unit, n in vars(amount).items() if n}
    return ("ADD " + ", ".join(f"#{name} :{name}" for name in values) if values else ""), values


def raising(meter: Meter, amount: Amount, by: str) -> Update:
    """The write that raises a bound by `amount`, once for each `by` (an approval's id): a second one fails."""
    change: dict[str, Any] = {}
    for unit, n in vars(amount).items():
        change |= {meter.name("claimed", unit): -n, meter.name("raised", unit): n}
    adds = ", ".join(f"#{name} :{name}" for name in change)
    return Update(
        meter.key,
        f"SET #v = :v ADD {adds}, #raised_by :all",
        condition="attribute_not_exists(#raised_by) OR NOT contains(#raised_by, :by)",
        values={**change, "v": RECORD_VERSION, "all": {f"{meter.scope}/{by}"}, "by": f"{meter.scope}/{by}"},
    )


def _units(bound: Bound, amount: Amount) -> list[tuple[str, int | None, int]]:
    return [("tokens", bound.tokens, amount.tokens), ("micros", bound.micros, amount.micros)]


def _by_record(changes: Sequence[Change]) -> list[list[Change]]:
    groups: dict[tuple[str, str], dict[Meter, Change]] = {}
    for change in changes:
        group = groups.setdefault((change.meter.pk, change.meter.sk), {})
        before = group.get(change.meter, Change(change.meter))
        group[change.meter] = Change(change.meter, before.spent.plus(change.spent), before.claimed.plus(change.claimed))
    return [list(group.values()) for group in groups.values()]


def _update(group: Sequence[Change], now: float, limits: BudgetLimits | None) -> Update:
    adds, amounts = added(group)
    condition, rooms = within(group, limits) if limits else ("", {})
    return Update(
        group[0].meter.key,
        f"SET #v = :v, #expires_at = :expires {adds}",
        condition=condition or None,
        values={"v": RECORD_VERSION, "expires": int(now) + _KEPT_SECONDS, **amounts, **rooms},
    )
