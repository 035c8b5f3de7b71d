"""A part of a JSON document."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example

_MAX_QUERY = 2_000


class JsonQueryInput(BlockInput):
    """Where to look, and for what."""

    query: str = Field(min_length=1, max_length=_MAX_QUERY, description="JMESPath, such as items[?price > `5`].name")
    document: Any = Field(description="Any JSON value.")


class JsonQueryOutput(BlockOutput):
    """What was found."""

    result: Any = Field(default=None, description="Null if nothing was found.")


class JsonQuery(Block[JsonQueryInput, JsonQueryOutput]):
    """Asks a JSON document."""

    id: ClassVar[str] = "a700e4bc-2f12-4d88-906b-0024010db8ee"
    name: ClassVar[str] = "JSON query"
    description: ClassVar[str] = "Take parts out of a JSON value, filter, sort and reshape it with a JMESPath query."
    category: ClassVar[Category] = "data"
    input_model: ClassVar[type[BlockInput]] = JsonQueryInput
    output_model: ClassVar[type[BlockOutput]] = JsonQueryOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"query": "items[?price > `5`].name", "document": {"items": [{"name": "pen", "price": 9}, {"price": 2}]}},
            {"result": [["pen"]]},
        ),
        Example({"query": "a.b", "document": {}}, {"result": [None]}),
    )

    def wrong_texts(self, given: Mapping[str, Any]) -> dict[str, str]:
        """A query that can't be read."""
        from shared.agents.blocks.rules.json_query import wrong_with

        wrong = wrong_with(given["query"]) if "query" in given else ""
        return {"query": wrong} if wrong else {}

    def run(self, context: BlockContext, inputs: JsonQueryInput) -> JsonQueryOutput:  # noqa: ARG002 - the same for all
        """Look."""
        from shared.agents.blocks.rules.json_query import query  # brings jmespath

        return JsonQueryOutput(result=query(inputs.query, inputs.document))
