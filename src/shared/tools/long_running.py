"""Tools whose work outlives the turn that asked for it: an operation does it, and tells when it is over.

A turn answers the call at once and goes on. The work runs in the run worker, for minutes or longer, and may be
done again from its start after a kill, or when an invocation's time is up: what it has got so far it keeps in
its journal. Or it hands the work to somebody outside, who calls back; what they bring, the tool may finish.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from shared.kernel.errors import ToolError
from shared.tasks.wait import Wait
from shared.tools.contract import InputT, Tool, ToolContext, ToolResponse

ValueT = TypeVar("ValueT")
MAX_STEP_CHARACTERS = 60_000


class OperationStarted(ToolResponse):
    """What viewers see of a call whose work has begun; its own stream is that of `task_id`."""

    type: Literal["operation_started"] = "operation_started"
    session_id: str
    operation_id: str
    tool_name: str
    task_id: str
    status: Literal["accepted"] = "accepted"


class OperationPending(ToolResponse):
    """What stands in the transcript until the operation has ended and its result takes this place."""

    type: Literal["operation_pending"] = "operation_pending"
    session_id: str
    operation_id: str
    tool_name: str


class OperationInProgress(ToolResponse):
    """The answer to the same call again, while the operation of the first one goes on."""

    type: Literal["operation_in_progress"] = "operation_in_progress"
    session_id: str
    tool_call_id: str
    """Of the call that the operation does."""


class HandedOff:
    """What `work` answers when somebody outside has taken the work and will call back."""


class Ask(Protocol):
    """Asks the model one question."""

    def __call__(self, instructions: str, material: str) -> str:
        """What it answers. Raises `ToolError` if it doesn't."""


class Progress(Protocol):
    """Tells viewers how far the work is."""

    def __call__(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """`done` of `total` things, in words."""


class Journal:
    """What a work has got so far; a step that is in it is not done again."""

    def __init__(self, known: Mapping[str, str] | None = None, report: Callable[[str, str], None] | None = None):
        self._known = dict(known or {})
        self._report = report

    def once(self, name: str, make: Callable[[], ValueT]) -> ValueT:
        """The value of step `name` (JSON, at most `MAX_STEP_CHARACTERS`): from before, or made now and kept.

        After a kill between the two it is made again.
        """
        if name in self._known:
            kept: ValueT = json.loads(self._known[name])
            return kept
        value = make()
        text = json.dumps(value)
        if len(text) > MAX_STEP_CHARACTERS:
            raise ToolError(f"The step {name} brought more than can be kept.", code="too_large")
        self._known[name] = text
        if self._report:
            self._report(name, text)
        return value


def _nobody(instructions: str, material: str) -> str:  # noqa: ARG001
    raise ToolError("No model can be asked here.", code="model_unavailable")


@dataclass(frozen=True)
class WorkContext(ToolContext):
    """What work may know and use besides what any call may."""

    operation_id: str = ""
    """The same after a kill: an idempotency key for others."""
    callback_url: str = ""
    """Where somebody outside completes the operation, once and in time; empty: callbacks are not configured."""
    journal: Journal = field(default_factory=Journal)
    ask: Ask = _nobody


class LongRunningTool(Tool[InputT]):
    """A tool that does its work as an operation."""

    long_running: ClassVar[bool] = True
    max_seconds: ClassVar[int] = 3600
    """From the call on; an operation that takes longer, or is never called back for, fails."""

    finishes: ClassVar[bool] = False
    """What somebody outside brings goes through `finish`, whole and with its secrets, before it is the result."""

    def answers_at_once(self, arguments: InputT) -> bool:  # noqa: ARG002 - for those where it depends
        """Whether `run` answers this call in its turn, so that no operation begins."""
        return False

    def run(self, context: ToolContext, arguments: InputT) -> ToolResponse | Wait:  # noqa: ARG002
        """Only called for what `answers_at_once`; else a turn begins an operation."""
        raise AssertionError(f"{self.name} is long-running")

    @abstractmethod
    def work(self, context: WorkContext, arguments: InputT, progress: Progress) -> ToolResponse | HandedOff:
        """Do it. Raise `ToolError` for what the model should read, `Retryable` to be called again.

        Runs in a thread of its own, and must end soon after `context.cancellation` is set: that is also how
        it hears that an invocation's time is up. It is then called again, from its start.
        """

    def finish(self, context: WorkContext, arguments: InputT, brought: Any) -> ToolResponse:  # noqa: ARG002
        """Make the result of what somebody outside has brought (JSON), if the tool `finishes`.

        Takes a few seconds at most, and asks nobody: it runs beside no renewal of the lease. After a kill it runs
        again, so what it writes is made once by `context.operation_id`. Raise `ToolError` for what the model should
        read, `Retryable` to be called again. An `ErrorResponse` with details is an outcome too: the operation has
        completed, and this is what came of it.
        """
        raise AssertionError(f"{self.name} takes results as they come")
