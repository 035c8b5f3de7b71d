"""What arguments of tools look like."""

from typing import Annotated

from pydantic import BeforeValidator, StringConstraints


def _or_empty(value: object) -> object:
    """Models send null for what they leave out."""
    return "" if value is None else value


Words = Annotated[str, BeforeValidator(_or_empty), StringConstraints(strip_whitespace=True, max_length=200)]
"""A name, an id or the like; empty: not given."""
