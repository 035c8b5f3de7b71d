"""Jinja templates of which a stranger may have written every character.

The sandbox of `jinja2` keeps templates away from Python's inside, but not from the processor and the memory. So only
the parts of the language that are listed here are taken (no calls, macros, assignments, imports), filters are the
ones below, whatever makes values larger is measured before it happens, and rounds of loops are counted, and so is what
they work on.

Imported with the first template only: `jinja2` is of no use to a cold start.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from shared.agents.blocks.rules.sizes import MOST_VALUES, Sizes, too_large
from shared.kernel.errors import ToolError

MAX_CHARACTERS = 20_000
_MOST_ROUNDS = 10_000
_MOST_WORK = 5_000_000
"""Sizes of all values together that are shown or given to a filter: nobody could stop it meanwhile."""
_QUICK = 8
"""So many times as much may be compared or cut."""
_MOST_DIGITS = 15
_WHAT = "The text"
_PARTS = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Name, nodes.Const, nodes.List,
    nodes.Tuple, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test,
)  # fmt: skip
_OF_ENVIRONMENTS = frozenset({"filter", "test"})
"""Tests that ask what there is."""
_OF_LOOPS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text that the template makes of the values.

    Raises:
        ToolError: `template_invalid`, `template_not_allowed` or `value_too_large`.
    """
    environment = _Environment()
    try:
        environment.sizes.check(dict(values))
        compiled = environment.from_string(_Guarding().visit(_parsed(environment, template)))
        return _bounded(compiled.generate({"values": dict(values), **values}))
    except RecursionError:
        raise ToolError("The template is nested too deeply.", code="template_invalid") from None
    except TemplateError as error:
        raise ToolError(f"The template can't be used: {str(error)[:500]}", code="template_invalid") from None
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, SyntaxError) as error:
        message = f"The template doesn't fit its values ({type(error).__name__}: {str(error)[:200]})."
        raise ToolError(message, code="template_invalid") from None


def wrong_with(template: str) -> str:
    """Why no values could be put into it; empty: they can."""
    try:
        _parsed(_Environment(), template)
    except (ToolError, TemplateError) as error:
        return str(error)[:300]
    except RecursionError:
        return "It is nested too deeply."
    return ""


def _parsed(environment: "_Environment", template: str) -> nodes.Template:
    tree = environment.parse(template)
    _refuse(tree)
    return tree


def _bounded(pieces: Any) -> str:
    text, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > MOST_VALUES:
            raise too_large(_WHAT)
        text.append(piece)
    return "".join(text)


def _refuse(tree: nodes.Node) -> None:
    for node in tree.find_all(nodes.Node):
        recursive = isinstance(node, nodes.For) and node.recursive
        if not isinstance(node, _PARTS) or recursive:
            raise ToolError(
                f"Line {node.lineno}: templates have variables, if, for and filters; {type(node).__name__} is not "
                "among what they may use.",
                code="template_not_allowed",
            )


class _Guarding(NodeTransformer):
    """Counts the rounds of loops, and has values measured before they are compared or joined."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        found = self.generic_visit(node)
        if node.test is None:
            node.body.insert(0, nodes.ExprStmt(_call("count_round"), lineno=node.lineno))
        else:  # a round that is left out is one, too
            node.test = nodes.And(_call("count_round"), node.test)
        return found

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call("join_texts", *node.nodes)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)  # a slice is cut without `getitem`
        return _call("looked_at", node) if isinstance(node.arg, nodes.Slice) else node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key = _call("as_key", node.key)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _call("looked_at", node.expr)
        for operand in node.ops:
            operand.expr = _call("looked_at", operand.expr)
        return node


def _call(name: str, *arguments: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name), list(arguments), [], None, None)


class _Environment(SandboxedEnvironment):
    """One for each text: it counts."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=self._shown, keep_trailing_newline=True, cache_size=0)
        self.sizes = Sizes(_WHAT)
        self._rounds = self._work = 0
        self.globals = {}
        self.tests = {name: self._charging(test) for name, test in self.tests.items() if name not in _OF_ENVIRONMENTS}
        self.filters = {name: self._measured(name, function) for name, function in _FILTERS.items()}
        self.filters["default"] = self.filters["d"] = _default

    def count_round(self) -> bool:
        """One more round of a loop, which there may be."""
        self._rounds += 1
        if self._rounds > _MOST_ROUNDS:
            raise ToolError(f"Loops have more than {_MOST_ROUNDS} rounds.", code="value_too_large")
        return True

    def as_key(self, value: Any) -> Any:
        """What stands before `:` in an object. To look anything else up means to unfold it, in one go."""
        if not _is_key(value):
            raise TypeError("keys are texts and numbers")
        return value

    def charged(self, value: Any, share: int = 1) -> Any:
        """The value, after that share of its size is counted as work."""
        self._work += self.sizes.check(value) // share
        if self._work > _MOST_WORK:
            raise too_large(_WHAT)
        return value

    def looked_at(self, value: Any) -> Any:
        """The same for what is quick: to compare, or to cut."""
        return self.charged(value, share=_QUICK)

    def join_texts(self, *parts: Any) -> str:
        """`a ~ b`."""
        return str(self.charged("".join(self._bounded_texts(parts))))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic with numbers, and `+` of two texts or two lists: nothing repeats or formats a text."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        alike = operator == "+" and type(left) is type(right) and isinstance(left, str | list)
        if not numbers and not alike:
            raise TypeError(f"{operator} takes numbers; + joins two texts or two lists, ~ joins anything")
        return self.charged(super().call_binop(context, operator, left, right))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`a.b` is a key of an object, never something of Python's."""
        if isinstance(obj, LoopContext) and attribute in _OF_LOOPS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`a["b"]` and `a[0]`."""
        if not _is_key(argument):
            return self.undefined(obj=obj, name="such a key")
        fits = isinstance(obj, dict) or (isinstance(obj, list | tuple | str) and isinstance(argument, int))
        try:
            return obj[argument] if fits else self.undefined(obj=obj, name=argument)
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)

    def _shown(self, value: Any) -> Any:
        """How a value stands in a text: lists and objects as JSON."""
        if isinstance(value, Undefined):
            return str(value)  # says which one it is
        self.charged(value)
        return value if isinstance(value, str) else _text(value)

    def _bounded_texts(self, parts: Any) -> list[str]:
        texts = [str(self._shown(part)) for part in parts]
        if sum(map(len, texts)) > MOST_VALUES:
            raise too_large(_WHAT)
        return texts

    def _measured(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        measure = self.sizes.check if name in _AT_ONCE else self.charged

        def filtered(*arguments: Any) -> Any:
            for argument in arguments:
                if isinstance(argument, Undefined):
                    str(argument)
                measure(argument)
            found = function(*arguments)
            measure(found)
            return found

        return filtered

    def _charging(self, test: Any) -> Callable[..., bool]:
        return lambda *arguments: bool(test(*map(self.looked_at, arguments)))


def _is_key(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str | int | float):  # `self` and `loop`
        raise TypeError("this is not a value")
    return str(value)


def _default(value: Any, otherwise: Any = "", also_if_empty: bool = False) -> Any:
    return otherwise if isinstance(value, Undefined) or (also_if_empty and not value) else value


def _join(parts: Any, separator: str = "") -> str:
    texts = [_text(part) for part in parts]
    if sum(map(len, texts)) + len(separator) * len(texts) > MOST_VALUES:
        raise too_large(_WHAT)
    return separator.join(texts)


def _replace(text: str, old: str, new: str) -> str:
    if text.count(old) * len(new) > MOST_VALUES:
        raise too_large(_WHAT)
    return text.replace(old, new)


def _round(number: float, digits: int = 0) -> float:
    return round(number, max(0, min(digits, _MOST_DIGITS)))


def _whole(value: Any) -> int:
    return int(float(value)) if isinstance(value, str) and "." in value else int(value)


def _cut(text: str, length: int = 255, end: str = "…") -> str:
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


_AT_ONCE = frozenset({"first", "last", "length"})
"""They don't look at the whole."""
_FILTERS: Mapping[str, Callable[..., Any]] = {
    "capitalize": lambda text: str(text).capitalize(),
    "first": lambda parts: parts[0],
    "float": float,
    "int": _whole,
    "join": _join,
    "last": lambda parts: parts[-1],
    "length": len,
    "lower": lambda text: str(text).lower(),
    "replace": _replace,
    "reverse": lambda parts: parts[::-1],
    "round": _round,
    "sort": sorted,
    "string": _text,
    "title": lambda text: str(text).title(),
    "tojson": lambda value: json.dumps(value, ensure_ascii=False),
    "trim": lambda text: str(text).strip(),
    "truncate": _cut,
    "unique": lambda parts: list({json.dumps(part, sort_keys=True): part for part in parts}.values()),
    "upper": lambda text: str(text).upper(),
}
