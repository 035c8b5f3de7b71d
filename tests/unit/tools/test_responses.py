"""The schema of what tools answer: complete, told apart by `type`, and true."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from openapi_schema_validator import OAS31Validator

from shared.agents.catalogue import shipped_tools
from shared.api.tool_schema import OF_ANY_TOOL, tool_responses_schema
from shared.tools import catalogue
from shared.tools.contract import ErrorResponse, Tool, ToolContext, ToolResponse
from shared.tools.responses import UndeclaredResponse, responses_of, responses_schema, type_of
from shared.tools.web_fetch import WebPage
from tests.support.tools import EchoInput


class Found(ToolResponse):
    """One answer."""

    type: Literal["found"] = "found"


class Missing(ToolResponse):
    """Another."""

    type: Literal["missing"] = "missing"


class Imitation(ToolResponse):
    """One that calls itself like another."""

    type: Literal["found"] = "found"


class Anything(ToolResponse):
    """One that clients couldn't tell from others."""

    type: str = "anything"


class Search(Tool[EchoInput]):
    """A tool with two answers."""

    name = "search"
    input_model = EchoInput

    def run(self, context: ToolContext, arguments: EchoInput) -> Found | Missing:
        return Found()


class Vague(Search):
    """A tool that doesn't say."""

    name = "vague"

    def run(self, context: ToolContext, arguments: EchoInput) -> Any:
        return Found()


class Copy(Search):
    """A tool whose answer has somebody else's type."""

    name = "copy"

    def run(self, context: ToolContext, arguments: EchoInput) -> Imitation:  # type: ignore[override]
        return Imitation()


@pytest.mark.parametrize("tool", shipped_tools(), ids=lambda tool: tool.name)
def test_every_tool_says_what_it_answers(tool: type[Tool[Any]]) -> None:
    """Otherwise the error says where, and what to write."""
    for model in responses_of(tool):
        assert type_of(model)


def test_the_catalogue_has_no_tool_that_the_schema_lacks() -> None:
    """Each tool class that the catalogue knows is among the shipped ones."""
    known = [value for value in vars(catalogue).values() if isinstance(value, type) and issubclass(value, Tool)]
    assert {tool.name for tool in known if tool is not Tool} <= {tool.name for tool in shipped_tools()}
    assert shipped_tools()


def below(parent: type[ToolResponse]) -> Iterator[type[ToolResponse]]:
    for child in parent.__subclasses__():
        yield child
        yield from below(child)


def test_no_response_of_ours_is_forgotten() -> None:
    """Each response model is what some tool's `run` names, or stands in OF_ANY_TOOL in api/tool_schema.py."""
    described = {*OF_ANY_TOOL, *(model for tool in shipped_tools() for model in responses_of(tool))}
    ours = {model for model in below(ToolResponse) if model.__module__.startswith("shared.")}
    forgotten = sorted(f"{model.__module__}.{model.__qualname__}" for model in ours - described)
    assert not forgotten, (
        "Name these responses in the annotation of the `run` that returns them, or, if any call may get them, "
        f"in OF_ANY_TOOL (src/shared/api/tool_schema.py): {forgotten}"
    )


def test_real_answers_fit_and_others_do_not() -> None:
    """Exactly one schema takes each answer."""
    schema = tool_responses_schema()
    OAS31Validator.check_schema(schema)
    validator = OAS31Validator(schema)
    page = WebPage(
        url="https://example.com/", status_code=200, content_type="text/html", title="", content="", truncated=False
    )
    for answer in (page, ErrorResponse(code="timed_out", message="It took too long.")):
        assert validator.is_valid(answer.model_dump(mode="json")), answer
    for wrong in ({}, {"type": "surprise", "message": ""}, {"type": "web_page", "message": ""}):
        assert not validator.is_valid(wrong), wrong


def test_the_schema_says_which_tool_answers_what() -> None:
    """A union in the annotation is two responses; the error is everybody's."""
    schema = responses_schema([Search], [ErrorResponse])
    assert schema["x-tools"] == {"search": ["found", "missing"]}
    assert list(schema["discriminator"]["mapping"]) == ["error", "found", "missing"]


def test_a_tool_that_does_not_say_what_it_answers_is_refused() -> None:
    """With the tool's name, and what to write."""
    with pytest.raises(UndeclaredResponse, match=r"Vague answers: annotate its `run`"):
        responses_schema([Vague], [])


def test_a_type_belongs_to_one_response() -> None:
    """Two models of one type, or a model without a constant type, could not be told apart."""
    with pytest.raises(UndeclaredResponse, match="share a type"):
        responses_schema([Search, Copy], [])
    with pytest.raises(UndeclaredResponse, match=r"Anything needs a type of its own"):
        type_of(Anything)
