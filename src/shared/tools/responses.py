"""What tools answer, as one JSON schema for those who show it.

Which models a tool answers with is told by its `run` (or `work`): by the annotation, which the type checker holds
it to. So there is no second list that could be forgotten.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Union

from pydantic import TypeAdapter

from shared.tasks.wait import Wait
from shared.tools.contract import ErrorResponse, Tool, ToolResponse
from shared.tools.long_running import HandedOff, LongRunningTool

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class UndeclaredResponse(TypeError):
    """A tool, or a response, doesn't say what clients have to know."""


def shipped_tools() -> list[type[Tool[Any]]]:
    """The class of each tool that Parley ships, also of those that this deployment doesn't offer.

    Rooms above this one bring theirs by being imported: `agents.catalogue` has all of them.
    """
    from shared.tools import catalogue  # noqa: F401 - knows, and so brings, every tool

    found: dict[str, type[Tool[Any]]] = {}
    for tool in _below(Tool):
        is_a_tool = hasattr(tool, "name") and not inspect.isabstract(tool)  # bases of several have no name
        if is_a_tool and tool.__module__.startswith("shared."):
            found.setdefault(tool.name, tool)
    return [found[name] for name in sorted(found)]


def _below(parent: type[Any]) -> Iterator[type[Any]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)


def responses_of(tool: type[Tool[Any]]) -> tuple[type[ToolResponse], ...]:
    """The models that the tool answers with when it doesn't fail.

    Raises:
        UndeclaredResponse: its `run` or `work` doesn't name them.
    """
    models: dict[type[ToolResponse], None] = {}
    for doing in _answering(tool):
        models |= dict.fromkeys(_named_by(doing, f"{tool.__module__}.{tool.__qualname__}"))
    return tuple(models)


def _answering(tool: type[Tool[Any]]) -> Iterator[Callable[..., Any]]:
    """The methods whose answers are the tool's."""
    if not issubclass(tool, LongRunningTool):
        yield tool.run
        return
    yield tool.work
    if tool.run is not LongRunningTool.run:
        yield tool.run


def _named_by(doing: Callable[..., Any], tool: str) -> Iterator[type[ToolResponse]]:
    annotation = typing.get_type_hints(doing).get("return")
    is_union = typing.get_origin(annotation) in {Union, types.UnionType}
    for model in typing.get_args(annotation) if is_union else (annotation,):
        if model in {Wait, HandedOff, ErrorResponse}:
            continue
        if not (inspect.isclass(model) and issubclass(model, ToolResponse) and model is not ToolResponse):
            raise UndeclaredResponse(
                f"Clients can't know what {tool} answers: annotate its `{doing.__name__}` with the response "
                f"models that it returns (`-> Found` or `-> Found | NotThere`), not with {annotation}."
            )
        yield model


def type_of(model: type[ToolResponse]) -> str:
    """The `type` by which clients tell the response from others.

    Raises:
        UndeclaredResponse: it is not a constant.
    """
    values = typing.get_args(model.model_fields["type"].annotation)
    if len(values) != 1 or model.model_fields["type"].default != values[0]:
        raise UndeclaredResponse(
            f"{model.__module__}.{model.__qualname__} needs a type of its own: "
            '`type: Literal["its_name"] = "its_name"`.'
        )
    return str(values[0])


def responses_schema(tools: Iterable[type[Tool[Any]]], of_any_tool: Iterable[type[ToolResponse]]) -> dict[str, Any]:
    """All responses, told apart by `type`; `x-tools` says which tool answers with which.

    `of_any_tool` are those that a call may get whatever the tool, such as the error.

    Raises:
        UndeclaredResponse: a tool or a model doesn't say enough, or two models share a type.
    """
    answers = {tool.name: responses_of(tool) for tool in tools}
    models: dict[str, type[ToolResponse]] = {}
    for model in (*of_any_tool, *(model for group in answers.values() for model in group)):
        if models.setdefault(type_of(model), model) is not model:
            raise UndeclaredResponse(f"{model.__qualname__} and {models[type_of(model)].__qualname__} share a type.")
    definitions: dict[str, Any] = {}
    for model in models.values():
        schema = TypeAdapter(model).json_schema(mode="serialization", ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = schema
    references = {name: f"#/$defs/{model.__name__}" for name, model in models.items()}
    return {
        "$schema": _DIALECT,
        "title": "Tool responses",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
        "x-tools": {name: [type_of(model) for model in group] for name, group in answers.items()},
        "$defs": definitions,
    }
