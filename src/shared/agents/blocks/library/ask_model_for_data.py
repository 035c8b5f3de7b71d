"""An answer of the model that has a given form."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

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
from shared.agents.blocks.rules.json_schemas import problems, require_schema, sample
from shared.agents.blocks.rules.json_text import read_json
from shared.kernel.errors import ToolError

_MAX_SCHEMA_CHARACTERS = 20_000
_SHOWN = 4_000
_INSTRUCTIONS = "Answer with one JSON value and nothing else, without a code fence. It must fit this JSON Schema:"


class AskModelForDataInput(BlockInput):
    """What it is asked, and the form of the answer."""

    prompt: str = Field(min_length=1, max_length=60_000)
    answer_schema: dict[str, Any] = Field(
        description="JSON Schema: type, properties, required, additionalProperties, items, enum, const, anyOf, bounds."
    )
    system: str = Field(default="", max_length=10_000, description="How it is to behave.")
    max_output_tokens: int = Field(default=2_000, ge=16, le=8_000)


class AskModelForDataOutput(BlockOutput):
    """The answer."""

    answer: Any = None


class AskModelForData(Block[AskModelForDataInput, AskModelForDataOutput]):
    """One question, an answer that fits the schema; a model that misses it may try once more."""

    id: ClassVar[str] = "975d4dd0-b8e6-4fb6-bd3c-c476bf3828ce"
    name: ClassVar[str] = "Ask a model for data"
    description: ClassVar[str] = "Let the language model extract or classify: its answer is JSON of a given schema."
    category: ClassVar[Category] = "model"
    input_model: ClassVar[type[BlockInput]] = AskModelForDataInput
    output_model: ClassVar[type[BlockOutput]] = AskModelForDataOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {
                "prompt": "Who wrote Emma, and when?",
                "answer_schema": {
                    "type": "object",
                    "properties": {"author": {"type": "string"}, "year": {"type": "integer"}},
                    "required": ["author", "year"],
                },
            },
            {"answer": [{"author": "Jane Austen", "year": 1815}]},
            Given(says=('{"author": "Jane Austen"}', '```json\n{"author": "Jane Austen", "year": 1815}\n```')),
        ),
    )

    def run(self, context: BlockContext, inputs: AskModelForDataInput) -> AskModelForDataOutput:
        """Ask, check, and ask once more if need be."""
        schema = _schema_text(inputs)
        system = f"{inputs.system}\n\n{_INSTRUCTIONS}\n{schema}".strip()
        answer = self._ask(context, "data", Prompt(inputs.prompt, system, inputs.max_output_tokens))
        value, wrong = _read(inputs, answer)
        if wrong:
            again = f"{inputs.prompt}\n\nYou have answered:\n{answer[:_SHOWN]}\n\nThat is wrong: {wrong}\nAnswer again."
            answer = self._ask(context, "repair", Prompt(again, system, inputs.max_output_tokens))
            value, wrong = _read(inputs, answer)
        if wrong:
            raise ToolError(f"The model's answer doesn't fit the schema: {wrong}", code="answer_invalid")
        return AskModelForDataOutput(answer=value)

    def rehearse(self, context: BlockContext, inputs: AskModelForDataInput) -> AskModelForDataOutput:  # noqa: ARG002
        """Something of that form, without asking."""
        _schema_text(inputs)
        return AskModelForDataOutput(answer=sample(inputs.answer_schema))

    def _ask(self, context: BlockContext, name: str, prompt: Prompt) -> str:
        return context.services.model.ask(context.call, name, prompt)


def _schema_text(inputs: AskModelForDataInput) -> str:
    require_schema(inputs.answer_schema)
    text = json.dumps(inputs.answer_schema, ensure_ascii=False)
    if len(text) > _MAX_SCHEMA_CHARACTERS:
        raise ToolError(f"The schema has more than {_MAX_SCHEMA_CHARACTERS} characters.", code="schema_invalid")
    return text


def _read(inputs: AskModelForDataInput, answer: str) -> tuple[Any, str]:
    """The value, and what is wrong with it ("" if nothing is)."""
    text = answer.strip()
    if text.startswith("```") and text.endswith("```"):  # a habit of models, whatever they are told
        text = text.removesuffix("```").partition("\n")[2]
    try:
        value = read_json(text)
    except ValueError:
        return None, "it is not JSON."
    return value, "; ".join(problems(inputs.answer_schema, value))
