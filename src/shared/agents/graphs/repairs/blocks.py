"""Blocks that are named by their names, and defaults that are written a little differently."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.registry import AnyBlock
from shared.agents.blocks.rules.json_text import read_json
from shared.agents.graphs.pins import Pins, Types, pins_of, split_sink, type_of, types_of
from shared.agents.graphs.problem import quoted
from shared.agents.graphs.repairs.form import Draft
from shared.agents.graphs.repairs.names import meant, plain
from shared.agents.graphs.repairs.notes import Notes

_WHOLE = re.compile(r"-?\d{1,15}")
_JSON_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_OF_OTHERS = ("title", "advanced", "required", "type", "secret")
"""What other formats say of an agent's input."""


class Blocks:
    """The blocks that there are, by whatever they may be called."""

    def __init__(self, blocks: Iterable[AnyBlock]) -> None:
        self._by_id = {block.id: block for block in blocks}
        self._by_name: dict[str, AnyBlock] = {}
        for block in self._by_id.values():
            for name in (block.id, block.name, type(block).__name__):
                self._by_name.setdefault(plain(name), block)

    def get(self, block_id: object) -> AnyBlock | None:
        """The block of that very id."""
        return self._by_id.get(block_id) if isinstance(block_id, str) else None

    def meant(self, written: object) -> AnyBlock | None:
        """The block of that id or name, however it is written; `TextTemplateBlock` too."""
        if not isinstance(written, str):
            return None
        name = plain(written[:200])
        return self._by_name.get(name) or self._by_name.get(name.removesuffix("block"))

    def pins(self, node: Draft | None) -> Pins | None:
        """The pins of a node whose block is known."""
        block = None if node is None else self.get(node.get("block_id"))
        return None if block is None else pins_of(block)


def repair_blocks(draft: Draft, blocks: Blocks, notes: Notes) -> None:
    """Every node names its block by id, and its defaults are as the block has them."""
    for node in draft["nodes"]:
        written = node.get("block_id")
        block = blocks.get(written) or blocks.meant(written)
        if block is not None and block.id != written:
            node["block_id"] = block.id
            notes.add(f"The block {quoted(written)} is {block.name}, {block.id}.")
        _object(node, notes)
        if block is not None and isinstance(node.get("input_default"), dict):
            _Defaults(node, pins_of(block), notes).repair()
    _name_interface(draft["nodes"], notes)


def _object(node: Draft, notes: Notes) -> None:
    """Defaults are an object, which may have been written as a text."""
    given = node.get("input_default", {})
    if isinstance(given, str):
        given = _parsed(given)
    if given is None or given == [] or given == "":
        given = {}
    if isinstance(given, dict) and given != node.get("input_default", {}):
        node["input_default"] = given
        notes.add(f"Made the input_default of {quoted(node['id'])} an object.")


class _Defaults:
    """The defaults of one node."""

    def __init__(self, node: Draft, pins: Pins, notes: Notes) -> None:
        self._node = node
        self._pins = pins
        self._notes = notes
        self._values: Draft = node["input_default"]

    def repair(self) -> None:
        if self._node["block_id"] == AgentInput.id:
            self._of_others()
        for name in list(self._values):
            if name not in self._pins.inputs:
                self._rename(name)
        for name, value in list(self._values.items()):
            if name in self._pins.inputs:
                self._convert(name, value)

    def _note(self, sentence: str) -> None:
        self._notes.add(f"In {quoted(self._node['id'])} {sentence}")

    def _of_others(self) -> None:
        """What other formats say of an input is said by its schema and its default."""
        said = {name: self._values[name] for name in _OF_OTHERS if name in self._values}
        if not said:
            return
        schema = self._values.get("value_schema", {})
        schema = dict(schema) if isinstance(schema, dict) else {}
        if _is_json_type(said.get("type")):
            schema.setdefault("type", said["type"])
        if said.get("secret") is True:
            schema.setdefault("format", "password")
        if schema:
            self._values["value_schema"] = schema
        if said.get("required") is False:
            self._values.setdefault("default", None)
        if isinstance(said.get("title"), str):
            self._values.setdefault("description", said["title"][:1_000])
        for name in said:
            del self._values[name]
        self._note(f"{', '.join(said)} became a part of value_schema, default and description, or went.")

    def _rename(self, name: str) -> None:
        dotted = name.replace("_#_", ".").replace("_@_", ".")
        pin, field = split_sink(dotted)
        if field and "." not in field and self._pins.input_types(dotted) is not None:
            whole = self._values.setdefault(pin, {})
            if isinstance(whole, dict) and field not in whole:
                whole[field] = self._values.pop(name)
                self._note(f"{quoted(name)} is the field {quoted(field)} of {quoted(pin)} now.")
            return
        other = meant(name, self._pins.inputs)
        if other is not None and other not in self._values:
            self._values[other] = self._values.pop(name)
            self._note(f"the input {quoted(name)} is {quoted(other)} now.")
        elif self._values[name] in (None, "", [], {}):
            del self._values[name]
            self._note(f"the empty value of {quoted(name)} went: there is no such input.")

    def _convert(self, name: str, value: Any) -> None:
        schema = self._pins.inputs[name]
        types = types_of(schema, self._pins.definitions)
        if value is None and "null" not in types:
            del self._values[name]
            self._note(f"{quoted(name)} was null, which it can't be, and went.")
            return
        new = _of_enum(value, schema) if "enum" in schema else converted(value, types)
        if new is not None:
            self._values[name] = new
            self._note(f"{quoted(name)} was {type_of(value)} {quoted(value)} and is {type_of(new)} {quoted(new)} now.")


def converted(value: Any, types: Types) -> Any:
    """The same value as one of the types, if it was written as another; else None."""
    kind = type_of(value)
    if kind in types or (kind == "integer" and "number" in types):
        return None
    if isinstance(value, str):
        return _from_text(value.strip(), types)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 and "integer" in types:
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and "string" in types:
        return str(value)
    return None


def _from_text(text: str, types: Types) -> Any:
    if types & {"integer", "number"} and _WHOLE.fullmatch(text):
        return int(text)
    if "number" in types:
        try:
            number = float(text)
        except ValueError:
            number = math.inf
        if math.isfinite(number):
            return number
    if "boolean" in types and text.casefold() in {"true", "false"}:
        return text.casefold() == "true"
    value = _parsed(text)
    return value if isinstance(value, dict | list) and type_of(value) in types else None


def _of_enum(value: Any, schema: Mapping[str, Any]) -> str | None:
    """The choice that is written in another case."""
    if not isinstance(value, str) or value in schema["enum"]:
        return None
    found = [one for one in schema["enum"] if isinstance(one, str) and one.casefold() == value.strip().casefold()]
    return found[0] if len(found) == 1 else None


def _parsed(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return None


def _name_interface(nodes: list[Draft], notes: Notes) -> None:
    """Agent inputs and outputs without a name get their title's, or a plain one that is free."""
    for block_id, fallback in ((AgentInput.id, "Input"), (AgentOutput.id, "Output")):
        mine = [
            node
            for node in nodes
            if node.get("block_id") == block_id and isinstance(node.get("input_default", {}), dict)
        ]
        used = {str(node.get("input_default", {}).get("name")) for node in mine}
        for node in mine:
            defaults = node.setdefault("input_default", {})
            name = defaults.get("name")
            if isinstance(name, str) and name:
                continue
            wanted = (node.get("title") or fallback)[:80]
            new, number = wanted, 2
            while new in used:
                new, number = f"{wanted} {number}", number + 1
            used.add(new)
            defaults["name"] = new
            notes.add(f"Named the {fallback.lower()} of {quoted(node['id'])} {quoted(new)}.")


def _is_json_type(said: Any) -> bool:
    """Whether a schema may have it as its `type`: one, or a list of them."""
    kinds = said if isinstance(said, list) else [said]
    return bool(kinds) and all(isinstance(kind, str) and kind in _JSON_TYPES for kind in kinds)
