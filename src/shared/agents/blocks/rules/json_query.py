"""JMESPath within bounds of time and memory.

Imported with the first query only: `jmespath` is of no use to a cold start.
"""

import json
from typing import Any

from jmespath import exceptions, functions, parser, visitor  # type: ignore[import-untyped]

from shared.agents.blocks.rules.sizes import MOST_VALUES, Sizes, too_large
from shared.kernel.errors import ToolError

MAX_CHARACTERS = 2_000
_WHAT = "The query's result"
_MOST_WORK = 5_000_000
"""Sizes of all intermediate results together: what a query can compare, sort or copy."""


def query(expression: str, document: Any) -> Any:
    """What the expression finds in the document.

    Raises:
        ToolError: `query_invalid`, or `value_too_large`.
    """
    bounded = _Bounded(Sizes(_WHAT))
    try:
        # Not jmespath.compile: it keeps expressions for later, and its own interpreter.
        found = bounded.visit(parser.Parser().parse(expression).parsed, document)
        json.dumps(found, allow_nan=False)  # a part of an expression, or 1e999, is no value
    except RecursionError:
        raise ToolError("The query is nested too deeply.", code="query_invalid") from None
    except exceptions.JMESPathError as error:
        raise ToolError(f"The query can't be used: {str(error)[:500]}", code="query_invalid") from None
    except (ValueError, TypeError, ArithmeticError) as error:  # how some functions meet values that they don't expect
        raise ToolError(f"The query doesn't fit the document ({type(error).__name__}).", code="query_invalid") from None
    return found


def wrong_with(expression: str) -> str:
    """Why it could find nothing in any document; empty: it could."""
    try:
        parser.Parser().parse(expression)
    except RecursionError:
        return "It is nested too deeply."
    except (exceptions.JMESPathError, ValueError) as error:
        return str(error)[:300]
    return ""


class _Bounded(visitor.TreeInterpreter):  # type: ignore[misc] # the package has no types
    """Measures each intermediate result, also those that are the same object many times over."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(visitor.Options(custom_functions=_Functions()))
        self._sizes = sizes
        self._work = 0

    def visit(self, node: Any, *arguments: Any, **named: Any) -> Any:
        """Evaluate a part of the expression."""
        found = super().visit(node, *arguments, **named)
        self._work += self._sizes.check(found)
        if self._work > _MOST_WORK:
            raise too_large(_WHAT)
        return found


class _Functions(functions.Functions):  # type: ignore[misc] # the package has no types
    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})  # type: ignore[untyped-decorator]
    def _func_join(self, separator: str, parts: list[str]) -> str:
        if len(separator) * len(parts) > MOST_VALUES:
            raise too_large(_WHAT)
        return separator.join(parts)
