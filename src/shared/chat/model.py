"""What the turn needs of a model: a streamed answer as events, and failures that say what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.kernel.mailbox import Mailbox

PROMPT_TOO_LONG = "prompt_too_long"
"""The code of a failure that a shorter prompt may not meet."""


@dataclass(frozen=True)
class TextDelta:
    """More of the answer."""

    text: str


@dataclass(frozen=True)
class ReasoningDelta:
    """More of the model's thinking."""

    text: str


@dataclass(frozen=True)
class ToolCallDelta:
    """More of the call at position `index`; id and name come with its first delta."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ModelFinished:
    """The model has said all. `reason` as the provider names it; tokens are 0 if it didn't count."""

    reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class ModelFailed:
    """The call failed; `retryable` if another attempt may not."""

    code: str
    message: str
    retryable: bool
    retry_after_seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


ModelEvent = TextDelta | ReasoningDelta | ToolCallDelta | ModelFinished | ModelFailed


@dataclass(frozen=True)
class ModelRequest:
    """One call: the transcript as the provider wants it, and the tools on offer (none: no calls)."""

    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]]
    user_id: str
    max_output_tokens: int | None = None
    """How long the answer may get, thinking included; None: as long as the model likes."""


class ModelCall(Protocol):
    """A call under way."""

    def close(self) -> None:
        """Break it off; nothing more arrives that matters. Never raises."""


class Model(Protocol):
    """Starts calls. The events of a call end with exactly one ModelFinished or ModelFailed."""

    name: str

    def start(self, request: ModelRequest, mailbox: Mailbox[ModelEvent]) -> ModelCall:
        """Begin; the events arrive in `mailbox`."""
