"""Asking the model one question from inside an operation's work."""

from collections.abc import Callable

from shared.chat.model import ModelEvent, ModelFailed, ModelFinished, ModelRequest, TextDelta
from shared.chat.services import TurnEngine
from shared.chat.turn.model_step import cost_micros
from shared.kernel.clock import Clock
from shared.kernel.errors import ToolError
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.kernel.mailbox import Mailbox
from shared.kernel.telemetry import count, log_event, log_problem
from shared.tasks.records import Spend, Task
from shared.tools.contract import Cancellation

_ATTEMPTS = 3
_PAUSE_SECONDS = 2.0


class Asking:
    """Asks without tools; what it costs goes to `spent`. Runs in the work's thread."""

    def __init__(
        self, engine: TurnEngine, task: Task, clock: Clock, cancellation: Cancellation, spent: Callable[[Spend], None]
    ) -> None:
        self._engine = engine
        self._task = task
        self._clock = clock
        self._cancellation = cancellation
        self._spent = spent

    def __call__(self, instructions: str, material: str) -> str:
        """The model's answer.

        Raises:
            ToolError: it gave none, or the work is to stop.
        """
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": material}]
        request = ModelRequest(messages, [], self._task.user_id)
        for attempt in range(1, _ATTEMPTS + 1):
            began = self._clock.now()
            text, last = self._once(request)
            if isinstance(last, ModelFinished) and text.strip():
                self._report(last, attempt, self._clock.now() - began)
                return text
            failed = last if isinstance(last, ModelFailed) else _empty()
            log_problem("model.failed", **self._task.ids, attempt=attempt, code=failed.code)
            count("ModelErrors")
            if not failed.retryable or attempt == _ATTEMPTS or self._cancellation.cancelled:
                raise ToolError(failed.message, code=failed.code)
            self._clock.sleep(max(failed.retry_after_seconds, _PAUSE_SECONDS))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, request: ModelRequest) -> tuple[str, ModelFinished | ModelFailed]:
        mailbox: Mailbox[ModelEvent] = self._engine.workers.mailbox()
        call = self._engine.model.start(request, mailbox)
        self._cancellation.on_cancel(lambda: mailbox.put(ModelFailed("stopped", "The work was stopped.", False)))
        limit, said = self._clock.now() + MAX_TOOL_WAIT_SECONDS, ""
        try:
            while (event := mailbox.get(max(0.0, limit - self._clock.now()))) is not None:
                if isinstance(event, ModelFinished | ModelFailed):
                    return said, event
                said += event.text if isinstance(event, TextDelta) else ""
            return said, ModelFailed("model_timeout", "The model did not answer in time.", retryable=False)
        finally:
            call.close()

    def _report(self, finished: ModelFinished, attempt: int, seconds: float) -> None:
        micros = cost_micros(self._engine.prices.get(self._engine.model.name), finished)
        spend = Spend(1, 0, finished.prompt_tokens, finished.completion_tokens, micros)
        self._spent(spend)
        log_event(
            "model.answered",
            **self._task.ids,
            attempt=attempt,
            seconds=round(seconds, 3),
            prompt_tokens=spend.prompt_tokens,
            completion_tokens=spend.completion_tokens,
            cost_micros=micros,
        )


def _empty() -> ModelFailed:
    return ModelFailed("empty_completion", "The model answered with nothing.", retryable=True)
