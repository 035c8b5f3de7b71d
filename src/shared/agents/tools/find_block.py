"""`find_block`: which blocks do what."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from shared.agents.blocks.contract import Block
from shared.agents.offered import OfferedBlocks
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse

MAX_RESULTS = 10


class FindBlockInput(ToolInput):
    """What is looked for."""

    query: str = Field(min_length=1, max_length=400, description="A few words, a name or an id.")
    include_schemas: bool = Field(default=False, description="Also how their inputs and outputs look.")


class FoundBlock(BaseModel):
    """A block, as it is found."""

    id: str
    name: str
    description: str
    category: str
    price_credits: int
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None


class BlockList(ToolResponse):
    """The best first."""

    type: Literal["block_list"] = "block_list"
    query: str
    blocks: list[FoundBlock]
    count: int


class FindBlock(Tool[FindBlockInput]):
    """Ranks the blocks that the session may run."""

    name: ClassVar[str] = "find_block"
    description: ClassVar[str] = (
        "Find blocks: ready-made pieces of work (templates, JSON queries, HTTP requests, the model, files, waiting) "
        "that run_block runs."
    )
    input_model: ClassVar[type[ToolInput]] = FindBlockInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, blocks: OfferedBlocks) -> None:
        self._blocks = blocks

    def run(self, context: ToolContext, arguments: FindBlockInput) -> BlockList:
        """Search."""
        found = self._blocks.search(context, arguments.query, MAX_RESULTS)
        blocks = [_shown(block, schemas=arguments.include_schemas) for block in found]
        message = "Run one with run_block and its id." if blocks else "No block fits; try other words."
        return BlockList(message=message, query=arguments.query, blocks=blocks, count=len(blocks))


def _shown(block: Block[Any, Any], *, schemas: bool) -> FoundBlock:
    return FoundBlock(
        id=block.id,
        name=block.name,
        description=block.description,
        category=block.category,
        price_credits=block.price_credits,
        input_schema=block.input_model.model_json_schema() if schemas else None,
        output_schema=block.output_model.model_json_schema() if schemas else None,
    )
