"""One model answer while it is being written: events in, parts out, and the row that it becomes."""

from dataclasses import dataclass, field
from typing import Literal

from shared.chat.model import ModelEvent, ReasoningDelta, TextDelta, ToolCallDelta
from shared.chat.transcript import ToolCall
from shared.stream import parts as wire
from shared.stream.parts import Part
from shared.stream.replay import MAX_DELTA_CHARACTERS

BlockKind = Literal["text", "reasoning"]

MAX_TEXT_BYTES = 200_000
MAX_ARGUMENT_BYTES = 80_000
"""Of one answer: its row (arguments are escaped in it) stays below an item's 400 KB."""

MAX_CALLS = 64
"""Of one answer; more are dropped, because all their results must fit into one transaction."""

_MAX_NAME_CHARACTERS = 128


@dataclass
class _CallDraft:
    id: str
    name: str
    arguments: list[str] = field(default_factory=list)
    announced: bool = False


@dataclass
class Draft:
    """The answer of step `step` of a turn; `used_ids` are the call ids of the turn's earlier steps."""

    step: int
    used_ids: frozenset[str]
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    text_bytes: int = 0
    argument_bytes: int = 0
    too_large: bool = False
    """Whether the answer was cut, because it is as long as it may be."""
    _calls: dict[int, _CallDraft] = field(default_factory=dict)
    _block: tuple[BlockKind, str] | None = None
    _blocks: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is neither text nor a call: not an answer."""
        return not self.calls and not "".join(self.text).strip()

    @property
    def written(self) -> int:
        """Bytes of all that came, thinking included."""
        return self.text_bytes + self.argument_bytes + sum(len(piece.encode()) for piece in self.reasoning)

    @property
    def calls(self) -> list[ToolCall]:
        """The calls asked for, in the model's order; those without a name are not calls."""
        ordered = (self._calls[index] for index in sorted(self._calls))
        return [ToolCall(call.id, call.name, "".join(call.arguments)) for call in ordered if call.name]

    def apply(self, event: ModelEvent) -> list[Part]:
        """Take an event in; the parts that show it."""
        match event:
            case TextDelta(text):
                return self._in_block("text", text, self.text)
            case ReasoningDelta(text):
                return self._in_block("reasoning", text, self.reasoning)
            case ToolCallDelta():
                arguments = self._fitting(event.arguments, MAX_ARGUMENT_BYTES - self.argument_bytes)
                self.argument_bytes += len(arguments.encode())
                return [*self.close_block(), *self._call_delta(event, arguments)]
            case _:
                return []

    def close_block(self) -> list[Part]:
        """Close the open text or reasoning block, if there is one."""
        if self._block is None:
            return []
        (kind, block_id), self._block = self._block, None
        return [wire.block(kind, "end", block_id)]

    def _fitting(self, text: str, bytes_left: int) -> str:
        """The beginning of `text` that still fits."""
        encoded = text.encode()
        if len(encoded) <= bytes_left:
            return text
        self.too_large = True
        return encoded[: max(0, bytes_left)].decode(errors="ignore")

    def _in_block(self, kind: BlockKind, text: str, written: list[str]) -> list[Part]:
        text = self._fitting(text, MAX_TEXT_BYTES - self.text_bytes)
        if not text:
            return []
        written.append(text)
        self.text_bytes += len(text.encode())
        parts: list[Part] = []
        if self._block is None or self._block[0] != kind:
            parts = self.close_block()
            self._block = (kind, f"{kind}-{self.step}-{self._blocks}")
            self._blocks += 1
            parts.append(wire.block(kind, "start", self._block[1]))
        return [*parts, *(wire.delta(kind, self._block[1], piece) for piece in _pieces(text))]

    def _call_delta(self, event: ToolCallDelta, arguments: str) -> list[Part]:
        call = self._calls.get(event.index)
        if call is None:
            if len(self._calls) >= MAX_CALLS:
                return []
            call = self._calls[event.index] = _CallDraft(self._unique_id(event), "")
        call.name = call.name or event.name[:_MAX_NAME_CHARACTERS]
        call.arguments.append(arguments)
        if not call.name:
            return []
        if not call.announced:
            call.announced = True
            arguments = "".join(call.arguments)
            parts = [wire.tool_input_start(call.id, call.name)]
        else:
            parts = []
        return [*parts, *(wire.tool_input_delta(call.id, piece) for piece in _pieces(arguments))]

    def _unique_id(self, event: ToolCallDelta) -> str:
        """Some servers number calls from 1 in every answer, or not at all."""
        taken = self.used_ids | {call.id for call in self._calls.values()}
        if event.id and event.id not in taken and len(event.id) <= 128:
            return event.id
        return f"call_{self.step}_{event.index}_{len(taken)}"


def _pieces(text: str) -> list[str]:
    """The text in deltas that a frame can hold."""
    return [text[at : at + MAX_DELTA_CHARACTERS] for at in range(0, len(text), MAX_DELTA_CHARACTERS)]
