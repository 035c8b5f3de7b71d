"""What must be closed when a stream ends early, and what text had been shown by then."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.stream import parts as wire
from shared.stream.parts import Part
from shared.stream.replay import without_withdrawn


@dataclass
class OpenStream:
    """The state that a client's parser is in after some parts."""

    started: bool = False
    in_step: bool = False
    blocks: dict[str, str] = field(default_factory=dict)
    """Open text and reasoning blocks: id -> `text` or `reasoning`."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Calls whose arguments are still being written: id -> tool name."""
    calls: list[str] = field(default_factory=list)
    """Calls that have no output yet."""

    @classmethod
    def after(cls, parts: Iterable[Part]) -> "OpenStream":
        """Follow the parts."""
        state = cls()
        for part in without_withdrawn(parts):
            state._follow(part)
        return state

    def _follow(self, part: Part) -> None:
        match part["type"]:
            case "start":
                self.started = True
            case "start-step":
                self.in_step = True
            case "finish-step":
                self.in_step = False
            case "text-start" | "reasoning-start":
                self.blocks[part["id"]] = part["type"].removesuffix("-start")
            case "text-end" | "reasoning-end":
                self.blocks.pop(part["id"], None)
            case "tool-input-start":
                self.inputs[part["toolCallId"]] = part["toolName"]
            case "tool-input-available":
                self.inputs.pop(part["toolCallId"], None)
                self.calls.append(part["toolCallId"])
            case "tool-input-error":
                self.inputs.pop(part["toolCallId"], None)
            case "tool-output-available" | "tool-output-error" | "tool-output-denied" | "tool-approval-request" if (
                part["toolCallId"] in self.calls
            ):
                self.calls.remove(part["toolCallId"])

    def closers(self, reason: str) -> list[Part]:
        """The parts that close what is open; calls without output fail with `reason`."""
        closing: list[Part] = []
        for block_id, kind in self.blocks.items():
            closing.append({"type": f"{kind}-end", "id": block_id})
        for call_id, name in self.inputs.items():
            closing.append(wire.tool_input_error(call_id, name, None, reason))
        closing.extend(wire.tool_output_error(call_id, reason) for call_id in self.calls)
        if self.in_step:
            closing.append(wire.finish_step())
        return closing


def in_step(parts: Sequence[Part]) -> bool:
    """Whether the last step is still open; looks at the end only, because it is asked before each step."""
    last = next((part["type"] for part in reversed(parts) if part["type"] in {"start-step", "finish-step"}), None)
    return last == "start-step"


def shown_text(parts: Iterable[Part]) -> tuple[str, str]:
    """The text and the reasoning that the parts of one step have shown."""
    kept = without_withdrawn(parts)
    text = "".join(part["delta"] for part in kept if part["type"] == "text-delta")
    reasoning = "".join(part["delta"] for part in kept if part["type"] == "reasoning-delta")
    return text, reasoning
