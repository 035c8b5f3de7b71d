"""Words for what pydantic refuses."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator


def problem_of(found: Mapping[str, Any]) -> str:
    """What is wrong, of one of `ValidationError.errors()`; in our own words, if a validator of ours has refused it."""
    if str(found["type"]).startswith("union_tag_"):
        told = found.get("ctx", {})
        kinds = f": {told['expected_tags']}" if "expected_tags" in told else ""
        return f"must say by {told.get('discriminator', 'its type')} what it is{kinds}"
    return str(found["msg"]).removeprefix("Value error, ")


def saying(words: str) -> WrapValidator:
    """Whatever is wrong with a value, this is said of it, and nothing of the value is kept in the error."""

    def checked(value: Any, allowed: ValidatorFunctionWrapHandler) -> Any:
        try:
            return allowed(value)
        except ValidationError:
            pass  # it quotes the value, so it must not be the cause or the context of ours
        raise ValueError(words)

    return WrapValidator(checked)
