"""An output of an agent."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example


class AgentOutputInput(BlockInput):
    """What the agent answers."""

    name: str = Field(min_length=1, max_length=100, description="What it is called for whoever runs the agent.")
    description: str = Field(default="", max_length=1_000)
    value: Any = Field(description="The result.")


class AgentOutputOutput(BlockOutput):
    """The result."""

    value: Any = None


class AgentOutput(Block[AgentOutputInput, AgentOutputOutput]):
    """Names a result."""

    id: ClassVar[str] = "a8548793-4063-4560-b1fd-49c6900fd30c"
    name: ClassVar[str] = "Agent output"
    description: ClassVar[str] = "A named result of the agent, shown to whoever runs it."
    category: ClassVar[Category] = "agent"
    input_model: ClassVar[type[BlockInput]] = AgentOutputInput
    output_model: ClassVar[type[BlockOutput]] = AgentOutputOutput
    examples: ClassVar[Sequence[Example]] = (Example({"name": "Total", "value": 42}, {"value": [42]}),)

    def run(self, context: BlockContext, inputs: AgentOutputInput) -> AgentOutputOutput:  # noqa: ARG002 - the same for all
        """The value."""
        return AgentOutputOutput(value=inputs.value)
