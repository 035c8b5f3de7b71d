"""Words for what pydantic refuses."""

from collections.abc import Mapping
from typing import Any


def problem_of(found: Mapping[str, Any]) -> str:
    """What is wrong, of one of `ValidationError.errors()`; in our own words, if a validator of ours has refused it."""
    if str(found["type"]).startswith("union_tag_"):
        told = found.get("ctx", {})
        kinds = f": {told['expected_tags']}" if "expected_tags" in told else ""
        return f"must say by {told.get('discriminator', 'its type')} what it is{kinds}"
    return str(found["msg"]).removeprefix("Value error, ")
