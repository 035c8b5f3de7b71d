"""A text from a template."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, Category, Example

_MAX_TEMPLATE = 20_000


class TextTemplateInput(BlockInput):
    """The template, and what stands for its variables."""

    template: str = Field(
        max_length=_MAX_TEMPLATE,
        description="Jinja: {{ name }}, {% if %}, {% for %} and filters such as upper, join(', '), default('-').",
    )
    values: dict[str, Any] = Field(default_factory=dict, description="Variables by name.")


class TextTemplateOutput(BlockOutput):
    """The text."""

    text: str = ""


class TextTemplate(Block[TextTemplateInput, TextTemplateOutput]):
    """Fills a template."""

    id: ClassVar[str] = "b08fc3a1-5286-4e07-b08c-0f4d93ad6d6c"
    name: ClassVar[str] = "Text template"
    description: ClassVar[str] = "Fill a text template with values: join texts, format lists, choose between phrases."
    category: ClassVar[Category] = "text"
    input_model: ClassVar[type[BlockInput]] = TextTemplateInput
    output_model: ClassVar[type[BlockOutput]] = TextTemplateOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"template": "Dear {{ name|title }}, you have {{ n }} messages.", "values": {"name": "ada", "n": 3}},
            {"text": ["Dear Ada, you have 3 messages."]},
        ),
        Example(
            {"template": "{% for c in cities %}- {{ c }}\n{% endfor %}", "values": {"cities": ["Oslo", "Rome"]}},
            {"text": ["- Oslo\n- Rome\n"]},
        ),
    )

    def wrong_texts(self, given: Mapping[str, Any]) -> dict[str, str]:
        """A template that can't be read, or says what templates may not."""
        from shared.agents.blocks.rules.templates import wrong_with

        wrong = wrong_with(given["template"]) if "template" in given else ""
        return {"template": wrong} if wrong else {}

    def run(self, context: BlockContext, inputs: TextTemplateInput) -> TextTemplateOutput:  # noqa: ARG002 - the same for all
        """Fill it."""
        from shared.agents.blocks.rules.templates import render  # brings jinja2

        return TextTemplateOutput(text=render(inputs.template, inputs.values))
