"""What `run_block` and `continue_run_block` share: reading a block's inputs, and running it by the same rules."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from shared.accounts.credits import Credits
from shared.agents.blocks import registry
from shared.agents.blocks.contract import BlockInput, emitted
from shared.agents.blocks.contract import BlockOutput as Emitted
from shared.agents.blocks.registry import AnyBlock
from shared.agents.offered import OfferedBlocks
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


class InputValidationError(ToolResponse):
    """Nothing was run."""

    type: Literal["input_validation_error"] = "input_validation_error"
    block_id: str
    unrecognized_fields: list[str]
    problems: list[str]
    inputs: dict[str, Any]
    """JSON schema."""


class SetupRequirement(BaseModel):
    """What is needed, and how it may be run."""

    credentials: list[str]
    inputs: dict[str, Any]
    execution_modes: list[str]


class Readiness(BaseModel):
    """What of it is there."""

    has_all_credentials: bool
    missing_credentials: list[str]
    ready_to_run: bool


class SetupInfo(BaseModel):
    """What has to be set up for whom."""

    agent_id: str
    """The block's id."""
    agent_name: str
    requirements: SetupRequirement
    user_readiness: Readiness


class SetupRequirements(ToolResponse):
    """Nothing was run: the user must connect something first."""

    type: Literal["setup_requirements"] = "setup_requirements"
    setup_info: SetupInfo


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


def to_set_up(block: AnyBlock) -> SetupRequirements | None:
    """What the user must connect before the block can run; None: nothing."""
    needed = list(block.credentials)
    if not needed:
        return None
    return SetupRequirements(
        message=f"The user has to connect {', '.join(needed)} first. Tell them.",
        setup_info=SetupInfo(
            agent_id=block.id,
            agent_name=block.name,
            requirements=SetupRequirement(
                credentials=needed, inputs=block.input_model.model_json_schema(), execution_modes=["manual"]
            ),
            user_readiness=Readiness(has_all_credentials=False, missing_credentials=needed, ready_to_run=False),
        ),
    )


def _answer(context: ToolContext, block: AnyBlock, outcome: Emitted | Sequence[Emitted] | Wait) -> BlockOutput | Wait:
    if isinstance(outcome, Wait):
        return outcome
    return BlockOutput(block_id=block.id, block_name=block.name, outputs=emitted(outcome), is_dry_run=context.dry_run)
