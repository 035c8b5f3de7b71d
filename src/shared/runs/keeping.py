"""After an execution: what it has brought is charged and stored, in groups that one transaction can hold."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from shared.accounts.credits import Credits
from shared.agents.graphs.model import ERROR_PIN
from shared.agents.graphs.schemas import FindBlock
from shared.aws.writes import Delete, Write
from shared.chat.services import Services
from shared.chat.turn.owner import TurnOwner
from shared.kernel.clock import to_millis
from shared.kernel.telemetry import log_event
from shared.runs.calling import Brought, Failed, Underway
from shared.runs.ending import Verdict
from shared.runs.plan import Plan, Values
from shared.runs.records import Execution, order_row, written
from shared.runs.stream import Progress
from shared.tasks.records import Spend, call_key

Ended = tuple[Underway, Brought | Failed]
_GROUP_BYTES = 400_000
_GROUP_ROWS = 40
"""Executions that are stored together."""


class Keeping:
    """Stores what the executions of one run bring, and tells the plan."""

    def __init__(
        self, services: Services, owner: TurnOwner, find_block: FindBlock, plan: Plan, ended: Sequence[Execution]
    ) -> None:
        self._clock = services.clock
        self._owner = owner
        self._find_block = find_block
        self._plan = plan
        self._wallet = Credits(services.database, services.clock)
        self.bytes = sum(one.size for one in ended)
        """Of all values."""
        self.parts = sum(one.parts for one in ended)
        """How many values there are, those within others included."""
        self.credits = sum(one.credits for one in ended)
        self.failure = next((one for one in map(self._fatal, ended) if one), None)
        """How the run ends, if it must."""

    def keep(self, ended: Sequence[Ended], progress: Progress, running: Iterable[Underway]) -> None:
        """Store all of it; `running` still are."""
        beside = list(running)
        for group in _portions(ended):
            self._store(group, progress, beside)

    def _store(self, group: Sequence[Ended], progress: Progress, running: Iterable[Underway]) -> None:
        task, now = self._owner.task, to_millis(self._clock.now())
        self._charge(group)
        rows = [self._row(one, result, self._plan.ended + at, now) for at, (one, result) in enumerate(group)]
        for (one, _), row in zip(group, rows, strict=True):
            self._owner.was_spent(one.news_of_spend())
            progress.ends(one.ready.node.id, row.status)
        note_spend(self._owner, running)
        self._owner.was_spent(Spend(steps=len(rows)))
        for part in progress.due():
            self._owner.emit(part)
        credits = self.credits + sum(row.credits for row in rows)
        also_set, values = (", #credits = :credits", {"credits": credits}) if credits else ("", {})
        writes: list[Write] = [order_row(task, rows), *(put for row in rows for put in row.puts(task))]
        writes += [Delete(call_key(task.id, one.ready.id)) for one, _ in group if one.has_waited]
        self._owner.commit(writes, also_set=also_set, values=dict(values))
        self.credits = credits
        for (one, result), row in zip(group, rows, strict=True):
            self.bytes += row.size
            self.parts += row.parts
            self._plan.end(row.node_id, row.index, _values(result))
            self.failure = self.failure or self._fatal(row)
            log_event(
                "block.finished",
                **task.ids,
                tool_call_id=one.ready.id,
                block_id=row.block_id,
                outcome=row.error_code or "ok",
                seconds=round(self._clock.now() - one.began_at, 3),
            )

    def _charge(self, group: Sequence[Ended]) -> None:
        """Before it is stored: what is repeated after a kill is charged once, and what is stored is not repeated."""
        task = self._owner.task
        for one, result in group:
            if isinstance(result, Brought) and one.block and one.price:
                self._wallet.charge(task.user_id, f"{task.id}#{one.ready.id}", one.price, one.block.name)

    def _row(self, one: Underway, result: Brought | Failed, order: int, now: int) -> Execution:
        failed = result if isinstance(result, Failed) else Failed("", "")
        return Execution(
            node_id=one.ready.node.id,
            index=one.ready.index,
            order=order,
            status="failed" if isinstance(result, Failed) else "completed",
            block_id=one.ready.node.block_id,
            outputs=result.text if isinstance(result, Brought) else written(_values(result)),
            inputs=one.shown_inputs,
            started_at=to_millis(one.began_at),
            ended_at=now,
            credits=one.price if isinstance(result, Brought) else 0,
            spend=one.progress.spent,
            parts=result.parts if isinstance(result, Brought) else 0,
            error=failed.message,
            error_code=failed.code,
        )

    def _fatal(self, row: Execution) -> Verdict | None:
        """How the run ends by an execution that failed; None if it didn't, or somebody takes its failure."""
        if row.status != "failed" or self._plan.links_error(row.node_id):
            return None
        block = self._find_block(row.block_id)
        name = block.name if block else row.block_id
        verdict = Verdict.failure(row.error_code, f"{name} ({row.node_id}) failed: {row.error}")
        return replace(verdict, node_id=row.node_id, block=name)


def note_spend(owner: TurnOwner, running: Iterable[Underway]) -> None:
    """What those that run have used of the model, and stored: the owner's next write must not undo it."""
    for one in running:
        owner.was_spent(one.news_of_spend())


def _values(result: Brought | Failed) -> Values:
    return {ERROR_PIN: [result.message]} if isinstance(result, Failed) else result.outputs


def _portions(ended: Sequence[Ended]) -> Iterator[list[Ended]]:
    """Groups that one transaction can hold."""
    group: list[Ended] = []
    size = 0
    for one in ended:
        length = len(one[1].text.encode()) if isinstance(one[1], Brought) else 0
        if group and (size + length > _GROUP_BYTES or len(group) >= _GROUP_ROWS):
            yield group
            group, size = [], 0
        group.append(one)
        size += length
    if group:
        yield group
