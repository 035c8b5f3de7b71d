"""`run_block`: one block, by itself, in two steps: first its schema, then its outputs."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError

from shared.accounts.credits import Credits
from shared.agents.blocks import registry
from shared.agents.blocks.contract import BlockInput, emitted
from shared.agents.blocks.contract import BlockOutput as Emitted
from shared.agents.blocks.registry import AnyBlock
from shared.agents.offered import OfferedBlocks
from shared.kernel.errors import ToolError
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


class RunBlock(Tool[RunBlockInput]):
    """Runs what the session may run."""

    name: ClassVar[str] = "run_block"
    description: ClassVar[str] = (
        "Run one block. First without input_data, which answers its input schema; then with it. A block that changes "
        "something elsewhere asks the user first."
    )
    input_model: ClassVar[type[ToolInput]] = RunBlockInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, blocks: OfferedBlocks, credits: Credits) -> None:
        self._blocks = blocks
        self._credits = credits

    def takes_effect(self, arguments: RunBlockInput) -> bool:
        """If the block does, with these inputs."""
        prepared = self._prepared(arguments)
        return prepared is not None and prepared[0].takes_effect(prepared[1])

    def asks_first(self, arguments: RunBlockInput) -> bool:
        """If the block does, with these inputs."""
        prepared = self._prepared(arguments)
        return prepared is not None and not prepared[0].credentials and prepared[0].asks_first(prepared[1])

    def run(
        self, context: ToolContext, arguments: RunBlockInput
    ) -> BlockDetails | BlockOutput | InputValidationError | SetupRequirements | Wait:
        """Its schema, or what it emits."""
        block = self._block(context, arguments)
        if not arguments.input_data:
            return _details(block)
        inputs = _read(block, arguments.input_data)
        if isinstance(inputs, InputValidationError):
            return inputs
        if block.credentials:
            return _setup(block)
        self._begin(context, block)
        given = self._blocks.context(context)
        outcome = block.rehearse(given, inputs) if context.dry_run else block.run(given, inputs)
        return _answer(context, block, outcome)

    def resume(self, context: ToolContext, arguments: RunBlockInput, note: Mapping[str, Any]) -> BlockOutput | Wait:
        """Go on with a block that has waited."""
        block = self._block(context, arguments)
        inputs = _read(block, arguments.input_data)
        assert isinstance(inputs, BlockInput), "what waits has been read before"
        self._begin(context, block)
        return _answer(context, block, block.resume(self._blocks.context(context), inputs, note))

    def _block(self, context: ToolContext, arguments: RunBlockInput) -> AnyBlock:
        block = registry.find(self._blocks.all(context), arguments.block_id)
        if block is None:
            raise ToolError(f"There is no block {arguments.block_id!r}; use find_block.", code="block_not_found")
        return block

    def _prepared(self, arguments: RunBlockInput) -> tuple[AnyBlock, BlockInput] | None:
        """The block and its inputs, if the call runs one."""
        block = registry.find(self._blocks.runnable(), arguments.block_id)
        if block is None or not arguments.input_data:
            return None
        inputs = _read(block, arguments.input_data)
        return None if isinstance(inputs, InputValidationError) else (block, inputs)

    def _begin(self, context: ToolContext, block: AnyBlock) -> None:
        """Say what runs and what it costs, if its user can pay it."""
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


def _read(block: AnyBlock, data: Mapping[str, Any]) -> BlockInput | InputValidationError:
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


def _setup(block: AnyBlock) -> SetupRequirements:
    needed = list(block.credentials)
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
