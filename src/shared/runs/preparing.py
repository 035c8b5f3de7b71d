"""Before an execution runs: its block and inputs, whether it may, whether its user is asked, and what it costs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shared.accounts.credits import Credits
from shared.accounts.permissions import Permissions
from shared.agents.blocks.contract import BlockContext, BlockServices
from shared.agents.blocks.registry import shipped_block
from shared.agents.graphs.schemas import FindBlock
from shared.aws.writes import Item
from shared.chat.services import Services
from shared.kernel.errors import ToolError
from shared.kernel.mailbox import Workers
from shared.runs.calling import ASKS, Begin, ReviewGate, Underway, gathered_inputs, read
from shared.runs.ending import time_over_at
from shared.runs.records import Run, shown
from shared.tasks.records import Task
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext


@dataclass(frozen=True)
class RunBench:
    """What runs work with."""

    blocks: BlockServices
    workers: Workers
    reviews: ReviewGate | None = None
    """None: nobody can be asked, so what has to ask fails."""
    find_block: FindBlock = shipped_block


@dataclass(frozen=True)
class Held:
    """An execution that waits instead."""

    wait: Wait
    stored: bool = False
    """Whether its journal is written."""


class Preparing:
    """Sees to the executions of one run before they begin."""

    def __init__(self, services: Services, bench: RunBench, task: Task, run: Run, records: Sequence[Item]) -> None:
        self._bench = bench
        self._task = task
        self._ends_at = time_over_at(services, task)
        self._inputs = json.loads(run.inputs)
        self._permissions = Permissions.from_item(task.permissions)
        self._credits = Credits(services.database, services.clock)
        calls = [record for record in records if record["sk"].startswith("CALL#")]
        self._journal: dict[str, Item] = {record["sk"].removeprefix("CALL#"): record for record in calls}

    def how(self, one: Underway, beside: Iterable[Underway]) -> Begin | Held:
        """What is to be called, or waited for; `beside` run or wait already.

        Raises:
            ToolError: it can't be run.
        """
        block, journal = self._bench.find_block(one.ready.node.block_id), self._journal.get(one.ready.id)
        if journal:
            one.began_at = journal["began_at"] / 1000
        if block is None:
            raise ToolError("There is no such block any more.", code="unknown_block")
        given = gathered_inputs(one.ready, self._inputs)
        one.block, one.shown_inputs = block, shown(given)
        inputs = one.inputs = read(block, given)
        if not self._permissions.allows_block(block.named()):
            raise ToolError(f"{block.name} is not allowed here.", code="block_not_allowed")
        if not block.is_available(self._bench.blocks):
            raise ToolError(f"{block.name} is not available in this deployment.", code="block_unavailable")
        if journal and journal["status"] == "waiting":
            del self._journal[one.ready.id]
            wait = Wait.from_item(journal)
            one.waits(wait)
            one.price = 0 if one.begins_anew or self._task.dry_run else block.price_credits
            return Held(wait, stored=True)
        dry_run = self._task.dry_run
        if journal and not dry_run and block.takes_effect(inputs):
            raise ToolError(
                "It was started, and then interrupted. It may have taken effect or not.", code="outcome_unknown"
            )
        if block.must_ask(self.call(one), inputs) and (asked := self._asked(one)):
            return asked
        self._require_credits(one, beside)
        context, inputs = self.context(one), one.inputs  # as they were approved
        return lambda: block.rehearse(context, inputs) if dry_run else block.run(context, inputs)

    def _asked(self, one: Underway) -> Held | None:
        """A wait for what the user says; None if they have approved it."""
        assert one.block, "it has been looked up"
        assert one.inputs, "they have been read"
        if self._bench.reviews is None:
            raise ToolError(f"{one.block.name} needs the user's approval, and cannot ask.", code="review_unavailable")
        said = self._bench.reviews.ask(self.call(one), one.block, one.inputs)
        if isinstance(said, Wait):
            return Held(replace(said, note={**said.note, ASKS: True}))
        one.inputs, one.shown_inputs = said, shown(said.model_dump(mode="json", exclude_unset=True))
        return None

    def _require_credits(self, one: Underway, beside: Iterable[Underway]) -> None:
        """What runs beside it is not charged yet, and counts."""
        assert one.block, "it has been looked up"
        price = one.block.price_credits
        if price <= 0 or self._task.dry_run:
            return
        others = sum(other.price for other in beside)
        balance = self._credits.balance(self._task.user_id)
        if balance - others < price:
            message = f"{one.block.name} costs {price} credits, and there are {max(0, balance - others)}."
            raise ToolError(message, code="insufficient_credits")
        one.price = price

    def context(self, one: Underway) -> BlockContext:
        """What the execution may know and use."""
        return BlockContext(self.call(one), self._bench.blocks, self._permissions)

    def call(self, one: Underway) -> ToolContext:
        """Whose it is, and which."""
        task = self._task
        return ToolContext(
            user_id=task.user_id,
            session_id=task.session_id,
            task_id=task.id,
            tool_call_id=one.ready.id,
            cancellation=one.cancellation,
            dry_run=task.dry_run,
            is_foreign=task.is_foreign,
            permissions=self._permissions,
            progress=one.progress,
            task_ends_at=self._ends_at,
            tree_max_tokens=task.tree_max_tokens,
            tree_max_micros=task.tree_max_micros,
        )
