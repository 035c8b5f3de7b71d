"""JSON as others write it, and values as they are sent or kept."""

import json
import math
import re
from typing import Any

from shared.kernel.errors import ToolError

MOST_PARTS = 200_000
"""Values in one: each takes dozens of bytes of memory, and as text it may have two characters."""
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def parts_in(text: str) -> int:
    """How many values JSON text has at most, those within others included."""
    most = _separated(text)
    return most if most <= MOST_PARTS else _separated(_STRINGS.sub("", text))


def _separated(text: str) -> int:
    return 1 + text.count(",") + text.count("[") + text.count("{")


def read_json(text: str) -> Any:
    """The value.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, holds what can't be written again (NaN, 1e999, halves
            of surrogate pairs), or more values than memory is for.
    """
    if parts_in(text) > MOST_PARTS:
        raise ValueError("too many values")
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def to_bytes(value: Any, most: int) -> bytes:
    """A text as it is, anything else as JSON, in UTF-8.

    Raises:
        ToolError: `content_invalid`, or `content_too_large` with more than `most` bytes.
    """
    try:
        body = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
    except UnicodeEncodeError:
        message = "The content holds half of a surrogate pair, which is no text."
        raise ToolError(message, code="content_invalid") from None
    if len(body) > most:
        raise ToolError(f"The content has {len(body)} bytes; {most} are possible.", code="content_too_large")
    return body


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value
