"""Reserving before a call, so that whatever runs at the same time can't overspend together.

| record      | pk           | sk                        | notes                                         |
|-------------|--------------|---------------------------|-----------------------------------------------|
| reservation | `TASK#{id}`  | `RESERVED#{call}#{epoch}` | the maximum that it holds, and in which meters |

It is written with its counters in one transaction that requires the owner's epoch and every limit. It goes
with the transaction that stores what the call brought, which counts what was really used. A reservation
that its owner has left behind (it died) is settled in full by the next owner of the task.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from shared.accounts.budgets.amounts import (
    LEAST_OUTPUT_TOKENS,
    NOTHING,
    SCOPES,
    Amount,
    Bound,
    BudgetExhausted,
    CallSize,
    Scope,
    bound_of,
)
from shared.accounts.budgets.meters import (
    RECORD_VERSION,
    Change,
    Meter,
    added,
    claiming,
    counting,
    day_of,
    tree_meter,
    turn_meter,
    user_meters,
    within,
)
from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Delete, Item, Key, Put, Update
from shared.kernel.clock import Clock
from shared.kernel.errors import Retryable, Terminal
from shared.kernel.settings import BudgetLimits
from shared.tasks.lease import LeaseLost
from shared.tasks.records import Spend, Task, task_key

_ATTEMPTS = 8
PREFIX = "RESERVED#"


@dataclass(frozen=True)
class Reservation:
    """What one call may use up; `tree` is empty where the tree has no limit."""

    task_id: str
    call: str
    epoch: int
    most: Spend
    user_id: str
    day: date
    tree: str

    @property
    def key(self) -> Key:
        """Where it is stored."""
        return {"pk": f"TASK#{self.task_id}", "sk": f"{PREFIX}{self.call}#{self.epoch}"}

    @property
    def meters(self) -> list[Meter]:
        """The counters that it holds something of, besides the turn's own."""
        return [*user_meters(self.user_id, self.day), *([tree_meter(self.tree)] if self.tree else [])]

    def put(self) -> Put:
        """The write that stores it, also over a smaller one of the same call."""
        item: Item = {
            **self.key,
            "v": RECORD_VERSION,
            "prompt_tokens": self.most.prompt_tokens,
            "completion_tokens": self.most.completion_tokens,
            "micros": self.most.cost_micros,
            "user_id": self.user_id,
            "day": self.day.isoformat(),
            "tree": self.tree,
        }
        return Put(item)

    @classmethod
    def from_item(cls, item: Item) -> "Reservation":
        """The record from its stored form."""
        call, _, epoch = str(item["sk"]).removeprefix(PREFIX).rpartition("#")
        most = Spend(
            prompt_tokens=item["prompt_tokens"],
            completion_tokens=item["completion_tokens"],
            cost_micros=item["micros"],
        )
        task_id = str(item["pk"]).removeprefix("TASK#")
        return cls(task_id, call, int(epoch), most, item["user_id"], date.fromisoformat(item["day"]), item["tree"])

    def removal(self) -> Delete:
        """The write that ends it, once."""
        return Delete(self.key, condition="attribute_exists(#pk)")

    def settling(self, used: Spend) -> list[Change]:
        """What changes in its counters when `used` is known."""
        spent = Amount.of(used)
        return [Change(meter, spent, spent.minus(Amount.of(self.most))) for meter in self.meters]


@dataclass(frozen=True)
class Wanted:
    """A call that is to be reserved for."""

    call: str
    """Its name within the task."""
    size: CallSize
    used: Spend = field(default_factory=Spend)
    """By earlier attempts at it."""
    patient: bool = False
    """Rather be refused (`held_by_others`) than bounded by what others hold for the moment."""


@dataclass(frozen=True)
class _Room:
    scope: Scope
    left: Bound
    """With what the call holds already."""
    others: Amount
    """What other calls hold."""


class Budgets:
    """The deployment's limits, and the counters behind them."""

    def __init__(self, database: Database, clock: Clock, limits: BudgetLimits) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        self._bounds = {scope: bound_of(limits, scope) for scope in SCOPES}

    @property
    def clock(self) -> Clock:
        """Where the time comes from, which decides the day."""
        return self._clock

    @property
    def database(self) -> Database:
        """Where the counters are."""
        return self._database

    @property
    def limited(self) -> bool:
        """Whether anything is limited: only then is there anything to reserve."""
        return any(bound.is_set for bound in self._bounds.values())

    def reserve(
        self,
        task: Task,
        epoch: int,
        wanted: "Wanted",
        before: Reservation | None = None,
    ) -> tuple[Reservation, int]:
        """Hold what one call may cost at most; the reservation, and how many tokens its answer may have.

        If less than the maximum is left, the answer is bounded by what is left, down to 256 tokens. `before`
        is the reservation of an earlier attempt at the same call: it grows into this one, which also
        covers what the earlier attempts have used.

        Raises:
            BudgetExhausted: a budget doesn't hold that much any more.
            LeaseLost: another owner has taken over.
            Terminal: `price_missing`: a limit in US dollars, and nobody has said what the model costs.
            Retryable: it can't be reserved, so there can be no call.
        """
        size = wanted.size
        if size.price is None and any(bound.micros is not None for bound in self._bounds.values()):
            raise Terminal("A budget in US dollars is set, but the model has no price.", code="price_missing")
        output = size.output_tokens
        for _ in range(_ATTEMPTS):
            made = self._reservation(task, epoch, wanted.call, wanted.used.plus(size.spend(output)), before)
            held = before.most if before else Spend()
            try:
                self._database.transact(self._writes(made, held))
            except TransactionFailed as failure:
                room = self._room(made, held, failure)
                output = min(output, size.fitting(_less(room.left, Amount.of(wanted.used))))
                others = size.fitting(_less(room.left, Amount.of(wanted.used).minus(room.others))) > output
                if output < min(LEAST_OUTPUT_TOKENS, size.output_tokens) or (others and wanted.patient):
                    raise BudgetExhausted(room.scope, self._bounds[room.scope], held_by_others=others) from failure
                continue
            return made, output
        raise Retryable("Too many calls compete for the rest of a budget.", code="budget_busy")

    def _reservation(self, task: Task, epoch: int, call: str, most: Spend, before: Reservation | None) -> Reservation:
        tree = task.tree if self._bounds["tree"].is_set else ""
        if before:  # it stays in the day in which it began
            return Reservation(task.id, call, epoch, most, before.user_id, before.day, before.tree)
        return Reservation(task.id, call, epoch, most, task.user_id, day_of(self._clock.now()), tree)

    def _writes(self, wanted: Reservation, held: Spend) -> list[Update | Put]:
        more = Amount.of(wanted.most).minus(Amount.of(held))
        own = [Change(turn_meter(wanted.task_id), claimed=more)]
        adds, amounts = added(own)
        condition, rooms = within(own, self._limits)
        fenced = Update(
            task_key(wanted.task_id),
            adds or "SET #epoch = :epoch",
            condition="#epoch = :epoch" + (f" AND {condition}" if condition else ""),
            values={"epoch": wanted.epoch, **amounts, **rooms},
        )
        changes = [Change(meter, claimed=more) for meter in wanted.meters]
        return [fenced, wanted.put(), *claiming(changes, self._clock.now(), self._limits)]

    def _room(self, wanted: Reservation, held: Spend, failure: TransactionFailed) -> "_Room":
        """The budget that has least for this call."""
        fence = failure.failed.get(0)
        if 0 in failure.failed and (fence is None or fence["epoch"] != wanted.epoch):
            raise LeaseLost(wanted.task_id) from failure
        rooms: list[_Room] = []
        meters = [(0, turn_meter(wanted.task_id))]
        records = list(dict.fromkeys((meter.pk, meter.sk) for meter in wanted.meters))
        meters += [(2 + records.index((meter.pk, meter.sk)), meter) for meter in wanted.meters]
        more = Amount.of(wanted.most).minus(Amount.of(held))
        for position, meter in meters:
            if position not in failure.failed:
                continue
            item, bound = failure.failed[position], self._bounds[meter.scope]
            claimed = meter.claimed(item)
            if Bound(_beyond(bound.tokens), _beyond(bound.micros)).used_up(claimed.plus(more)):
                own = Amount.of(held)
                others = NOTHING if meter.scope == "turn" else meter.reserved(item).minus(own)
                rooms.append(_Room(meter.scope, _less(bound, claimed.minus(own)), others))
        return min(rooms, key=lambda room: _rank(room.left))


def _beyond(limit: int | None) -> int | None:
    return None if limit is None else limit + 1


def _less(bound: Bound, amount: Amount) -> Bound:
    return Bound(
        None if bound.tokens is None else bound.tokens - amount.tokens,
        None if bound.micros is None else bound.micros - amount.micros,
    )


def _rank(left: Bound) -> float:
    return min(value for value in (left.tokens, left.micros) if value is not None)


def left_behind(records: Sequence[Item]) -> list[Reservation]:
    """The reservations among a task's records."""
    return [Reservation.from_item(record) for record in records if record["sk"].startswith(PREFIX)]


def settle_in_full(database: Database, clock: Clock, records: Sequence[Item]) -> None:
    """Count what is reserved among a task's records as spent, once: whoever could know better is dead.

    Raises:
        Retryable: some may have been settled, and some not.
    """
    for reservation in left_behind(records):
        counted = counting(reservation.settling(reservation.most), clock.now())
        with suppress(TransactionFailed):  # somebody else was quicker
            database.transact([reservation.removal(), *counted])
