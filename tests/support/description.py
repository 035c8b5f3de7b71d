"""What the API says of itself, held against what it does."""

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi.testclient import TestClient
from openapi_schema_validator import OAS31Validator

from shared.api.application import Application


class Description:
    """An OpenAPI document that can judge."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Method, path and operation of each route."""
        paths = self.document["paths"].items()
        return [(method.upper(), path, operation) for path, methods in paths for method, operation in methods.items()]

    def problems_with(self, schema: dict[str, Any], value: Any) -> list[str]:
        """Where `value` doesn't fit, in words."""
        validator = OAS31Validator({**schema, "components": self.document["components"]})
        return [f"{'.'.join(str(p) for p in error.path)}: {error.message}" for error in validator.iter_errors(value)]

    def check(self, answer: httpx.Response) -> None:
        """Refuse an answer that the description doesn't foresee: its status, its code, or its fields."""
        method, path = answer.request.method, urlsplit(str(answer.request.url)).path
        operation = self._operation(method, path)
        if operation is None or answer.status_code == 405:
            return
        what = f"{method} {path} answered {answer.status_code}"
        described = operation["responses"].get(str(answer.status_code))
        assert described is not None, f"{what}, which src/shared/api/openapi/routes.py doesn't say: {answer.text[:500]}"
        kinds = described.get("content", {})
        if not kinds:
            assert answer.content == b"", f"{what} with a body"
            return
        kind = answer.headers["content-type"].split(";")[0]
        assert kind in kinds, f"{what} as {kind}, which src/shared/api/openapi/routes.py doesn't say"
        if kind == "application/json":
            self._check_json(kinds[kind], answer.json(), what)

    def _check_json(self, described: dict[str, Any], value: Any, what: str) -> None:
        wrong = self.problems_with(described["schema"], value)
        assert not wrong, f"{what}, and src/shared/api/openapi/answers.py says otherwise: {wrong}"
        extra = self._undescribed(described["schema"], value)
        assert not extra, f"{what} with fields that src/shared/api/openapi/answers.py doesn't say: {extra}"
        codes = described["examples"].keys()
        if "code" in value:
            assert value["code"] in codes, (
                f"{what} with code {value['code']}: name it in src/shared/api/openapi/routes.py (and problems.py); "
                f"described are {sorted(codes)}"
            )

    def _undescribed(self, schema: dict[str, Any], value: Any, where: str = "") -> list[str]:
        """Fields of `value` that no schema names."""
        schema = self._resolved(schema, value)
        if isinstance(value, list) and "items" in schema:
            return [name for item in value for name in self._undescribed(schema["items"], item, f"{where}[]")]
        if not isinstance(value, dict) or "properties" not in schema:
            return []
        known = schema["properties"]
        extra = [f"{where}.{name}" for name in value if name not in known]
        inner = [self._undescribed(known[name], value[name], f"{where}.{name}") for name in value if name in known]
        return extra + [name for names in inner for name in names]

    def _resolved(self, schema: dict[str, Any], value: Any) -> dict[str, Any]:
        for option in schema.get("anyOf", ()):
            if not self.problems_with(option, value):
                return self._resolved(option, value)
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return self._resolved(self.document["components"]["schemas"][name], value)
        return schema

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        segments = path.split("/")
        for known_method, template, operation in self.operations():
            pattern = template.split("/")
            same = len(pattern) == len(segments) and all(
                one.startswith("{") or one == other for one, other in zip(pattern, segments, strict=True)
            )
            if same and known_method == method:
                return operation
        return None


_known: dict[frozenset[str], Description] = {}


def _description_of(app: Application) -> Description:
    """Put together once for each set of routes: it takes about a second."""
    routes = frozenset(f"{getattr(route, 'methods', '')}{getattr(route, 'path', '')}" for route in app.routes)
    if routes not in _known:
        _known[routes] = Description(app.openapi())
    return _known[routes]


def held_to_description(client: TestClient) -> TestClient:
    """The client, refusing every answer that the description doesn't foresee."""
    assert isinstance(client.app, Application)
    description = _description_of(client.app)

    def check(answer: httpx.Response) -> None:
        answer.read()
        description.check(answer)

    client.event_hooks = {"request": [], "response": [check]}
    return client


def event_parts(text: str) -> list[dict[str, Any]]:
    """The parts in an event stream."""
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
