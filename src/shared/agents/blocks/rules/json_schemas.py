"""The part of JSON Schema in which answers of models are described: no references and no patterns.

A schema may be hostile. Without `$ref` it can't grow while it is read, and without `pattern` it can't keep a
regular expression busy; so checking takes a time in proportion to schema and value.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.kernel.errors import ToolError

MAX_PARTS = 1_000
MOST_WORK = 2_000_000
"""Parts of a schema times parts of a value that are compared at most: about a second."""
_MAX_DEPTH = 20
_MOST_PROBLEMS = 10
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAMPLES: Mapping[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "null": None, "array": []}
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SAID = ("title", "description", "default", "examples", "$schema", "$id", "format")
_SHAPES = ("type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf")
_KNOWN = frozenset({*_SHAPES, *_COUNTS, *_NUMBERS, *_SAID})


def require_schema(schema: Any) -> None:
    """Refuse what is not a schema, or uses what isn't supported.

    Raises:
        ToolError: `schema_invalid`, with the place.
    """
    for parts, (place, problem) in enumerate(_flaws(schema, "$", _MAX_DEPTH)):
        if problem:
            raise ToolError(f"The schema can't be used: {place} {problem}.", code="schema_invalid")
        if parts >= MAX_PARTS:
            raise ToolError(f"The schema has more than {MAX_PARTS} parts.", code="schema_invalid")


def problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with the value, the first ten; the schema is a sound one."""
    if work(schema, value) > MOST_WORK:
        return ["$ is too large to be compared with its schema"]
    found: list[str] = []
    for problem in _problems(schema, value, "$"):
        found.append(problem)
        if len(found) == _MOST_PROBLEMS:
            break
    return found


def work(schema: Mapping[str, Any], value: Any) -> int:
    """How much there is to compare: in the worst case each part of the one with each of the other."""
    return _size(schema) * _size(value)


def _size(value: Any) -> int:
    size, ahead = 0, [value]
    while ahead:
        one = ahead.pop()
        size += 1
        if isinstance(one, dict | list):
            ahead.extend(one.values() if isinstance(one, dict) else one)
    return size


def sample(schema: Mapping[str, Any]) -> Any:
    """A value of the schema's form, though not within its bounds."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("anyOf"):
        return sample(schema["anyOf"][0])
    kind = _kinds(schema)[0] if "type" in schema else "object"
    if kind != "object":
        return _SAMPLES[kind]
    return {name: sample(part) for name, part in schema.get("properties", {}).items()}


def _flaws(schema: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each part's place, and what is wrong there, "" if nothing is."""
    if not isinstance(schema, dict):
        yield place, "is not an object"
        return
    if depth == 0:
        yield place, f"is deeper than {_MAX_DEPTH}"
        return
    unknown = sorted(str(keyword) for keyword in schema.keys() - _KNOWN)
    yield place, f"has {', '.join(unknown[:5])}; known are {', '.join(sorted(_KNOWN))}" if unknown else ""
    yield from ((place, problem) for problem in _malformed(schema))
    for name, part in _parts(schema):
        yield from _flaws(part, f"{place}.{name}", depth - 1)


def _malformed(schema: Mapping[str, Any]) -> Iterator[str]:
    kinds = _kinds(schema) if "type" in schema else ["object"]
    if not kinds or any(not isinstance(kind, str) or kind not in _TYPES for kind in kinds):
        yield f"has a type that is none of {', '.join(_TYPES)}"
    wanted: Mapping[str, tuple[type, ...]] = {
        "properties": (dict,), "required": (list,), "additionalProperties": (bool,), "items": (dict,),
        "enum": (list,), "anyOf": (list,),
        **dict.fromkeys(_COUNTS, (int,)), **dict.fromkeys(_NUMBERS, (int, float)),
    }  # fmt: skip
    for keyword, types in wanted.items():
        if keyword in schema and not isinstance(schema[keyword], types):
            yield f"has a `{keyword}` of the wrong type"
    required = schema.get("required")
    if isinstance(required, list) and any(not isinstance(name, str) for name in required):
        yield "has a `required` that is no list of names"


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(schema.get("properties"), dict):
        yield from schema["properties"].items()
    if "items" in schema:
        yield "items", schema["items"]
    if isinstance(schema.get("anyOf"), list):
        yield from ((f"anyOf[{number}]", part) for number, part in enumerate(schema["anyOf"]))


def _kinds(schema: Mapping[str, Any]) -> list[Any]:
    kinds = schema["type"]
    return kinds if isinstance(kinds, list) else [kinds]


def _problems(schema: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
    if "type" in schema and not any(_is(value, kind) for kind in _kinds(schema)):
        yield f"{place} must be {' or '.join(_kinds(schema))}"
        return
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        yield f"{place} must be one of {schema['enum']!r:.200}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{place} must be {schema['const']!r:.200}"
    if "anyOf" in schema and all(any(_problems(one, value, place)) for one in schema["anyOf"]):
        yield f"{place} fits nothing of anyOf"
    if isinstance(value, dict):
        yield from _of_object(schema, value, place)
    elif isinstance(value, list):
        yield from _of_length(schema, len(value), place, "minItems", "maxItems")
        if "items" in schema:
            for number, one in enumerate(value):
                yield from _problems(schema["items"], one, f"{place}[{number}]")
    elif isinstance(value, str):
        yield from _of_length(schema, len(value), place, "minLength", "maxLength")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _of_number(schema, value, place)


def _of_object(schema: Mapping[str, Any], value: Mapping[str, Any], place: str) -> Iterator[str]:
    named = schema.get("properties", {})
    yield from (f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, one in value.items():
        if name in named:
            yield from _problems(named[name], one, f"{place}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{place}.{name} is not in the schema"


def _of_length(schema: Mapping[str, Any], length: int, place: str, least: str, most: str) -> Iterator[str]:
    if length < schema.get(least, 0):
        yield f"{place} is shorter than {schema[least]}"
    if most in schema and length > schema[most]:
        yield f"{place} is longer than {schema[most]}"


def _of_number(schema: Mapping[str, Any], value: float, place: str) -> Iterator[str]:
    too_small = value < schema.get("minimum", value) or (
        "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]
    )
    too_large = value > schema.get("maximum", value) or (
        "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]
    )
    if too_small or too_large:
        yield f"{place} is too {'small' if too_small else 'large'}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _same(value: Any, other: Any) -> bool:
    """1 and true are two values in JSON."""
    return isinstance(value, bool) is isinstance(other, bool) and bool(value == other)
