"""A text from the model."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from shared.agents.blocks.contract import (
    Block,
    BlockContext,
    BlockInput,
    BlockOutput,
    Category,
    Example,
    Given,
    Prompt,
)


class AskModelInput(BlockInput):
    """What it is asked."""

    prompt: str = Field(min_length=1, max_length=60_000)
    system: str = Field(default="", max_length=10_000, description="How it is to behave.")
    max_output_tokens: int = Field(default=2_000, ge=16, le=8_000)


class AskModelOutput(BlockOutput):
    """What it says."""

    response: str = ""


class AskModel(Block[AskModelInput, AskModelOutput]):
    """One question, one answer: no tools, no memory."""

    id: ClassVar[str] = "89269428-8d69-4f35-a588-e0572b958ab6"
    name: ClassVar[str] = "Ask a model"
    description: ClassVar[str] = "Let the language model write, summarise, translate or judge a text."
    category: ClassVar[Category] = "model"
    input_model: ClassVar[type[BlockInput]] = AskModelInput
    output_model: ClassVar[type[BlockOutput]] = AskModelOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"prompt": "Translate to French: river"},
            {"response": ["rivière"]},
            Given(says=("rivière",)),
        ),
    )

    def run(self, context: BlockContext, inputs: AskModelInput) -> AskModelOutput:
        """Ask."""
        prompt = Prompt(inputs.prompt, inputs.system, inputs.max_output_tokens)
        return AskModelOutput(response=context.services.model.ask(context.call, "text", prompt))

    def rehearse(self, context: BlockContext, inputs: AskModelInput) -> AskModelOutput:  # noqa: ARG002 - it isn't asked
        """Without asking."""
        return AskModelOutput(response="(dry run: the model was not asked)")
