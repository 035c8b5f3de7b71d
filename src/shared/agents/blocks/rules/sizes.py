"""How much a value is once it is written out.

A program of some hundred characters can build a list of two references to a list of two references and so on: it
takes no memory until somebody writes it out, compares or joins it. So values are measured as if they were unfolded,
each part once.
"""

from typing import Any

from shared.kernel.errors import ToolError

MOST_VALUES = 200_000
"""Characters and parts of one value, all that it contains included."""

_WORTH_KNOWING = 4
"""Parts: a smaller one that has no others in it is measured anew, and costs no memory."""


def too_large(what: str) -> ToolError:
    """What is asked for would take too much time or memory."""
    return ToolError(f"{what} becomes too large; give it less to work on.", code="value_too_large")


class Sizes:
    """Measures the values of one evaluation; parts that it has measured must not change any more."""

    def __init__(self, what: str, most: int = MOST_VALUES) -> None:
        self._what = what
        self._most = most
        self._known: dict[int, tuple[Any, int]] = {}  # keeps what it knows alive: an id is not used again

    def check(self, value: Any) -> int:
        """The value's size.

        Raises:
            ToolError: `value_too_large`.
        """
        try:
            return self._measure(value)
        except RecursionError:
            raise too_large(self._what) from None

    def _measure(self, value: Any) -> int:
        if isinstance(value, str):
            return self._bounded(1 + len(value))
        if isinstance(value, int) and value.bit_length() > 256:  # arithmetic with longer ones is work of its own
            raise too_large(self._what)
        if not isinstance(value, list | tuple | dict):
            return 1
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        size, is_leaf = 1, len(value) < _WORTH_KNOWING
        for part in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
            size = self._bounded(size + self._measure(part))
            is_leaf = is_leaf and not (part and isinstance(part, list | tuple | dict))
        if not is_leaf:
            self._known[id(value)] = (value, size)
        return size

    def _bounded(self, size: int) -> int:
        if size > self._most:
            raise too_large(self._what)
        return size
