"""The model as blocks get it: one question, one answer, counted against the budgets of the task that asks.

The call has a reservation and a settlement of its own, beside those of the task's owner: like a title's.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

from shared.accounts.budgets.amounts import BudgetExhausted
from shared.accounts.budgets.reservations import Budgets
from shared.accounts.budgets.tab import Tab
from shared.agents.blocks.contract import ModelAnswer, Prompt
from shared.chat.metering import Metering
from shared.chat.model import Model, ModelEvent, ModelFailed, ModelFinished, ModelRequest, TextDelta
from shared.chat.services import Services
from shared.kernel.errors import Terminal, ToolError
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import Mailbox, Workers
from shared.kernel.settings import ModelPrice
from shared.kernel.telemetry import log_event
from shared.tasks.lease import LeaseLost
from shared.tasks.records import Task
from shared.tasks.store import get_task
from shared.tools.contract import ToolContext

_POLL_SECONDS = 1.0
"""How soon a cancellation is noticed."""


@dataclass(frozen=True)
class BlockModel:
    """What blocks are given (`agents.blocks.contract.TextModel`)."""

    services: Services
    model: Model
    workers: Workers
    prices: Mapping[str, ModelPrice]

    def ask(self, call: ToolContext, name: str, prompt: Prompt) -> ModelAnswer:
        """One call; its usage is stored when this returns, however it ended.

        Raises:
            ToolError: the model's failure, a budget's end, or a cancellation.
            Retryable: the usage may or may not have been stored.
        """
        task = get_task(self.services.database, call.task_id)
        assert task is not None, "the task that asks is there"
        budgets = Budgets(self.services.database, self.services.clock, self.services.limits)
        tab = Tab(budgets, task.id, task.epoch)
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        messages.append({"role": "user", "content": prompt.text})
        request, text = ModelRequest(messages, [], call.user_id), io.StringIO()
        metering = Metering(tab, self.prices.get(self.model.name), prompt.max_output_tokens)
        try:
            with metering.call(task, f"{call.tool_call_id}-{name}", request, text.tell) as metered:
                last = self._follow(call, metered.request, text)
                spend = metered.ended(last)
        except BudgetExhausted as exhausted:
            raise ToolError(exhausted.message, code=exhausted.code) from None
        except Terminal as failed:
            raise ToolError(failed.message, code=failed.code) from None
        except LeaseLost:  # whoever has taken over asks again
            raise ToolError("Another worker has taken over.", code="cancelled") from None
        finally:
            self._settle(tab, task, call)
        if isinstance(last, ModelFailed):
            raise ToolError(last.message, code=last.code)
        log_event(
            "model.answered",
            **call.ids,
            tool_call_id=call.tool_call_id,
            prompt_tokens=spend.prompt_tokens,
            completion_tokens=spend.completion_tokens,
            cost_micros=spend.cost_micros,
        )
        return ModelAnswer(text.getvalue(), last.prompt_tokens, last.completion_tokens)

    def _follow(self, call: ToolContext, request: ModelRequest, text: io.StringIO) -> ModelFinished | ModelFailed:
        mailbox: Mailbox[ModelEvent] = self.workers.mailbox()
        clock = self.services.clock
        until = clock.now() + min(call.timeout_seconds, MAX_TOOL_WAIT_SECONDS)
        started = self.model.start(request, mailbox)
        try:
            while (left := until - clock.now()) > 0 and not call.cancellation.cancelled:
                event = mailbox.get(min(left, _POLL_SECONDS))
                if isinstance(event, ModelFinished | ModelFailed):
                    return event
                if isinstance(event, TextDelta):
                    text.write(event.text)
        finally:
            started.close()
        return ModelFailed("model_timeout", "The model did not answer in time.", retryable=False)

    def _settle(self, tab: Tab, task: Task, call: ToolContext) -> None:
        used = tab.used
        try:
            tab.settle(task)
        except LeaseLost:  # the next owner settles what was reserved
            return
        call.progress.spent = call.progress.spent.plus(used)
