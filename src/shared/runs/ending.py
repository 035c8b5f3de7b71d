"""Ending a run, once: its stream, its record, and its slot for the next one, in one transaction."""

from dataclasses import dataclass

from shared.aws.writes import Update, Write
from shared.chat.services import Services
from shared.chat.turn.owner import InboxChanged, StreamMoved, TurnOwner, WritesRefused
from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import count, log_event
from shared.runs.deliveries import News, delivery_of
from shared.runs.records import Run, run_key
from shared.runs.stream import closing_parts, opening_parts
from shared.runs.views import outputs_of, status_of
from shared.stream.closing import OpenStream
from shared.stream.parts import Part
from shared.tasks.lease import Lease
from shared.tasks.records import Task, TaskStatus

_ATTEMPTS = 12
_DAY_MILLIS = 86_400_000


def time_over_at(services: Services, task: Task) -> int:
    """Until when a run may go on, waiting included, in milliseconds since the epoch.

    Where runs have been allowed longer since it began, it must still not outlive its records.
    """
    over = task.created_at + services.run_max_days * _DAY_MILLIS
    return min(over, task.expires_at * 1000 - _DAY_MILLIS) if task.expires_at else over


def run_owner(services: Services, lease: Lease, task: Task) -> TurnOwner:
    """Who has the lease of a run: its stream is kept as long as it may go on, and the retention longer."""
    return TurnOwner(services, lease, task, has_steps=False, lives_until=time_over_at(services, task) / 1000)


@dataclass(frozen=True)
class Verdict:
    """How a run ends."""

    status: TaskStatus
    code: str = ""
    message: str = ""
    node_id: str = ""
    block: str = ""
    """The name of the block that has failed."""

    @classmethod
    def success(cls) -> "Verdict":
        """Nothing is left to do."""
        return cls(TaskStatus.COMPLETED)

    @classmethod
    def failure(cls, code: str, message: str) -> "Verdict":
        """It can't go on."""
        return cls(TaskStatus.FAILED, code, message)

    @classmethod
    def stopped(cls) -> "Verdict":
        """Somebody has stopped it."""
        return cls(TaskStatus.CANCELLED, "stopped_by_user", "The run was stopped.")


class Ending:
    """Ends one run for its owner."""

    def __init__(self, services: Services, owner: TurnOwner, run: Run) -> None:
        self._services = services
        self._owner = owner
        self._run = run

    def end(self, verdict: Verdict, last_words: list[Part], credits: int) -> None:
        """End it with `verdict`; `last_words` are shown before.

        Raises:
            LeaseLost: another owner has taken over.
            Retryable: news come too fast; it has not ended.
        """
        self._owner.obeys_cancel = False
        for part in last_words:
            self._owner.emit(part)
        self._owner.flush()
        for _ in range(_ATTEMPTS):
            if self._try(verdict, credits):
                break
        else:
            raise Retryable("The run is too busy to end.", code="run_busy")
        self._services.slots.promote_after(self._owner.task)

    def _try(self, verdict: Verdict, credits: int) -> bool:
        owner, status = self._owner, status_of(verdict.status)
        outputs = outputs_of(self._services.database, self._run)
        opening = [] if OpenStream.after(owner.parts).started else opening_parts(owner.task)
        parts = [*opening, *closing_parts(self._run.id, status, outputs, verdict.message)]
        now = to_millis(self._services.clock.now())
        delivery = delivery_of(self._services, owner.task, self._run, News(status, verdict.code))
        writes: list[Write] = [self._record(verdict, now, credits), *self._services.slots.leave(owner.task)]
        writes += delivery[1] if delivery else []
        failed = verdict.status is not TaskStatus.COMPLETED
        error = {"code": verdict.code, "message": verdict.message, "node_id": verdict.node_id, "block": verdict.block}
        try:
            owner.commit(
                writes,
                parts,
                also_set=", #status = :status, #ended_at = :ended" + (", #error = :error" if failed else ""),
                values={"status": verdict.status.value, "ended": now, **({"error": error} if failed else {})},
                requires_inbox=True,
                keeps_shown=True,
            )
        except InboxChanged:
            owner.look()
            return False
        except (StreamMoved, WritesRefused):
            return False
        self._report(verdict, now)
        if delivery:
            self._services.slots.begin(delivery[0])
        return True

    def _record(self, verdict: Verdict, now: int, credits: int) -> Update:
        task = self._services.database.get({"pk": f"TASK#{self._run.id}", "sk": "META"}) or {}
        return Update(
            run_key(self._run.id),
            "SET #status = :status, #ended_at = :ended, #started_at = :started, #nodes_done = :nodes,"
            " #credits = :credits, #tokens = :tokens, #cost_micros = :micros, #error = :error, #error_code = :code",
            condition="attribute_exists(#pk)",
            values={
                "status": status_of(verdict.status),
                "ended": now,
                "started": task.get("started_at"),
                "nodes": self._owner.spend.steps,
                "tokens": self._owner.spend.tokens,
                "micros": self._owner.spend.cost_micros,
                "credits": credits or task.get("credits", 0),
                "error": verdict.message,
                "code": verdict.code,
            },
        )

    def _report(self, verdict: Verdict, now: int) -> None:
        task, spend = self._owner.task, self._owner.spend
        log_event(
            "run.finished",
            **task.ids,
            outcome=verdict.code or "ok",
            steps=spend.steps,
            cost_micros=spend.cost_micros,
            seconds=round((now - task.created_at) / 1000, 3),
        )
        count("RunFinished")
