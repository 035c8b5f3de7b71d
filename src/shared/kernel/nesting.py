"""How deep a JSON value nests: what others read and write again must not be deeper than their tools can follow."""

from collections.abc import Iterable
from typing import Any

MAX_VALUE_DEPTH = 100
"""Of values that agents are given and bring. Answers put them a few levels deeper, and 255 are the most that can be
written."""


def nests_within(value: Any, most: int) -> bool:
    """Whether lists and objects are nested at most `most` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return True
    return False


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [part for part in value.values() if isinstance(part, dict | list)]
    return [part for part in value if isinstance(part, dict | list)] if isinstance(value, list) else ()
