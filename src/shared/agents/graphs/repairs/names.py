"""Names that mean the same, however they are written."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def plain(name: str) -> str:
    """Without case and punctuation: `Text Template`, `text_template` and `textTemplate` are one."""
    return _NOT_PLAIN.sub("", name.casefold())


def meant(name: str, known: Iterable[str]) -> str | None:
    """The one known name that is written differently; None if none is, or several are."""
    found = [one for one in known if plain(one) == plain(name)]
    return found[0] if len(found) == 1 and plain(name) else None


def first_of(value: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first of the names that the object has."""
    return next((name for name in names if name in value), None)
