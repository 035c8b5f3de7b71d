"""The schemas in which answers of models are described."""

from typing import Any

import pytest

from shared.agents.blocks.rules.json_schemas import problems, require_schema, sample
from shared.kernel.errors import ToolError

BOOK = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 10},
        "year": {"type": ["integer", "null"], "minimum": 1450, "exclusiveMaximum": 2100},
        "tags": {"type": "array", "items": {"enum": ["old", "new"]}, "minItems": 1, "maxItems": 2},
        "id": {"anyOf": [{"type": "integer"}, {"const": "none"}]},
    },
    "required": ["title"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {"title": "Emma"},
        {"title": "Emma", "year": 1815, "tags": ["old"], "id": 7},
        {"title": "Emma", "year": None, "id": "none"},
        {"title": "Emma", "year": 1815.0},
    ],
)
def test_what_fits(value: Any) -> None:
    """Nothing is wrong with it."""
    require_schema(BOOK)
    assert problems(BOOK, value) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "$ must be object"),
        ({}, "$.title is missing"),
        ({"title": ""}, "$.title is shorter than 1"),
        ({"title": "x" * 11}, "$.title is longer than 10"),
        ({"title": "x", "year": 1400}, "$.year is too small"),
        ({"title": "x", "year": 2100}, "$.year is too large"),
        ({"title": "x", "year": True}, "$.year must be integer or null"),
        ({"title": "x", "tags": []}, "$.tags is shorter than 1"),
        ({"title": "x", "tags": ["blue"]}, "$.tags[0] must be one of ['old', 'new']"),
        ({"title": "x", "id": "other"}, "$.id fits nothing of anyOf"),
        ({"title": "x", "more": 1}, "$.more is not in the schema"),
    ],
)
def test_what_does_not_fit(value: Any, problem: str) -> None:
    """With the place, in words that a model can act on."""
    assert problems(BOOK, value) == [problem]


def test_true_is_not_one() -> None:
    """Whatever Python thinks."""
    assert problems({"enum": [1]}, True)
    assert problems({"const": False}, 0)
    assert not problems({"type": "boolean"}, True)


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"$ref": "#"},
        {"type": "string", "pattern": "(a+)+$"},
        {"allOf": [{}]},
        {"type": "text"},
        {"type": []},
        {"type": [{}]},
        {"properties": []},
        {"properties": {"a": 1}},
        {"properties": {"a": {"items": {"anyOf": [{"$ref": "https://example.com"}]}}}},
        {"minLength": "1"},
        {"properties": {f"p{n}": {} for n in range(1_001)}},
    ],
)
def test_what_is_not_supported_is_refused(schema: Any) -> None:
    """References and patterns among it, by which a schema could keep us busy."""
    with pytest.raises(ToolError, match="schema"):
        require_schema(schema)


def test_a_schema_has_a_depth() -> None:
    """Twenty levels are enough for anybody."""
    schema: dict[str, Any] = {}
    for _ in range(5_000):
        schema = {"items": schema}
    with pytest.raises(ToolError, match="deeper"):
        require_schema(schema)


def test_a_sample_has_the_form() -> None:
    """For dry runs."""
    assert sample(BOOK) == {"title": "", "year": 0, "tags": [], "id": 0}
    assert (sample({"enum": ["a"]}), sample({"const": 2}), sample({})) == ("a", 2, {})


def test_what_would_take_too_long_is_refused() -> None:
    """Each part of a schema may have to be compared with each of the value."""
    assert problems({"items": {"enum": list(range(2_000))}}, [-1] * 2_000) == [
        "$ is too large to be compared with its schema"
    ]
    assert len(problems({"items": {"enum": list(range(200))}}, [-1] * 2_000)) == 10
