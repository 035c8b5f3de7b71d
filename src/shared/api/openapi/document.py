"""Puts the description together: FastAPI knows the routes and their parameters, `ROUTES` knows the rest."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.api.openapi import answers, examples
from shared.api.openapi.problems import OF_EVERY_ROUTE, OF_SIGNED_IN_ROUTES, PROBLEMS
from shared.api.openapi.route import Answer, Body, Route
from shared.api.openapi.routes import ROUTES

_COMPONENTS = "#/components/schemas/{model}"
_SUMMARY = "A copilot: chat turns that always end, once, and say how. docs/protocol.md is the prose to this."
_STREAM_HEADERS = {
    "x-workflow-run-id": {"description": "the turn's task", "schema": {"type": "string"}},
    "x-workflow-stream-tail-index": {
        "description": "of /api/chat/tasks/{task_id}/stream: index of the last stored part",
        "schema": {"type": "string"},
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`."""
    document = get_openapi(title=app.title, version=app.version, description=_SUMMARY, routes=app.routes)
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for method, path, operation in operations:
        route = ROUTES.get((method, path))
        if route:
            _describe_operation(operation, route)
    document["components"] = {
        "schemas": _schemas(),
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        },
    }
    return document


def _describe_operation(operation: dict[str, Any], route: Route) -> None:
    # Token and key are security schemes, not parameters.
    given = [p for p in operation.get("parameters", []) if p["name"] not in {"authorization", "x-api-key"}]
    operation["parameters"] = [{**p, "example": examples.PARAMETERS[p["name"]]} for p in given]
    if route.signed_in:
        operation["security"] = [{"bearer": []}]
    if route.has_key:
        operation["security"] = [{"apiKey": []}, {}]  # a signed address needs none
    if route.body:
        operation["requestBody"] = _request(route.body)
    operation["responses"] = {
        **{str(status): _response(answer) for status, answer in route.answers.items()},
        **_problems(route),
    }


def _request(body: Body) -> dict[str, Any]:
    references = [_reference(model) for model in body.models]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    return {
        "required": body.required,
        "description": "Parsed as JSON, whatever its content type says.",
        "content": {"application/json": {"schema": schema, "examples": _named(body.examples)}},
    }


def _response(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.says}
    if answer.model or answer.schema:
        schema = _reference(answer.model) if answer.model else dict(answer.schema or {})
        examples_ = _named({"example": answer.example})
        described["content"] = {"application/json": {"schema": schema, "examples": examples_}}
    elif answer.events:
        content = {"schema": {"type": "string"}, "examples": _named(answer.events)}
        described |= {"content": {"text/event-stream": content}, "headers": _STREAM_HEADERS}
    return described


def _problems(route: Route) -> dict[str, Any]:
    codes = [*route.problems, *OF_EVERY_ROUTE, *(OF_SIGNED_IN_ROUTES if route.signed_in else ())]
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(route.other_status.get(code, PROBLEMS[code].status), []).append(code)
    return {
        str(status): {
            "description": "Code " + " or ".join(f"`{code}`" for code in group) + ".",
            "content": {
                "application/json": {
                    "schema": _reference(answers.Problem),
                    "examples": _named({code: PROBLEMS[code].example(code) for code in group}),
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def _named(values: Any) -> dict[str, Any]:
    """Examples under keys that OpenAPI allows."""
    return {re.sub(r"[^\w.-]", "-", name): {"summary": name, "value": value} for name, value in values.items()}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _COMPONENTS.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    taken = [model for route in ROUTES.values() if route.body for model in route.body.models]
    given: list[type[BaseModel]] = [answers.Problem]
    given += [answer.model for route in ROUTES.values() for answer in route.answers.values() if answer.model]
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in taken]
    modes += [(model, "serialization") for model in given]
    _, schemas = models_json_schema(list(dict.fromkeys(modes)), ref_template=_COMPONENTS)
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions
