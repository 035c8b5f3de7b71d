"""Words of ours in place of the validator's."""

from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator


def saying(words: str) -> WrapValidator:
    """Whatever is wrong with a value, this is said of it, and nothing of the value is kept in the error."""

    def checked(value: Any, allowed: ValidatorFunctionWrapHandler) -> Any:
        try:
            return allowed(value)
        except ValidationError:
            pass  # it quotes the value, so it must not be the cause or the context of ours
        raise ValueError(words)

    return WrapValidator(checked)
