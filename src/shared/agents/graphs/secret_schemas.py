"""Schemas of secrets: those that say `format: password`, at any depth."""

from typing import Any

SECRET_FORMAT = "password"  # noqa: S105 - how JSON Schema marks one
HIDDEN = "(hidden)"
"""What is shown in place of a secret."""
_VALUES = ("default", "examples")
"""The keywords of a schema that hold values."""


def is_secret(schema: Any) -> bool:
    """Whether a value of that JSON Schema is secret, or has a part that is."""
    ahead = [schema]
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            if one.get("format") == SECRET_FORMAT:
                return True
            ahead.extend(one.values())
        elif isinstance(one, list):
            ahead.extend(one)
    return False


def without_values(schema: Any) -> Any:
    """A schema without the defaults and examples that stand in it, at any depth."""
    if not isinstance(schema, dict):
        return schema
    told = {keyword: value for keyword, value in schema.items() if keyword not in _VALUES}
    if isinstance(told.get("properties"), dict):
        told["properties"] = {name: without_values(part) for name, part in told["properties"].items()}
    if "items" in told:
        told["items"] = without_values(told["items"])
    if isinstance(told.get("anyOf"), list):
        told["anyOf"] = [without_values(part) for part in told["anyOf"]]
    return told
