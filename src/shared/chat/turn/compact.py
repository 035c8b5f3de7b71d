"""Doing a compaction: the summary's call, and the transaction that moves the turn's and the session's beginning."""

import io
from dataclasses import dataclass, replace
from typing import Any

from shared.accounts.budgets.amounts import BudgetExhausted
from shared.aws.writes import Update, Write
from shared.chat import compaction
from shared.chat.compaction import Plan
from shared.chat.metering import Metering
from shared.chat.model import PROMPT_TOO_LONG, ModelEvent, ModelFailed, ModelFinished, ModelRequest, TextDelta
from shared.chat.prompt import SUMMARIZE
from shared.chat.services import Services, TurnEngine
from shared.chat.sessions import session_key
from shared.chat.transcript import Message, put_message
from shared.chat.turn.owner import TurnOwner
from shared.kernel.clock import to_millis
from shared.kernel.mailbox import Mailbox
from shared.kernel.telemetry import log_event
from shared.stream import parts as wire
from shared.tasks.records import Spend

SUMMARY_SECONDS = 60.0
"""All attempts at one summary: with the model call of a step it stays within an invocation."""

_CHARACTERS_A_TOKEN = 2
"""Few, so that the material fits also where a token is less than a word."""
_SHARES = (1, 4, 16)
"""The parts of the window that the material may take up, attempt by attempt."""


@dataclass(frozen=True)
class _Summary:
    text: str
    spend: Spend
    code: str | None
    """Why it was cut together instead of written."""


class Compactor:
    """Makes room in one turn for its owner."""

    def __init__(self, owner: TurnOwner, services: Services, engine: TurnEngine, metering: Metering) -> None:
        self._owner = owner
        self._metering = metering
        self._services = services
        self._engine = engine

    def make_room(self, messages: list[Message], *, refused: bool) -> list[Message]:
        """Store a compaction of `messages`, behind them; its rows, none if not needed or (`refused`) not possible.

        Until the transaction nothing has changed: whoever takes over meanwhile finds the turn as it was.
        What the summary has cost is on the owner's tab.
        """
        wanted = compaction.plan(messages, self._owner.task.turns, self._engine.context_tokens, refused=refused)
        if wanted is None:
            return []
        began = self._services.clock.now()
        self._withdraw()
        call = compaction.call_at(messages[-1].seq + 1)
        self._owner.emit(wire.tool_input_available(call.id, call.name, {}))
        summary = self._summary(wanted)
        rows = self._store(wanted, summary.text, messages[-1].seq + 1)
        log_event(
            "context.compacted",
            **self._owner.task.ids,
            reason="refused" if refused else "threshold",
            code=summary.code,
            messages=len(wanted.folded),
            prompt_tokens=summary.spend.prompt_tokens,
            completion_tokens=summary.spend.completion_tokens,
            cost_micros=summary.spend.cost_micros,
            seconds=round(self._services.clock.now() - began, 3),
        )
        return rows

    def _withdraw(self) -> None:
        """Take back what viewers may have seen of the call that was refused."""
        self._owner.drop_buffered()
        if self._owner.unsettled:
            self._owner.emit(wire.reset_step())

    def _store(self, wanted: Plan, summary: str, seq: int) -> list[Message]:
        task = self._owner.task
        rows = compaction.compaction_rows(wanted, summary, seq, task.id, to_millis(self._services.clock.now()))
        # The user's words are read again in this turn only: the summary tells later ones about them.
        moved = Update(
            session_key(task.session_id),
            "SET #context_from = :kept",
            condition="#active_task = :task",
            values={"kept": wanted.kept_from, "task": task.id},
        )
        writes: list[Write] = [moved, *(put_message(task.session_id, row) for row in rows)]
        answer = compaction.ContextCompacted().model_dump(mode="json")
        self._owner.commit(
            writes,
            [wire.tool_output(compaction.call_at(seq).id, answer), wire.finish_step(), wire.start_step()],
            also_set=", #context_from = :first",
            values={"first": wanted.first_seq},
        )
        self._owner.task = replace(self._owner.task, context_from=wanted.first_seq)
        return rows

    # -- the summary ---------------------------------------------------------------------------

    def _summary(self, wanted: Plan) -> _Summary:
        if not wanted.folded:
            return _Summary(wanted.earlier_summary, Spend(), None)
        self._owner.flush()  # viewers see what they wait for
        until = self._services.clock.now() + SUMMARY_SECONDS
        spend, code = Spend(), ""
        for share in _SHARES:
            characters = self._engine.context_tokens * _CHARACTERS_A_TOKEN // share
            try:
                text, last, used = self._ask(compaction.material(wanted, characters), until)
            except BudgetExhausted as exhausted:
                code = exhausted.code
                break
            spend = spend.plus(used)
            if isinstance(last, ModelFinished):
                if text.strip():
                    return _Summary(text.strip(), spend, None)
                last = ModelFailed("empty_completion", "", retryable=True)
            code = last.code
            if not (last.retryable or code == PROMPT_TOO_LONG):
                break
        return _Summary(compaction.truncated(wanted), spend, code)

    def _ask(self, material: str, until: float) -> tuple[str, ModelFinished | ModelFailed, Spend]:
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": SUMMARIZE},
            {"role": "user", "content": f"<conversation>\n{material}\n</conversation>"},
        ]
        request = ModelRequest(messages, [], self._owner.task.user_id)
        text = io.StringIO()
        with self._metering.call(self._owner.task, "summary", request, text.tell) as metered:
            mailbox: Mailbox[ModelEvent] = self._engine.workers.mailbox()
            call = self._engine.model.start(metered.request, mailbox)
            try:
                last = self._follow(mailbox, text, until)
            finally:
                call.close()
            return text.getvalue(), last, metered.ended(last)

    def _follow(self, mailbox: Mailbox[ModelEvent], text: io.StringIO, until: float) -> ModelFinished | ModelFailed:
        while True:
            event = self._owner.next_event(mailbox, until)
            if event is None:
                return ModelFailed("model_timeout", "The summary took too long.", retryable=False)
            if isinstance(event, ModelFinished | ModelFailed):
                return event
            if isinstance(event, TextDelta) and text.tell() < compaction.MAX_SUMMARY_CHARACTERS:
                text.write(event.text)
