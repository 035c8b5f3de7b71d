"""Words for what pydantic refuses."""

from collections.abc import Mapping
from typing import Any


def problem_of(found: Mapping[str, Any]) -> str:
    """What is wrong, of one of `ValidationError.errors()`; in our own words, if a validator of ours has refused it."""
    return str(found["msg"]).removeprefix("Value error, ")
