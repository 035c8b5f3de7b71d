"""Asking the model one question from inside an operation's work, or a tool's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.accounts.budgets.amounts import BudgetExhausted
from shared.accounts.budgets.reservations import Budgets
from shared.accounts.budgets.tab import Tab
from shared.chat.metering import Metering
from shared.chat.model import Model, ModelEvent, ModelFailed, ModelFinished, ModelRequest, TextDelta
from shared.chat.services import Services
from shared.kernel.errors import ToolError
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import Mailbox, Workers
from shared.kernel.settings import ModelPrice
from shared.kernel.telemetry import count, log_event, log_problem
from shared.tasks.records import Spend, Task
from shared.tools.contract import Cancellation

_ATTEMPTS = 3
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Means:
    """What is asked, and by what."""

    model: Model
    workers: Workers
    prices: Mapping[str, ModelPrice]
    max_output_tokens: int | None
    """Of one answer; None: the model's own limit."""


class Asking:
    """Asks without tools, and within the budgets of the tree that the task belongs to.

    Runs in the work's thread, so it has a tab of its own and settles each call; `spent` hears of what is settled.
    `name` tells apart those who ask for one task at the same time.
    """

    def __init__(
        self,
        services: Services,
        means: Means,
        task: Task,
        cancellation: Cancellation,
        spent: Callable[[Spend], None],
        name: str = "ask",
    ) -> None:
        self._means = means
        self._name = name
        self._task = task
        self._clock = services.clock
        budgets = Budgets(services.database, services.clock, services.limits_of(task))
        self._tab = Tab(budgets, task.id, task.epoch)
        price = means.prices.get(means.model.name)
        self._metering = Metering(self._tab, price, means.max_output_tokens)
        self._asked = 0
        self._cancellation = cancellation
        self._spent = spent

    def __call__(self, instructions: str, material: str) -> str:
        """The model's answer.

        Raises:
            ToolError: it gave none, the work is to stop, or a budget has no room for it.
            LeaseLost: another owner works on the task.
        """
        self._asked += 1
        messages = [{"role": "system", "content": instructions}] if instructions else []
        messages.append({"role": "user", "content": material})
        request = ModelRequest(messages, [], self._task.user_id)
        for attempt in range(1, _ATTEMPTS + 1):
            began = self._clock.now()
            text, last, spend = self._metered(request)
            if isinstance(last, ModelFinished) and text.strip():
                self._report(spend, attempt, self._clock.now() - began)
                return text
            failed = last if isinstance(last, ModelFailed) else _empty()
            log_problem("model.failed", **self._task.ids, attempt=attempt, code=failed.code)
            count("ModelErrors")
            if not failed.retryable or attempt == _ATTEMPTS or self._cancellation.cancelled:
                raise ToolError(failed.message, code=failed.code)
            self._clock.sleep(max(failed.retry_after_seconds, _PAUSE_SECONDS))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _metered(self, request: ModelRequest) -> tuple[str, ModelFinished | ModelFailed, Spend]:
        written = [0]
        try:
            with self._metering.call(
                self._task, f"{self._name}-{self._asked}", request, lambda: written[0], self._wait
            ) as call:
                text, last = self._once(call.request, written)
                spend = call.ended(last)
        except BudgetExhausted as exhausted:
            raise self._told(exhausted) from exhausted
        self._tab.settle(self._task)
        self._spent(spend)
        return text, last, spend

    def _told(self, exhausted: BudgetExhausted) -> ToolError:
        if self._task.kind == "run" and exhausted.scope == "turn":
            return ToolError("This run has used up its budget.", code="run_budget")
        return ToolError(exhausted.message, code=exhausted.code)

    def _wait(self) -> bool:
        """Calls that are under way hold what this one needs."""
        self._clock.sleep(_PAUSE_SECONDS)
        return False

    def _once(self, request: ModelRequest, written: list[int]) -> tuple[str, ModelFinished | ModelFailed]:
        mailbox: Mailbox[ModelEvent] = self._means.workers.mailbox()
        call = self._means.model.start(request, mailbox)
        self._cancellation.on_cancel(lambda: mailbox.put(ModelFailed("stopped", "The work was stopped.", False)))
        limit, said = self._clock.now() + MAX_TOOL_WAIT_SECONDS, ""
        try:
            while (event := mailbox.get(max(0.0, limit - self._clock.now()))) is not None:
                if isinstance(event, ModelFinished | ModelFailed):
                    return said, event
                if isinstance(event, TextDelta):
                    said += event.text
                    written[0] += len(event.text.encode(errors="replace"))
            return said, ModelFailed("model_timeout", "The model did not answer in time.", retryable=False)
        finally:
            call.close()

    def _report(self, spend: Spend, attempt: int, seconds: float) -> None:
        log_event(
            "model.answered",
            **self._task.ids,
            attempt=attempt,
            seconds=round(seconds, 3),
            prompt_tokens=spend.prompt_tokens,
            completion_tokens=spend.completion_tokens,
            cost_micros=spend.cost_micros,
        )


def _empty() -> ModelFailed:
    return ModelFailed("empty_completion", "The model answered with nothing.", retryable=True)
