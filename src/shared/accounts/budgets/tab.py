"""A task's running account between two of its transactions."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.accounts.budgets.amounts import Amount, CallSize
from shared.accounts.budgets.meters import Change, added, counting, day_of, turn_meter, user_meters
from shared.accounts.budgets.reservations import Budgets, Reservation, Wanted, left_behind
from shared.aws.database import TransactionFailed
from shared.aws.writes import Item, Update, Write
from shared.kernel.telemetry import log_event
from shared.tasks.lease import LeaseLost
from shared.tasks.records import Spend, Task, task_key

_COUNTED = ("steps", "tool_calls", "prompt_tokens", "completion_tokens", "cost_micros")


@dataclass(frozen=True)
class _Held:
    reservation: Reservation
    used: Spend
    """By the attempts so far."""


class Tab:
    """What an owner of a task has used, reserved, and found left behind since the last transaction.

    It goes into the owner's next one: `writes` beside the others, `also` within the write to the task itself,
    and `close` when they have been made. Whoever has no such transaction calls `settle`.
    """

    def __init__(self, budgets: Budgets, task_id: str, epoch: int) -> None:
        self._budgets = budgets
        self._task_id = task_id
        self._epoch = epoch
        self._held: dict[str, _Held] = {}
        self._left_behind: list[Reservation] = []
        self.used = Spend()
        """Not yet stored in the task's record."""

    def inherit(self, records: Sequence[Item]) -> None:
        """Settle in full what dead owners of the task had reserved; `records` are the task's."""
        self._left_behind = left_behind(records)
        for reservation in self._left_behind:
            self.used = self.used.plus(reservation.most)

    @property
    def open(self) -> bool:
        """Whether anything is left to settle."""
        return self.used != Spend() or bool(self._held)

    @property
    def limited(self) -> bool:
        """Whether calls need a reservation."""
        return self._budgets.limited

    def reserve(self, task: Task, call: str, size: CallSize, *, patient: bool = False) -> int:
        """Hold the most that a call can cost; how many tokens its answer may have. See `Budgets.reserve`."""
        held = self._held.get(call)
        used, before = (held.used, held.reservation) if held else (Spend(), None)
        reservation, output = self._budgets.reserve(task, self._epoch, Wanted(call, size, used, patient), before)
        self._held[call] = _Held(reservation, used)
        return output

    def use(self, spend: Spend, call: str = "") -> None:
        """Count what was really used, out of what is held for `call` if anything is."""
        self.used = self.used.plus(spend)
        if held := self._held.get(call):
            self._held[call] = _Held(held.reservation, held.used.plus(spend))

    def writes(self, task: Task) -> list[Write]:
        """The counters' part of the transaction."""
        settled = [(one, one.most) for one in self._left_behind]
        settled += [(one.reservation, one.used) for one in self._held.values()]
        now = self._budgets.clock.now()
        free = Amount.of(self.used)
        changes: list[Change] = []
        for reservation, spend in settled:
            changes += reservation.settling(spend)
            free = free.minus(Amount.of(spend))
        if free != Amount():
            changes += [Change(meter, free, free) for meter in user_meters(task.user_id, day_of(now))]
        return [*(one.removal() for one, _ in settled), *counting(changes, now)]

    def also(self) -> tuple[str, dict[str, int]]:
        """The ADD clause of the transaction's write to the task's record (empty if nothing changes), and its values."""
        reserved = Amount()
        for reservation in [*self._left_behind, *(one.reservation for one in self._held.values())]:
            reserved = reserved.plus(Amount.of(reservation.most))
        return added([Change(turn_meter(self._task_id), claimed=Amount.of(self.used).minus(reserved))])

    def close(self) -> None:
        """All of it is stored."""
        for reservation in self._left_behind:
            log_event("budget.settled_in_full", task_id=self._task_id, cost_micros=reservation.most.cost_micros)
        self._held, self._left_behind, self.used = {}, [], Spend()

    def settle(self, task: Task) -> None:
        """Store it in a transaction of its own, for a call that belongs to no step.

        Raises:
            LeaseLost: another owner has taken over, and settles it.
            Retryable: it may or may not have been stored.
        """
        if not self.open:
            return
        adds, values = self.also()
        sums = {name: n for name in _COUNTED if (n := getattr(self.used, name))}
        sets = ", ".join(f"#spend.#{name} = #spend.#{name} + :used_{name}" for name in sums) or "#epoch = :epoch"
        counted = Update(
            task_key(self._task_id),
            f"SET {sets} {adds}",
            condition="#epoch = :epoch",
            values={"epoch": self._epoch, **values, **{f"used_{name}": n for name, n in sums.items()}},
        )
        try:
            self._budgets.database.transact([counted, *self.writes(task)])
        except TransactionFailed as failure:
            raise LeaseLost(self._task_id) from failure
        self.close()
