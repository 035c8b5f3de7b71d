"""One answer of the model: streamed to the viewers, repeated where that is safe."""

from dataclasses import dataclass
from typing import Any

from shared.chat.metering import Metering
from shared.chat.model import ModelCall, ModelEvent, ModelFailed, ModelFinished, ModelRequest
from shared.chat.services import TurnEngine
from shared.chat.transcript import ToolCall
from shared.chat.turn.draft import Draft
from shared.chat.turn.offer import Offer
from shared.chat.turn.owner import TurnOwner
from shared.kernel.clock import Clock
from shared.kernel.errors import Terminal
from shared.kernel.limits import MODEL_CALL_SECONDS, STREAM_IDLE_TIMEOUT_SECONDS
from shared.kernel.mailbox import Mailbox
from shared.kernel.telemetry import count, log_event, log_problem, measure_seconds
from shared.stream import parts as wire
from shared.stream.parts import FinishReason
from shared.tasks.records import Spend

_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
_ROOM_SECONDS = 60.0
"""So long a call waits for others that hold the rest of a budget, before it takes what is left."""
_ROOM_PAUSE_SECONDS = 2.0
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "length": "length",
    "content_filter": "content-filter",
}


@dataclass(frozen=True)
class Answer:
    """What the model said in one step."""

    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    reason: FinishReason
    spend: Spend
    """Of the attempt that succeeded."""


class ModelStep:
    """Asks the model once, and again as long as that is allowed."""

    def __init__(self, owner: TurnOwner, engine: TurnEngine, clock: Clock, metering: Metering) -> None:
        self._owner = owner
        self._metering = metering
        self._engine = engine
        self._clock = clock

    def run(self, messages: list[dict[str, Any]], step: int, used_ids: frozenset[str], *, tools: bool) -> Answer:
        """The model's answer; its parts are emitted, its open block is closed, nothing is settled yet.

        What it has used is on the owner's tab, and so is what failed attempts have used.

        Raises:
            BudgetExhausted: there is no room for a call.
            Terminal: it failed for good, or as often as may be tried.
        """
        schemas = Offer(self._engine, self._owner.task).schemas(messages) if tools else []
        request = ModelRequest(messages, schemas, self._owner.task.user_id)
        cut_at = self._clock.now() + MODEL_CALL_SECONDS  # of all attempts, so that the step ends in its time
        for attempt in range(1, self._engine.max_attempts + 1):
            self._owner.new_step()
            draft = Draft(step, used_ids)
            began = self._clock.now()
            last, spend = self._metered(request, draft, cut_at)
            measure_seconds("ModelSeconds", self._clock.now() - began)
            if isinstance(last, ModelFinished) and draft.empty:
                last = ModelFailed("empty_completion", "The model answered with nothing.", retryable=True)
            if isinstance(last, ModelFinished):
                answer = self._answer(draft, last, spend)
                self._report(answer, step, attempt, self._clock.now() - began)
                return answer
            log_problem("model.failed", **self._owner.task.ids, step=step, attempt=attempt, code=last.code)
            count("ModelErrors")
            if not last.retryable or attempt == self._engine.max_attempts:
                raise Terminal(last.message, code=last.code)
            self._withdraw()
            self._pause(max(last.retry_after_seconds, _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS)) - 1]))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _metered(self, request: ModelRequest, draft: Draft, cut_at: float) -> tuple[ModelFinished | ModelFailed, Spend]:
        task, name = self._owner.task, str(draft.step)
        patient_until = self._clock.now() + _ROOM_SECONDS

        def wait() -> bool:
            self._pause(_ROOM_PAUSE_SECONDS)
            return self._clock.now() < patient_until

        with self._metering.call(task, name, request, lambda: draft.written, wait) as call:
            last = self._attempt(call.request, draft, cut_at)
            return last, call.ended(last)

    def _attempt(self, request: ModelRequest, draft: Draft, cut_at: float) -> ModelFinished | ModelFailed:
        mailbox: Mailbox[ModelEvent] = self._engine.workers.mailbox()
        call = self._engine.model.start(request, mailbox)
        try:
            return self._follow(mailbox, draft, call, cut_at)
        finally:
            call.close()

    def _follow(
        self, mailbox: Mailbox[ModelEvent], draft: Draft, call: ModelCall, cut_at: float
    ) -> ModelFinished | ModelFailed:
        while True:
            silent_until = self._clock.now() + STREAM_IDLE_TIMEOUT_SECONDS
            event = self._owner.next_event(mailbox, min(cut_at, silent_until))
            if event is None:
                return ModelFailed("model_timeout", "The model did not answer in time.", retryable=False)
            if isinstance(event, ModelFinished | ModelFailed):
                return event
            for part in draft.apply(event):
                self._owner.emit(part)
            if draft.too_large:
                call.close()
                return ModelFinished("length")

    def _answer(self, draft: Draft, finished: ModelFinished, spend: Spend) -> Answer:
        for part in draft.close_block():
            self._owner.emit(part)
        calls = tuple(draft.calls)
        reason = "tool-calls" if calls else _REASONS.get(finished.reason, "other")
        return Answer("".join(draft.text), "".join(draft.reasoning), calls, reason, spend)

    def _report(self, answer: Answer, step: int, attempt: int, seconds: float) -> None:
        log_event(
            "model.answered",
            **self._owner.task.ids,
            step=step,
            attempt=attempt,
            seconds=round(seconds, 3),
            tool_calls=len(answer.calls),
            prompt_tokens=answer.spend.prompt_tokens,
            completion_tokens=answer.spend.completion_tokens,
            cost_micros=answer.spend.cost_micros,
        )

    def _withdraw(self) -> None:
        """Take back what viewers may have seen of the failed attempt."""
        self._owner.drop_buffered()
        if self._owner.unsettled:
            self._owner.emit(wire.reset_step())
            self._owner.flush()
            log_event("step.withdrawn", **self._owner.task.ids, step=self._owner.spend.steps)

    def _pause(self, seconds: float) -> None:
        silence: Mailbox[ModelEvent] = self._engine.workers.mailbox()
        self._owner.next_event(silence, self._clock.now() + seconds)
