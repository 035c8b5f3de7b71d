"""The rules of compaction: what the model is given of a long conversation, and when and how that shrinks.

A compaction is an assistant row with one call, `context_compaction`, and the call's result behind it: what people
see of it. For the model there is no such call. The row's `compaction` says what stands for the rows before
`kept_from`: a summary. What the user said in the running turn, and the last step, are always kept as they are;
only a model server that refuses even those makes their texts (never the user's) shrink to a beginning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shared.chat.transcript import Compaction, Message, ToolCall
from shared.stream.parts import encode
from shared.tools.contract import ToolResponse

TOOL_NAME = "context_compaction"
MAX_SUMMARY_CHARACTERS = 16_000
MAX_COMPACTIONS = 8
"""Of one turn: each may cost a call of the model, and a turn that needs more is not helped by them."""

_FULL_AT = 0.75
"""Share of the model's window: what a step adds, and what the provider counts differently, still fits."""
_MOST_ROWS = 1_000
"""Rows that a turn reads at its start, however short they are, and also where a provider counts no tokens."""
_WORTHWHILE_CHARACTERS = 0.4
"""For each token of the window: about a tenth of it."""
_CUTS = (0, 2_000, 200)
"""To how many characters texts are cut, attempt by attempt, while the prompt is refused; 0: not at all."""
_WORTHWHILE_SHARES = {0: 0.2, 2_000: 0.05, 200: 0.05}
"""Of what was refused: here the server's word counts, and not what we think its window is."""
_SUMMARY_SHARE = 4
"""What it takes in is about so many times as long."""
_FLOOR_SUMMARY_CHARACTERS = 2_000
_MATERIAL_CHARACTERS = 4_000
"""Of one text, in what is given to whoever summarizes."""
_FALLBACK_CHARACTERS = 6_000


class ContextCompacted(ToolResponse):
    """What people see where earlier messages were summarized for the model."""

    type: Literal["context_compacted"] = "context_compacted"
    message: str = "Earlier messages were summarized, so that the conversation can go on. Nothing was deleted."


@dataclass(frozen=True)
class Context:
    """What the model is given."""

    summary: str
    """Of what came before; empty: the rows are all there is."""
    rows: tuple[Message, ...]


@dataclass(frozen=True)
class Plan:
    """What a compaction would do."""

    folded: tuple[Message, ...]
    """The rows that the summary takes in."""
    earlier_summary: str
    kept_from: int
    cut_to: int
    first_seq: int
    """The first row that this turn still reads."""
    summary_characters: int
    """How long the summary may be."""

    def becomes(self, summary: str) -> Compaction:
        """What is stored."""
        return Compaction(cut(summary, self.summary_characters), self.kept_from, self.cut_to)


def context_of(messages: Sequence[Message], turns: Sequence[str]) -> Context:
    """What the model is given of the rows that were read, in the first of `turns`, which write one message."""
    last = _last_compaction(messages)
    rows = _said(messages)
    if last is None or last.compaction is None:
        return Context("", tuple(rows))
    done = last.compaction
    kept = [row for row in rows if row.seq >= done.kept_from or _asked_in(row, turns)]
    return Context(done.summary, tuple(_shortened(row, done.cut_to) if row.seq < last.seq else row for row in kept))


def plan(messages: Sequence[Message], turns: Sequence[str], window_tokens: int, *, refused: bool) -> Plan | None:
    """How to make room, or None if that is not needed, or (`refused`) not possible."""
    if _made_in(messages, turns[0]) >= MAX_COMPACTIONS:
        return None
    if not refused:
        whole = _plan(messages, turns, 0, window_tokens)
        return whole if _is_due(messages, turns, whole.folded, window_tokens) else None
    for cut_to in _CUTS[_attempts(messages) :]:
        candidate = _plan(messages, turns, cut_to, window_tokens)
        if _helps(candidate, messages, turns):
            return candidate
    return None


def compaction_rows(wanted: Plan, summary: str, seq: int, task_id: str, now: int) -> list[Message]:
    """The two rows of a compaction that was done at `now`, from `seq` on."""
    call = call_at(seq)
    answer = encode(ContextCompacted().model_dump(mode="json"))
    return [
        Message(seq, "assistant", "", task_id, now, tool_calls=(call,), compaction=wanted.becomes(summary)),
        Message(seq + 1, "tool", answer, task_id, now, tool_call_id=call.id, tool_name=call.name),
    ]


def call_at(seq: int) -> ToolCall:
    """The call that stands in the row `seq` for people to see."""
    return ToolCall(f"compaction_{seq}", TOOL_NAME, "{}")


def material(wanted: Plan, characters: int) -> str:
    """The folded rows as text for whoever summarizes them; what is too long loses its middle."""
    earlier = [f"Summary of what came before:\n{wanted.earlier_summary}"] if wanted.earlier_summary else []
    return cut("\n\n".join([*earlier, *_told(wanted.folded)]), characters)


def truncated(wanted: Plan) -> str:
    """What stands in for a summary that could not be made."""
    note = "No summary could be made; this is how the earlier messages begin and end."
    return f"{note}\n\n{material(wanted, min(_FALLBACK_CHARACTERS, wanted.summary_characters - len(note) - 2))}"


def cut(text: str, characters: int) -> str:
    """The text, or its beginning and a longer part of its end."""
    if len(text) <= characters:
        return text
    note = f"\n[{len(text) - characters} characters are left out here]\n"
    room = max(0, characters - len(note))
    beginning = room // 3
    return text[:beginning] + note + text[len(text) - (room - beginning) :]


# -- what there is ---------------------------------------------------------------------------------


def _last_compaction(messages: Sequence[Message]) -> Message | None:
    return next((row for row in reversed(messages) if row.compaction), None)


def _said(messages: Sequence[Message]) -> list[Message]:
    """The rows without those of compactions."""
    theirs = {seq for row in messages if row.compaction for seq in (row.seq, row.seq + 1)}
    return [row for row in messages if row.seq not in theirs]


def _asked_in(row: Message, turns: Sequence[str]) -> bool:
    return row.role == "user" and row.task_id in turns


def _made_in(messages: Sequence[Message], task_id: str) -> int:
    return sum(1 for row in messages if row.compaction and row.task_id == task_id)


# -- when ------------------------------------------------------------------------------------------


def _is_due(messages: Sequence[Message], turns: Sequence[str], folded: Sequence[Message], window_tokens: int) -> bool:
    if len(context_of(messages, turns).rows) > _MOST_ROWS:
        return bool(folded)
    worthwhile = _size(folded) >= _WORTHWHILE_CHARACTERS * window_tokens
    return worthwhile and _tokens_of_last_call(messages) >= _FULL_AT * window_tokens


def _tokens_of_last_call(messages: Sequence[Message]) -> int:
    """By the provider's count; 0 when there was none since the last compaction."""
    for row in reversed(messages):
        if row.compaction:
            return 0
        if row.role == "assistant" and row.tokens:
            return row.tokens
    return 0


def _attempts(messages: Sequence[Message]) -> int:
    """How many kinds of compaction have been tried since the model last answered."""
    last = _last_compaction(messages)
    if last is None or last.compaction is None:
        return 0
    answered = any(row.role == "assistant" and row.seq > last.seq for row in messages)
    return 0 if answered else _CUTS.index(last.compaction.cut_to) + 1


def _helps(candidate: Plan, messages: Sequence[Message], turns: Sequence[str]) -> bool:
    """Whether what would be sent is clearly less than what was refused."""
    now = context_of(messages, turns)
    folded = {row.seq for row in candidate.folded if not _asked_in(row, turns)}
    kept = [_shortened(row, candidate.cut_to) for row in now.rows if row.seq not in folded]
    summary = len(now.summary)
    if candidate.folded:
        summary = (summary + _size(candidate.folded)) // _SUMMARY_SHARE
    before = len(now.summary) + _size(now.rows)
    after = min(summary, candidate.summary_characters) + _size(kept)
    return after <= (1 - _WORTHWHILE_SHARES[candidate.cut_to]) * before


# -- how -------------------------------------------------------------------------------------------


def _plan(messages: Sequence[Message], turns: Sequence[str], cut_to: int, window_tokens: int) -> Plan:
    last = _last_compaction(messages)
    done = last.compaction if last and last.compaction else Compaction("", messages[0].seq)
    open_rows = [row for row in _said(messages) if row.seq >= done.kept_from]
    # Whole steps only: the last row of an assistant, with all its results behind it.
    kept_from = next((row.seq for row in reversed(open_rows) if row.role == "assistant"), done.kept_from)
    folded = [row for row in open_rows if row.seq < kept_from]
    if all(_asked_in(row, turns) for row in folded):  # they are kept anyway
        folded, kept_from = [], done.kept_from
    asked = next((row.seq for row in messages if _asked_in(row, turns)), kept_from)
    longest = _FLOOR_SUMMARY_CHARACTERS if cut_to == _CUTS[-1] else MAX_SUMMARY_CHARACTERS
    return Plan(
        folded=tuple(folded),
        earlier_summary=done.summary,
        kept_from=kept_from,
        cut_to=cut_to,
        first_seq=min(kept_from, asked),
        summary_characters=min(longest, window_tokens),
    )


def _shortened(row: Message, cut_to: int) -> Message:
    if cut_to == 0 or row.role == "user":
        return row
    calls = tuple(
        replace(call, arguments=encode({"shortened": cut(call.arguments, cut_to)}))
        if len(call.arguments) > cut_to
        else call
        for call in row.tool_calls
    )
    return replace(row, content=cut(row.content, cut_to), tool_calls=calls)


def _size(rows: Sequence[Message]) -> int:
    return sum(len(row.content) + len(row.context) + sum(len(c.arguments) for c in row.tool_calls) for row in rows)


def _told(rows: Sequence[Message]) -> Iterator[str]:
    for row in rows:
        if row.context:
            yield f"[What the user's program sent along]\n{cut(row.context, _MATERIAL_CHARACTERS)}"
        if row.content:
            speaker = f"[{row.tool_name} answers]" if row.role == "tool" else f"[{row.role}]"
            yield f"{speaker}\n{cut(row.content, _MATERIAL_CHARACTERS)}"
        for call in row.tool_calls:
            yield f"[assistant calls {call.name}]\n{cut(call.arguments, _MATERIAL_CHARACTERS)}"
