"""The pins of a node: the inputs and outputs of its block, and which of them may be linked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from shared.agents.blocks.contract import Block
from shared.agents.blocks.registry import AnyBlock
from shared.agents.graphs.model import ERROR_PIN

Types = frozenset[str]
"""JSON types that a value may have."""
ANY: Types = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_SCALARS: Types = frozenset({"string", "integer", "number", "boolean"})
_TAKES: Mapping[str, Types] = {
    # What blocks take for it: pydantic reads "5" as 5, 1 as true and 5 as 5.0, but no number as a text.
    "string": _SCALARS,
    "integer": _SCALARS - {"string"},
    "number": _SCALARS - {"string"},
    "boolean": _SCALARS - {"string"},
}


@dataclass(frozen=True)
class Pins:
    """What a block takes and emits, each with its JSON schema."""

    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    """With `error`, which every node has."""
    required: frozenset[str]
    gathers: Mapping[str, Literal["all", "each"]]
    definitions: Mapping[str, Any]
    """What `$ref` refers to. A model that is both taken and emitted looks the same to both."""

    def output_types(self, source_name: str) -> Types | None:
        """What an output emits; None if there is none of that name."""
        schema = self.outputs.get(source_name)
        return None if schema is None else types_of(schema, self.definitions)

    def input_types(self, sink_name: str) -> Types | None:
        """What a link to `sink_name` may bring; None if nothing can be linked to it.

        `values.topic` is a field of the object `values`, if that has such fields.
        """
        name, field = split_sink(sink_name)
        schema = self.inputs.get(name)
        if schema is None:
            return None
        if field:
            return None if name in self.gathers else self._field_types(schema, field)
        if self.gathers.get(name) == "all":
            schema = _items(schema)
        return types_of(schema, self.definitions)

    def _field_types(self, schema: Mapping[str, Any], field: str) -> Types | None:
        schema = _resolved(schema, self.definitions)
        if "anyOf" in schema:
            found = [self._field_types(one, field) for one in schema["anyOf"]]
            possible = [types for types in found if types is not None]
            return frozenset().union(*possible) if possible else None
        if "object" not in types_of(schema, self.definitions):
            return None
        if field in schema.get("properties", {}):
            return types_of(schema["properties"][field], self.definitions)
        further = schema.get("additionalProperties", True)
        if further is False:
            return None
        return types_of(further, self.definitions) if isinstance(further, dict) else ANY


def pins_of(block: AnyBlock) -> Pins:
    """The pins of a node of that block."""
    return _pins(type(block))


def split_sink(sink_name: str) -> tuple[str, str]:
    """The input that a link goes to and, if it sets a field of an object, the field; else ""."""
    name, _, field = sink_name.partition(".")
    return name, field


def takes(brought: Types, taken: Types) -> bool:
    """Whether a value that is one of `brought` may be one of `taken`; False only if it never is."""
    possible = frozenset().union(*(_TAKES.get(one, {one}) for one in brought))
    return bool(possible & taken)


def types_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Types:
    """The JSON types that the schema allows."""
    schema = _resolved(schema, definitions)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return frozenset().union(*(types_of(one, definitions) for one in schema[choice]))
    if "const" in schema or "enum" in schema:
        return frozenset(type_of(value) for value in schema.get("enum", [schema.get("const")]))
    kinds = schema.get("type", ANY)
    return frozenset([kinds] if isinstance(kinds, str) else kinds)


def type_of(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    known: tuple[tuple[type, str], ...] = (
        (bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (dict, "object"),
    )  # fmt: skip
    return next((name for kind, name in known if isinstance(value, kind)), "array")


@cache
def _pins(block: type[Block[Any, Any]]) -> Pins:
    given = block.input_model.model_json_schema()
    emitted = block.output_model.model_json_schema(mode="serialization")
    return Pins(
        inputs=given.get("properties", {}),
        outputs={ERROR_PIN: {"type": "string", "description": "Why it failed."}, **emitted.get("properties", {})},
        required=frozenset(given.get("required", ())),
        gathers=dict(block.gathers),
        definitions={**emitted.get("$defs", {}), **given.get("$defs", {})},
    )


def _items(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    items = schema.get("items", {})
    return items if isinstance(items, dict) else {}


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference names."""
    reference = schema.get("$ref")
    if reference is None and len(schema.get("allOf", ())) == 1:
        return _resolved(schema["allOf"][0], definitions)
    return schema if reference is None else _resolved(definitions[reference.removeprefix("#/$defs/")], definitions)
