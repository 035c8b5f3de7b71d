"""What `run_block` and `continue_run_block` share: reading a block's inputs, and running it by the same rules."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from shared.accounts.credits import Credits
from shared.agents.blocks import registry
from shared.agents.blocks.contract import BlockInput, emitted
from shared.agents.blocks.contract import BlockOutput as Emitted
from shared.agents.blocks.registry import AnyBlock
from shared.agents.offered import OfferedBlocks
from shared.agents.setup import SetupRequirements, SetupSubject, setup_needed
from shared.agents.tools.refused_inputs import InputValidationError
from shared.kernel.errors import ToolError
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext, ToolResponse


class BlockOutput(ToolResponse):
    """What the block has emitted."""

    type: Literal["block_output"] = "block_output"
    block_id: str
    block_name: str
    outputs: dict[str, list[Any]]
    success: bool = True
    is_dry_run: bool = Field(default=False, exclude_if=lambda value: not value)


class BlockCalls:
    """Runs the blocks that a session may run."""

    def __init__(self, blocks: OfferedBlocks, credits: Credits) -> None:
        self._blocks = blocks
        self._credits = credits

    def find(self, context: ToolContext, written: str) -> AnyBlock:
        """The block of that id or name.

        Raises:
            ToolError: the session has no such block (`block_not_found`).
        """
        block = registry.find(self._blocks.all(context), written)
        if block is None:
            raise ToolError(f"There is no block {written!r}; use find_block.", code="block_not_found")
        return block

    def find_for_anyone(self, written: str) -> AnyBlock | None:
        """The block of that id or name, whatever the session may use."""
        return registry.find(self._blocks.runnable(), written)

    def to_set_up(self, context: ToolContext, block: AnyBlock, inputs: BlockInput) -> SetupRequirements | None:
        """What the user must connect before the block can run with these inputs; None: nothing.

        Raises:
            ToolError: this deployment keeps no credentials (`credentials_not_configured`).
        """
        given = inputs.model_dump()
        missing = self._blocks.missing_credentials(context.user_id, block, given)
        if not missing:
            return None
        needed, schema = tuple(block.credentials_for(given)), block.input_model.model_json_schema()
        return setup_needed(SetupSubject(block.id, block.name, needed, schema, ("manual",)), missing)

    def begin(self, context: ToolContext, block: AnyBlock) -> None:
        """Say what runs and what it costs, if its user can pay it.

        Raises:
            ToolError: they can't (`insufficient_credits`).
        """
        context.progress.block, context.progress.block_id = block.name, block.id
        if context.dry_run or block.price_credits <= 0:
            return
        balance = self._credits.balance(context.user_id)
        if balance < block.price_credits:
            raise ToolError(
                f"This costs {block.price_credits} credits and the user has {balance}. Tell the user.",
                code="insufficient_credits",
            )
        context.progress.price_credits = block.price_credits

    def run(self, context: ToolContext, block: AnyBlock, inputs: BlockInput) -> BlockOutput | Wait:
        """What it emits, or shows in a dry run."""
        given = self._blocks.context(context)
        return _answer(context, block, block.rehearse(given, inputs) if context.dry_run else block.run(given, inputs))

    def resume(
        self, context: ToolContext, block: AnyBlock, inputs: BlockInput, note: Mapping[str, Any]
    ) -> BlockOutput | Wait:
        """Go on with a block that has waited."""
        self.begin(context, block)
        return _answer(context, block, block.resume(self._blocks.context(context), inputs, note))


def read_inputs(block: AnyBlock, data: Any) -> BlockInput | InputValidationError:
    """The block's inputs, or what is wrong with them."""
    try:
        return block.input_model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        unknown = [".".join(map(str, one["loc"])) for one in found if one["type"] == "extra_forbidden"]
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'inputs'}: {one['msg']}" for one in found][:10]
        return InputValidationError(
            message="Nothing was run: the inputs don't fit the block.",
            block_id=block.id,
            unrecognized_fields=[name[:100] for name in unknown[:20]],
            problems=[problem[:300] for problem in wrong],
            inputs=block.input_model.model_json_schema(),
        )


def _answer(context: ToolContext, block: AnyBlock, outcome: Emitted | Sequence[Emitted] | Wait) -> BlockOutput | Wait:
    if isinstance(outcome, Wait):
        return outcome
    return BlockOutput(block_id=block.id, block_name=block.name, outputs=emitted(outcome), is_dry_run=context.dry_run)
