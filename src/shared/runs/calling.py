"""Doing one execution of a block: its inputs, and what it brings or what went wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from shared.agents.blocks.contract import BlockContext, BlockInput, BlockOutput, emitted
from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.registry import AnyBlock
from shared.agents.blocks.rules.json_text import MOST_PARTS, parts_in
from shared.agents.blocks.rules.sizes import Sizes
from shared.chat.services import Services
from shared.chat.turn.parking import over_soon
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable, ToolError
from shared.kernel.telemetry import log_failure
from shared.runs.plan import Ready
from shared.runs.records import written
from shared.tasks.records import Spend
from shared.tasks.wait import Wait
from shared.tools.contract import CallProgress, Cancellation, ToolContext

MAX_OUTPUT_BYTES = 3_000_000
"""Of what one execution brings: it is stored in one transaction."""
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_WAITS_SECONDS = (5, 15, 45, 120, 300)
"""Behind each time that all attempts have failed, and might not fail later."""
_FAILURES = "failures"
"""In the note of a wait for better times: how often it has waited so; `_NOTE` is how it goes on then."""
_NOTE = "note"
ASKS = "asks_first"
"""In the note of a wait for what the user says before the block runs, as opposed to a wait of the block's own."""
_MOST_PROBLEMS = 5
_MOST_CHARACTERS = 4_000

Begin = Callable[[], BlockOutput | Sequence[BlockOutput] | Wait]


@dataclass(frozen=True)
class Brought:
    """An execution has brought something."""

    outputs: Mapping[str, Sequence[Any]]
    text: str
    """The same as it is stored."""
    parts: int
    """Values in it."""


@dataclass(frozen=True)
class Failed:
    """An execution has failed."""

    code: str
    message: str

    @classmethod
    def of(cls, error: ToolError | Retryable) -> "Failed":
        """For that reason."""
        return cls(error.code, error.message.encode(errors="replace").decode()[:_MOST_CHARACTERS])


Answer = Brought | Failed | Wait


class ReviewGate(Protocol):
    """Asks the user before an execution of a block that wants it."""

    def ask(self, call: ToolContext, block: AnyBlock, inputs: BlockInput) -> BlockInput | Wait:
        """The inputs as they were approved, or a wait on the review; the same execution asks once.

        Raises:
            ToolError: they were rejected, or nobody has answered in time.
        """


@dataclass
class Underway:
    """An execution that has been begun."""

    ready: Ready
    started_at: float
    """When it began, or went on."""
    block: AnyBlock | None = None
    inputs: BlockInput | None = None
    shown_inputs: str = "{}"
    cancellation: Cancellation = field(default_factory=Cancellation)
    progress: CallProgress = field(default_factory=CallProgress)
    began_at: float = 0.0
    """When it began."""
    noted: Spend = field(default_factory=Spend)
    """What its owner knows that it has spent."""
    price: int = 0
    """What it will be charged when it brings something."""
    has_waited: bool = False
    """Whether its journal says that it waits, or has said so."""
    begins_anew: bool = False
    """Whether it begins from the start when its wait is over."""
    note: Mapping[str, Any] | None = None
    """With what the block goes on after its wait; None: it runs from the start."""
    failures: int = 0
    """How often it has waited for better times, without getting on in between."""

    def waits(self, wait: Wait) -> None:
        """It does, from now on."""
        self.has_waited = True
        self.failures = wait.note.get(_FAILURES, 0)
        self.note = None if ASKS in wait.note else wait.note[_NOTE] if self.failures else wait.note
        self.begins_anew = self.note is None

    def kept(self) -> dict[str, Any]:
        """What its journal has of it, besides what it does: for who goes on with it, and who looks at it."""
        return {"began_at": to_millis(self.began_at), "inputs": self.shown_inputs}

    def news_of_spend(self) -> Spend:
        """What it has spent since this was asked last."""
        now, before = self.progress.spent, self.noted
        self.noted = now
        return Spend(**{name: value - getattr(before, name) for name, value in vars(now).items()})


def gathered_inputs(ready: Ready, run_inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The node's defaults, what the run was given, and what links bring on top.

    Raises:
        ToolError: they would be too large, written out (`value_too_large`): many links may bring the same long value.
    """
    inputs = dict(ready.node.input_default)
    if ready.node.block_id == AgentInput.id:
        given = run_inputs.get(str(inputs.get("name")))
        if given is not None:
            inputs["value"] = given
    for name, value in ready.brought.items():
        base, _, part = name.partition(".")
        if part and name not in inputs:
            whole = inputs.get(base)
            inputs[base] = {**(whole if isinstance(whole, dict) else {}), part: value}
        else:
            inputs[name] = value
    Sizes("What comes to it", MAX_OUTPUT_BYTES).check(inputs)
    return inputs


def read(block: AnyBlock, inputs: Mapping[str, Any]) -> BlockInput:
    """The inputs as the block takes them.

    Raises:
        ToolError: they don't fit; the message names the fields.
    """
    try:
        return block.input_model.model_validate(inputs)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_PROBLEMS]
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'inputs'}: {one['msg']}"[:300] for one in found)
        raise ToolError(f"The inputs of {block.name} don't fit: {wrong}", code="input_invalid") from error


def answer(services: Services, one: Underway, given: BlockContext, begin: Begin) -> Answer:
    """What `begin` brings, with a little patience if it has to wait; a failure of any kind is an answer too."""
    block, inputs = one.block, one.inputs
    assert block, "it has been looked up"
    assert inputs, "they have been read"
    note, once = one.note, block.takes_effect(inputs)
    outcome = _answer(block, given, begin, services.clock, once=once)
    if isinstance(outcome, Wait) and over_soon(services, outcome, given.call.cancellation):
        note = again = outcome.note
        outcome = _answer(block, given, lambda: block.resume(given, inputs, again), services.clock, once=once)
    if not isinstance(outcome, Retryable):
        return outcome
    if once or one.failures >= len(_WAITS_SECONDS):
        return Failed.of(outcome)
    until = services.clock.now() + _WAITS_SECONDS[one.failures]
    return Wait((), to_millis(until), note={_FAILURES: one.failures + 1, _NOTE: note})


def _answer(block: AnyBlock, given: BlockContext, begin: Begin, clock: Clock, *, once: bool) -> Answer | Retryable:
    try:
        outcome = begin() if once else _again(begin, clock)
        return outcome if isinstance(outcome, Wait) else _bounded(emitted(outcome))
    except Retryable as error:
        return error
    except ToolError as error:
        return Failed.of(error)
    except Exception as error:  # noqa: BLE001 - a broken block fails its execution, and nothing else
        log_failure("tool.raised", error, **given.call.ids, tool=None, tool_call_id=given.call.tool_call_id)
        return Failed("block_failed", f"{block.name} failed ({type(error).__name__}).")


def _again(begin: Begin, clock: Clock) -> BlockOutput | Sequence[BlockOutput] | Wait:
    for _ in range(_ATTEMPTS - 1):
        try:
            return begin()
        except Retryable:
            clock.sleep(_PAUSE_SECONDS)
    return begin()


def _bounded(outputs: Mapping[str, Sequence[Any]]) -> Answer:
    try:
        text = written(outputs)
    except ValueError:
        return Failed("output_invalid", "It has brought what JSON can't hold, or what nests too deeply.")
    if len(text.encode()) > MAX_OUTPUT_BYTES:
        return Failed("value_too_large", f"It has brought more than {MAX_OUTPUT_BYTES:,} bytes.")
    parts = parts_in(text)
    if parts > MOST_PARTS:
        return Failed("value_too_large", f"It has brought more than {MOST_PARTS:,} values.")
    return Brought(outputs, text, parts)
