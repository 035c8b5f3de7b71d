"""Everything that comes, in one list."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example


class MergeInput(BlockInput):
    """What has come."""

    values: list[Any] = Field(description="Takes any number of links: all their values, in the order of the links.")


class MergeOutput(BlockOutput):
    """The list, and what people ask about it."""

    values: list[Any] = Field(default_factory=list)
    first: Any = Field(default=None, description="Not emitted if nothing has come.")
    count: int = 0


class Merge(Block[MergeInput, MergeOutput]):
    """Waits until nothing more can come."""

    id: ClassVar[str] = "d423f51f-74bf-42f4-ac20-3c30502783be"
    name: ClassVar[str] = "Merge"
    description: ClassVar[str] = (
        "Collect all values of several links in one list, when nothing more can come: what a loop brought, or the "
        "first of two branches."
    )
    category: ClassVar[Category] = "logic"
    gathers: ClassVar[Mapping[str, Literal["all", "each"]]] = {"values": "all"}
    input_model: ClassVar[type[BlockInput]] = MergeInput
    output_model: ClassVar[type[BlockOutput]] = MergeOutput
    examples: ClassVar[Sequence[Example]] = (
        Example({"values": ["a", "b"]}, {"values": [["a", "b"]], "first": ["a"], "count": [2]}),
        Example({"values": []}, {"values": [[]], "count": [0]}),
    )

    def run(self, context: BlockContext, inputs: MergeInput) -> MergeOutput:  # noqa: ARG002 - the same for all
        """The list."""
        merged = MergeOutput(values=inputs.values, count=len(inputs.values))
        if inputs.values:
            merged.first = inputs.values[0]
        return merged
