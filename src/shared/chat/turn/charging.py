"""What tools with a price cost their user: asked before they start, charged once when there is something to pay for."""

from collections.abc import Iterable
from typing import Any

from shared.accounts.credits import Credits
from shared.chat.services import Services
from shared.chat.transcript import ToolCall
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.telemetry import log_problem
from shared.tasks.records import Task
from shared.tools.contract import CallProgress, ErrorResponse, Tool
from shared.tools.registry import Toolbox


class Charging:
    """The calls of one step."""

    def __init__(self, services: Services, toolbox: Toolbox) -> None:
        self._credits = Credits(services.database, services.clock)
        self._toolbox = toolbox
        self._progress: dict[str, CallProgress] = {}

    def progress(self, call: ToolCall) -> CallProgress:
        """Where the call's tool says how far it is."""
        return self._progress.setdefault(call.id, CallProgress())

    def refusal(self, task: Task, tool: Tool[Any]) -> ErrorResponse | None:
        """The answer to a call that its user can't pay.

        Raises:
            Retryable: nobody knows whether they can, so it doesn't start.
        """
        if tool.price_credits <= 0 or task.dry_run:
            return None
        balance = self._credits.balance(task.user_id)
        if balance >= tool.price_credits:
            return None
        return ErrorResponse(
            code="insufficient_credits",
            message=f"This costs {tool.price_credits} credits and the user has {balance}. Tell the user.",
        )

    def report_cap(self, task: Task, call: ToolCall, arguments: Iterable[str]) -> None:
        """Say that the call was stopped at the cap: what it was, and the names of what it was given."""
        tool, progress = self._toolbox.get(call.name), self.progress(call)
        fields = tool.input_model.model_fields if tool else {}
        log_problem(
            "copilot_tool_timeout",
            task_id=task.id,
            tool=tool.name if tool else None,
            block=progress.block,
            block_id=progress.block_id,
            input_keys=[name for name in arguments if name in fields],
            user=task.user_id,
            session=task.session_id,
            cap_s=MAX_TOOL_WAIT_SECONDS,
        )

    def charge(self, task: Task, calls: Iterable[ToolCall]) -> None:
        """Charge those of the calls that brought something: at their end, at the cap, or when they are stopped."""
        for call in calls:
            tool, progress = self._toolbox.get(call.name), self.progress(call)
            price = progress.price_credits + (tool.price_credits if tool else 0)
            if tool is None or price <= 0 or task.dry_run or not progress.output_exists:
                continue
            self._credits.charge(task.user_id, f"{task.id}#{call.id}", price, tool.name)
