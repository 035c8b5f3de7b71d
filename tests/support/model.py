"""A model that says what a test tells it to, when it is told to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.chat.model import (
    ModelEvent,
    ModelFailed,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from shared.chat.prompt import SUMMARIZE
from tests.support.time import FakeClock

Script = Sequence[ModelEvent | float | Callable[[], object]]
"""Events in order; a number lets so many seconds pass first; a callable happens at that point."""


@dataclass
class _Call:
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedModel:
    """Plays one script for each call, in order; the last one again if there are more calls."""

    clock: FakeClock
    scripts: list[Script]
    name: str = "scripted"
    requests: list[ModelRequest] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    choose: Callable[[ModelRequest], Script] | None = None
    """Picks the script by what is asked, for turns whose calls may be repeated."""
    window: int | None = None
    """Tokens that a prompt may have; longer ones are refused, and answers tell what they took, as servers do."""

    def start(self, request: ModelRequest, mailbox: Any) -> _Call:
        self.requests.append(request)
        call = _Call()
        self.calls.append(call)
        script = self.choose(request) if self.choose else self.scripts[min(len(self.requests), len(self.scripts)) - 1]
        if self.window is not None:
            script = self._within_window(request, script)
        wait = 0.0
        for entry in script:
            if isinstance(entry, int | float):
                wait += entry
            else:
                self._schedule(wait, entry, call, mailbox)
        return call

    def _within_window(self, request: ModelRequest, script: Script) -> Script:
        tokens = prompt_tokens(request)
        if self.window is not None and tokens > self.window:
            return fails("prompt_too_long", retryable=False)
        return [replace(entry, prompt_tokens=tokens) if isinstance(entry, ModelFinished) else entry for entry in script]

    def _schedule(self, wait: float, entry: Any, call: _Call, mailbox: Any) -> None:
        def happen() -> None:
            if callable(entry) and not isinstance(entry, type):
                entry()
            elif not call.closed:
                mailbox.put(entry)

        if wait == 0.0:
            happen()
        else:
            self.clock.at(wait, happen)


def prompt_tokens(request: ModelRequest) -> int:
    """About what a provider counts: four characters a token."""
    return len(json.dumps([*request.messages, *request.tools], ensure_ascii=False)) // 4


def summarizes(request: ModelRequest) -> bool:
    """Whether it is asked for a summary of earlier messages."""
    return bool(request.messages[0]["content"] == SUMMARIZE)


def says(*pieces: str, tokens: tuple[int, int] = (10, 5), reason: str = "stop") -> list[ModelEvent]:
    """An answer in text."""
    return [*(TextDelta(piece) for piece in pieces), ModelFinished(reason, *tokens)]


def thinks(text: str) -> list[ModelEvent]:
    """Reasoning, before something else."""
    return [ReasoningDelta(text)]


def calls(*wanted: tuple[str, str, str], tokens: tuple[int, int] = (10, 5)) -> list[ModelEvent]:
    """Tool calls: (id, name, arguments), each in two deltas."""
    events: list[ModelEvent] = []
    for index, (call_id, name, arguments) in enumerate(wanted):
        half = len(arguments) // 2
        events.append(ToolCallDelta(index, call_id, name, arguments[:half]))
        events.append(ToolCallDelta(index, "", "", arguments[half:]))
    return [*events, ModelFinished("tool_calls", *tokens)]


def fails(code: str = "model_unavailable", *, retryable: bool = True) -> list[ModelEvent]:
    """A failed call."""
    return [ModelFailed(code, f"It failed: {code}.", retryable)]
