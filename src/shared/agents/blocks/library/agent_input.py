"""An input of an agent."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example


class AgentInputInput(BlockInput):
    """What the agent asks for, and what it was given."""

    name: str = Field(min_length=1, max_length=100, description="What it is called for whoever runs the agent.")
    description: str = Field(default="", max_length=1_000)
    default: Any = Field(default=None, description="What counts when nothing is given.")
    value: Any = Field(default=None, description="What was given; set when the agent is run.")
    value_schema: dict[str, Any] = Field(
        default_factory=dict,
        description='JSON Schema of the value, such as {"type": "string"}; `format: password` marks a secret.',
    )


class AgentInputOutput(BlockOutput):
    """What to go on with."""

    value: Any = None


class AgentInput(Block[AgentInputInput, AgentInputOutput]):
    """Passes on what the agent was given."""

    id: ClassVar[str] = "1983e0a3-2039-4c14-8101-681e09432f9e"
    name: ClassVar[str] = "Agent input"
    description: ClassVar[str] = "A value that the agent asks for when it is run; its default if none is given."
    category: ClassVar[Category] = "agent"
    input_model: ClassVar[type[BlockInput]] = AgentInputInput
    output_model: ClassVar[type[BlockOutput]] = AgentInputOutput
    examples: ClassVar[Sequence[Example]] = (
        Example({"name": "City", "value": "Oslo"}, {"value": ["Oslo"]}),
        Example({"name": "City", "default": "Bergen"}, {"value": ["Bergen"]}),
    )

    def run(self, context: BlockContext, inputs: AgentInputInput) -> AgentInputOutput:  # noqa: ARG002 - the same for all
        """The value, or the default."""
        return AgentInputOutput(value=inputs.default if inputs.value is None else inputs.value)
