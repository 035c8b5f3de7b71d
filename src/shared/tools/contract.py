"""What a tool is: an input model, a description, flags, and one function.

A tool is a `Tool` subclass in a module of its own; `registry.py` lists them. The JSON schema that
the model sees comes from the input model, so the two can't drift apart.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from shared.accounts.permissions import Permissions
from shared.kernel.events import TaskIds
from shared.kernel.limits import MAX_TOOL_WAIT_SECONDS
from shared.tasks.records import Spend
from shared.tasks.wait import Wait

GUIDE_TOOL = "get_agent_building_guide"
"""The tool that opens those that need the guide."""


class ToolInput(BaseModel):
    """Base of every tool's arguments: unknown fields are refused, so that the model is told.

    Models send null for what they leave out: where something else is the default, null is that default.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None or not cls._has_default(name)}

    @classmethod
    def _has_default(cls, name: str) -> bool:
        field = cls.model_fields.get(name)
        return field is not None and not field.is_required() and field.default is not None


class ToolResponse(BaseModel):
    """Base of every tool's answer: `type` tells clients how to show it."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # an answer has all its fields

    type: str
    message: str = ""
    _is_redacted: bool = PrivateAttr(default=False)

    @property
    def is_redacted(self) -> bool:
        """Whether secrets were taken out of it; else an operation's result loses what stands under the name of one."""
        return self._is_redacted

    def as_redacted(self) -> Self:
        """The same, known to hold no secret."""
        same = self.model_copy()
        same._is_redacted = True
        return same


class ErrorResponse(ToolResponse):
    """The answer of a call that failed; the model reads it and goes on."""

    type: Literal["error"] = "error"
    code: str = "tool_failed"
    details: dict[str, Any] | None = None


class OversizedOutput(ToolResponse):
    """Stands for an output that no row, or no page of messages, could hold."""

    type: Literal["output_too_large"] = "output_too_large"
    preview: str
    size: int
    """Bytes of the whole."""
    reference: str | None
    """Where the whole is kept, such as `workspace://tool-outputs/call_1.json`; None if it was not."""


class NeedLogin(ToolResponse):
    """The answer to a guest's call of a tool that needs to know who the user is."""

    type: Literal["need_login"] = "need_login"


class Cancellation:
    """Tells a running tool to stop; callbacks break what blocks it (a socket, a child process)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether the tool should give up."""
        return self._cancelled

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` (from another thread, must not raise) at cancellation, or now if it has been."""
        with self._lock:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def cancel(self) -> None:
        """Stop the tool; repeated calls do nothing."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


@dataclass
class CallProgress:
    """What a running tool says of itself, for whoever has to end it."""

    output_exists: bool = False
    """There is something to pay for, even if the call is stopped now. Set when it answers, if not before."""
    block: str | None = None
    """What it runs for the user: the block's name."""
    block_id: str | None = None
    price_credits: int = 0
    """What that costs besides the tool's own price; set before it starts."""
    spent: Spend = field(default_factory=Spend)
    """What it has used of the model, and settled."""


@dataclass(frozen=True)
class ToolContext:
    """What a tool may know about the call: whose it is, which one, and how long it may take."""

    user_id: str
    session_id: str
    task_id: str
    tool_call_id: str
    timeout_seconds: float = MAX_TOOL_WAIT_SECONDS
    cancellation: Cancellation = field(default_factory=Cancellation)
    dry_run: bool = False
    """Whether nothing may take effect or be charged."""
    is_foreign: bool = False
    """Whether another user has made what calls it: the user is asked before one of their accounts is used."""
    permissions: Permissions = field(default_factory=Permissions)
    """What may be used by it."""
    progress: CallProgress = field(default_factory=CallProgress)
    task_ends_at: int = 0
    """When its task has ended at the latest, in milliseconds since the epoch; 0: that is not known."""
    tree_max_tokens: int = 0
    """What its task's tree may use, where somebody has set less than the deployment; 0: nobody has."""
    tree_max_micros: int = 0
    """The same in millionths of a US dollar."""

    @property
    def ids(self) -> TaskIds:
        """What every log line about this call names, besides the call."""
        return {"session_id": self.session_id, "task_id": self.task_id, "user_id": self.user_id}


InputT = TypeVar("InputT", bound=ToolInput)


class Tool(ABC, Generic[InputT]):
    """One thing that the model can do."""

    name: ClassVar[str]
    description: ClassVar[str]
    input_model: ClassVar[type[ToolInput]]
    side_effect: ClassVar[bool] = False
    """It changes something outside Parley: never repeated after a kill, unless it is idempotent."""
    needs_approval: ClassVar[bool] = False
    """The user is asked before each call; deployments and sessions may ask for more tools than say so here."""
    requires_auth: ClassVar[bool] = False
    trusted_only: ClassVar[bool] = False
    """Not for what another user has made: it changes what later acts for the user without asking."""
    long_running: ClassVar[bool] = False
    needs_guide: ClassVar[bool] = False
    """Refused until `GUIDE_TOOL` has answered in an earlier step of the session; its description says so."""
    ends_turn_with: ClassVar[frozenset[str]] = frozenset()
    """The types of those of its answers after which the user has the word: the model is not asked again."""
    runs_on: ClassVar[Literal["cloud", "device"]] = "cloud"
    price_credits: ClassVar[int] = 0
    """What a call costs its user when it brings something; never in a dry run."""

    def takes_effect(self, arguments: InputT) -> bool:  # noqa: ARG002 - for those where it depends
        """Whether this call changes something outside Parley. Where that depends, the tool sees to dry runs itself."""
        return self.side_effect

    @abstractmethod
    def run(self, context: ToolContext, arguments: InputT) -> ToolResponse | Wait:
        """Do it. Raise `ToolError` for what the model should read; anything else counts as a bug.

        Runs in a thread of its own. It must end soon after `context.cancellation` is set, and
        within `context.timeout_seconds`. What takes longer answers with a `Wait` and goes on in
        `resume`. After a kill it runs again, unless it has a `side_effect`: what it does to our own
        records must be the same for the same `context.tool_call_id`.
        """

    def resume(
        self,
        context: ToolContext,  # noqa: ARG002 - for those that wait
        arguments: InputT,  # noqa: ARG002
        note: Mapping[str, Any],  # noqa: ARG002
    ) -> ToolResponse | Wait:
        """Go on after a `Wait`: what it waits for is settled, or its time is over. May be called again after a kill.

        `note` is the wait's. A further `Wait` waits on.
        """
        raise AssertionError(f"{self.name} never waits")
