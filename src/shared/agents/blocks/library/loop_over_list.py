"""Each part of a list, one after another."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example

MOST_ITEMS = 1_000


class LoopOverListInput(BlockInput):
    """What to go through."""

    items: list[Any] | dict[str, Any] = Field(
        max_length=MOST_ITEMS, description="A list, or an object, of which each value is taken."
    )


class LoopOverListOutput(BlockOutput):
    """One part."""

    item: Any = None
    key: int | str = Field(default=0, description="Its position from 0, or its name in the object.")


class LoopOverList(Block[LoopOverListInput, LoopOverListOutput]):
    """Emits the parts of a list."""

    id: ClassVar[str] = "9b71ff9f-aa89-4978-9898-c8f041c42a12"
    name: ClassVar[str] = "Loop over a list"
    description: ClassVar[str] = "Emit each item of a list in order, so that what follows runs once for each."
    category: ClassVar[Category] = "logic"
    is_loop: ClassVar[bool] = True
    gathers: ClassVar[Mapping[str, Literal["all", "each"]]] = {"items": "each"}
    input_model: ClassVar[type[BlockInput]] = LoopOverListInput
    output_model: ClassVar[type[BlockOutput]] = LoopOverListOutput
    examples: ClassVar[Sequence[Example]] = (
        Example({"items": ["a", "b"]}, {"item": ["a", "b"], "key": [0, 1]}),
        Example({"items": {"x": 1}}, {"item": [1], "key": ["x"]}),
        Example({"items": []}, {}),
    )

    def run(self, context: BlockContext, inputs: LoopOverListInput) -> list[LoopOverListOutput]:  # noqa: ARG002 - the same for all
        """One output for each."""
        items = inputs.items
        pairs = items.items() if isinstance(items, dict) else enumerate(items)
        return [LoopOverListOutput(item=item, key=key) for key, item in pairs]
