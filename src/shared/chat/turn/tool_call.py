"""Making one tool call: its arguments, the tool's answer or what went wrong, at a size that a row can hold."""

import json
import math
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from shared.chat.transcript import ToolCall
from shared.kernel.errors import Retryable, ToolError
from shared.kernel.telemetry import log_failure
from shared.kernel.validating import problem_of
from shared.stream.parts import encode
from shared.tasks.wait import Wait
from shared.tools.contract import ErrorResponse, OversizedOutput, Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.workspace.outputs import Spill

MAX_OUTPUT_BYTES = 64_000
PREVIEW_CHARACTERS = 15_000
_MAX_INPUT_BYTES = 100_000
_LONG_CHARACTERS = 20_000
"""From here on arguments may be what `draft.MAX_ARGUMENT_BYTES` has left of longer ones."""
_MAX_ERROR_CHARACTERS = 4_000
_ATTEMPTS = 3


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """The call's arguments, or None if they are not a JSON object."""
    try:
        value = json.loads(call.arguments or "{}", parse_constant=_finite, parse_float=_finite)
        # Rewritten they may be longer (1e15), or hold halves of surrogate pairs, which UTF-8 can't.
        fits = len(encode(value).encode()) <= _MAX_INPUT_BYTES
    except (ValueError, RecursionError):
        return None
    return value if fits and isinstance(value, dict) else None


def _finite(number: str) -> float:
    """NaN and Infinity are not JSON, whatever Python's parser thinks; nor can 1e999 be written again."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def run_call(
    tool: Tool[Any],
    context: ToolContext,
    call: ToolCall,
    spill: Spill,
    begin: Callable[[ToolInput], ToolResponse | Wait],
) -> ToolResponse | Wait:
    """What `begin` answers for the call's arguments; a failure of any kind is an answer too."""
    arguments = validated_arguments(tool, call)
    if isinstance(arguments, ErrorResponse):
        return arguments
    try:
        once = tool.side_effect or tool.takes_effect(arguments)
        response = begin(arguments) if once else _again(begin, arguments)
        if isinstance(response, Wait):
            return response
        context.progress.output_exists |= not isinstance(response, ErrorResponse)
        return bounded(response, context, spill)
    except (ToolError, Retryable) as error:
        return ErrorResponse(code=error.code, message=_printable(error.message))
    except Exception as error:  # noqa: BLE001 - a broken tool must not break the turn
        log_failure("tool.raised", error, **context.ids, tool=tool.name, tool_call_id=call.id)
        return ErrorResponse(code="tool_failed", message=f"The tool failed ({type(error).__name__}).")


def _again(begin: Callable[[ToolInput], ToolResponse | Wait], arguments: ToolInput) -> ToolResponse | Wait:
    """Storage that did not answer may answer now; what has no effect outside may be done again."""
    attempts = Retrying(retry=retry_if_exception_type(Retryable), stop=stop_after_attempt(_ATTEMPTS), reraise=True)
    return attempts(begin, arguments)


def validated_arguments(tool: Tool[Any], call: ToolCall) -> ToolInput | ErrorResponse:
    """The call's arguments, or what is wrong with them."""
    raw = arguments_of(call)
    if raw is None:
        message = "The arguments are not a JSON object. Send valid JSON."
        if len(call.arguments) >= _LONG_CHARACTERS:
            message += " They are cut at 80,000 bytes: give what is longer as a file, if the tool takes one."
        return ErrorResponse(code="invalid_json", message=message)
    try:
        arguments: ToolInput = tool.input_model.model_validate(raw)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {problem_of(e)}" for e in error.errors()[:10])
        return ErrorResponse(code="invalid_arguments", message=_printable(f"The arguments don't fit: {wrong}"))
    return arguments


def _printable(message: str) -> str:
    """An error's words, at a length that a model reads, in characters that UTF-8 can hold."""
    return message[:_MAX_ERROR_CHARACTERS].encode(errors="replace").decode()


def bounded(response: ToolResponse, context: ToolContext, spill: Spill, text: str = "") -> ToolResponse:
    """The answer itself, or if no row could hold it, how it begins and where the whole is kept.

    `text` is how it is shown, as JSON; empty: as it is.
    """
    text = text or response.model_dump_json()
    output = text.encode(errors="replace")
    if len(output) <= MAX_OUTPUT_BYTES:
        return response
    if isinstance(response, ErrorResponse):
        return ErrorResponse(code=response.code, message=_printable(response.message))
    reference = spill.keep(context, output)
    rest = f"Read ranges of the whole with read_workspace_file: {reference}" if reference else "The rest was not kept."
    return OversizedOutput(
        message=f"The output of {len(output)} bytes was too large; this is how it begins. {rest}",
        preview=text[:PREVIEW_CHARACTERS],
        size=len(output),
        reference=reference,
    )
