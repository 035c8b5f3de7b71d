"""One of two ways."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example
from shared.kernel.errors import ToolError

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "contains", "starts_with", "ends_with", "is_empty"]


class ConditionInput(BlockInput):
    """What is compared, and what goes on which way."""

    left: Any = Field(description="A value. Numbers may be given as text.")
    operator: Operator = "=="
    right: Any = Field(default=None, description="What it is compared with; not used by is_empty.")
    yes_value: Any = Field(default=None, description="What is emitted if it holds. Unset: left.")
    no_value: Any = Field(default=None, description="What is emitted if not. Unset: left.")


class ConditionOutput(BlockOutput):
    """The answer, and one of two values."""

    result: bool = False
    yes: Any = None
    no: Any = None


class Condition(Block[ConditionInput, ConditionOutput]):
    """Compares."""

    id: ClassVar[str] = "fee0e798-4029-4652-98dd-7f029fe07376"
    name: ClassVar[str] = "Condition"
    description: ClassVar[str] = "Compare two values; what follows `yes` runs if it holds, what follows `no` if not."
    category: ClassVar[Category] = "logic"
    input_model: ClassVar[type[BlockInput]] = ConditionInput
    output_model: ClassVar[type[BlockOutput]] = ConditionOutput
    examples: ClassVar[Sequence[Example]] = (
        Example({"left": 7, "operator": ">", "right": "5", "yes_value": "hot"}, {"result": [True], "yes": ["hot"]}),
        Example({"left": "", "operator": "is_empty", "right": None}, {"result": [True], "yes": [""]}),
        Example({"left": ["a"], "operator": "contains", "right": "b"}, {"result": [False], "no": [["a"]]}),
    )

    def run(self, context: BlockContext, inputs: ConditionInput) -> ConditionOutput:  # noqa: ARG002 - the same for all
        """Compare."""
        if holds(inputs.left, inputs.operator, inputs.right):
            chosen = inputs.yes_value if "yes_value" in inputs.model_fields_set else inputs.left
            return ConditionOutput(result=True, yes=chosen)
        chosen = inputs.no_value if "no_value" in inputs.model_fields_set else inputs.left
        return ConditionOutput(result=False, no=chosen)


def holds(left: Any, operator: Operator, right: Any) -> bool:
    """Whether the comparison holds. A number and a text that is one are compared as numbers.

    Raises:
        ToolError: `not_comparable`.
    """
    if operator == "is_empty":
        return left is None or (isinstance(left, str | list | dict) and not left)
    if operator in _OF_PARTS:
        return _of_parts(left, operator, right)
    left, right = _as_numbers(left, right)
    if operator in {"==", "!="}:
        same = isinstance(left, bool) is isinstance(right, bool) and bool(left == right)
        return same is (operator == "==")
    if not _ordered(left, right):
        raise ToolError(f"{operator} compares two numbers or two texts.", code="not_comparable")
    return bool(_ORDERS[operator](left, right))


_ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_OF_PARTS = frozenset({"contains", "starts_with", "ends_with"})


def _of_parts(left: Any, operator: Operator, right: Any) -> bool:
    if operator == "contains" and isinstance(left, list):
        return right in left
    if operator == "contains" and isinstance(left, dict):
        return isinstance(right, str) and right in left
    if not isinstance(left, str) or not isinstance(right, str):
        raise ToolError(f"{operator} looks for a text in a text; contains also in a list.", code="not_comparable")
    if operator == "contains":
        return right in left
    return left.startswith(right) if operator == "starts_with" else left.endswith(right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(left: Any, right: Any) -> bool:
    return (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str))


def _as_numbers(left: Any, right: Any) -> tuple[Any, Any]:
    try:
        if _is_number(left) and isinstance(right, str):
            return left, float(right)
        if _is_number(right) and isinstance(left, str):
            return float(left), right
    except ValueError:
        return left, right
    return left, right
