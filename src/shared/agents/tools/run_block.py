"""`run_block`: one block, by itself, in two steps: first its schema, then its outputs."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.agents.blocks.contract import AskedReviews, BlockInput
from shared.agents.blocks.registry import AnyBlock
from shared.agents.reviews.records import Asking
from shared.agents.setup import SetupRequirements
from shared.agents.tools.block_calls import (
    BlockCalls,
    BlockOutput,
    read_inputs,
)
from shared.agents.tools.refused_inputs import InputValidationError
from shared.tasks.wait import Wait
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse


class RunBlockInput(ToolInput):
    """Which one, and with what."""

    block_id: str = Field(min_length=1, max_length=200, description="Its id, or its name.")
    input_data: dict[str, Any] = Field(default_factory=dict, description="Empty: answers how the inputs look.")


class BlockDetails(ToolResponse):
    """How the block wants to be called."""

    type: Literal["block_details"] = "block_details"
    block_id: str
    block_name: str
    description: str
    price_credits: int
    inputs: dict[str, Any]
    """JSON schema."""
    outputs: dict[str, Any]
    """JSON schema of what is emitted, by output."""


class ReviewRequired(ToolResponse):
    """Nothing was run: the user is asked first."""

    type: Literal["review_required"] = "review_required"
    block_id: str
    block_name: str
    review_id: str
    graph_exec_id: str
    """Names the session where a run would be named."""
    input_data: dict[str, Any]
    """What the user is asked about."""


class RunBlock(Tool[RunBlockInput]):
    """Runs what the session may run."""

    name: ClassVar[str] = "run_block"
    description: ClassVar[str] = (
        "Run one block. First without input_data, which answers its input schema; then with it. A block that changes "
        "something elsewhere answers review_required: the user decides, then continue_run_block runs it."
    )
    input_model: ClassVar[type[ToolInput]] = RunBlockInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, calls: BlockCalls, reviews: AskedReviews) -> None:
        self._calls = calls
        self._reviews = reviews

    def takes_effect(self, arguments: RunBlockInput) -> bool:
        """If the block does, with these inputs; not if the user is asked first."""
        block = self._calls.find_for_anyone(arguments.block_id)
        if block is None or not arguments.input_data:
            return False
        inputs = read_inputs(block, arguments.input_data)
        if isinstance(inputs, InputValidationError):
            return False
        return block.takes_effect(inputs) and not block.asks_first(inputs)

    def run(
        self, context: ToolContext, arguments: RunBlockInput
    ) -> BlockDetails | BlockOutput | InputValidationError | SetupRequirements | ReviewRequired | Wait:
        """Its schema, what it emits, or the review that it waits for."""
        block = self._calls.find(context, arguments.block_id)
        if not arguments.input_data:
            return _details(block)
        inputs = read_inputs(block, arguments.input_data)
        if isinstance(inputs, InputValidationError):
            return inputs
        missing = self._calls.to_set_up(context, block, inputs)
        if missing is not None:
            return missing
        if block.must_ask(context, inputs):
            return self._ask(context, block, arguments.input_data)
        self._calls.begin(context, block)
        return self._calls.run(context, block, inputs)

    def resume(self, context: ToolContext, arguments: RunBlockInput, note: Mapping[str, Any]) -> BlockOutput | Wait:
        """Go on with a block that has waited."""
        block = self._calls.find(context, arguments.block_id)
        inputs = read_inputs(block, arguments.input_data)
        assert isinstance(inputs, BlockInput), "what waits has been read before"
        return self._calls.resume(context, block, inputs, note)

    def _ask(self, context: ToolContext, block: AnyBlock, data: dict[str, Any]) -> ReviewRequired:
        asking = Asking(
            user_id=context.user_id,
            origin="chat",
            task_id=context.task_id,
            call_id=context.tool_call_id,
            session_id=context.session_id,
            block_id=block.id,
            block_name=block.name,
            payload=data,
            of_inputs=True,
        )
        review = self._reviews.request(asking)
        return ReviewRequired(
            message="Nothing was run yet: the user has to approve it, and may edit the inputs. Tell them, and end your "
            "turn. You will be told what they say; then call continue_run_block with the review_id.",
            block_id=block.id,
            block_name=block.name,
            review_id=review.id,
            graph_exec_id=f"copilot-session-{context.session_id}",
            input_data=data,
        )


def _details(block: AnyBlock) -> BlockDetails:
    return BlockDetails(
        message="Call run_block again with input_data to run it.",
        block_id=block.id,
        block_name=block.name,
        description=block.description,
        price_credits=block.price_credits,
        inputs=block.input_model.model_json_schema(),
        outputs=block.output_model.model_json_schema(),
    )
