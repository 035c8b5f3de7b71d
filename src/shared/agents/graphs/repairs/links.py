"""Links: to nodes that are there, by the names that pins have, each once."""

from collections.abc import Collection
from typing import Any

from shared.agents.graphs.model import ERROR_PIN
from shared.agents.graphs.pins import Pins, split_sink
from shared.agents.graphs.problem import quoted
from shared.agents.graphs.repairs.blocks import Blocks
from shared.agents.graphs.repairs.form import Draft
from shared.agents.graphs.repairs.names import meant
from shared.agents.graphs.repairs.notes import Notes

_ANY_OUTPUT = frozenset({"", "output", "result", "out"})
_ANY_INPUT = frozenset({"", "input", "in"})
"""Names that say nothing but that there is one."""


def repair_links(draft: Draft, blocks: Blocks, notes: Notes) -> None:
    """Every link that is left leads from a node to a node."""
    nodes = {node["id"]: node for node in draft["nodes"]}
    kept: list[Draft] = []
    seen: set[tuple[Any, ...]] = set()
    for link in draft["links"]:
        ends = [link.get("source_id"), link.get("sink_id")]
        missing = [end for end in ends if not isinstance(end, str) or end not in nodes]
        if missing:
            notes.add(f"Left out a link from {quoted(ends[0])} to {quoted(ends[1])}: there is no such node.")
            continue
        _name_pins(link, blocks.pins(nodes[ends[0]]), blocks.pins(nodes[ends[1]]), notes)
        key = tuple(str(link.get(name)) for name in ("source_id", "source_name", "sink_id", "sink_name"))
        if key in seen:
            notes.add(f"Left out a second link from {quoted(key[0])} to {quoted(key[2])}.{quoted(key[3])}.")
            continue
        seen.add(key)
        kept.append(link)
    draft["links"] = kept


def _name_pins(link: Draft, source: Pins | None, sink: Pins | None, notes: Notes) -> None:
    if source is not None:
        _rename(link, "source_name", _output(link.get("source_name", ""), source), notes)
    if sink is None:
        return
    _rename(link, "sink_name", _input(link.get("sink_name", ""), sink), notes)
    if link.get("is_static") and split_sink(str(link.get("sink_name")))[0] in sink.gathers:
        del link["is_static"]
        notes.add(f"A link to {quoted(link['sink_id'])} is not static: its input gathers.")


def _rename(link: Draft, side: str, new: str | None, notes: Notes) -> None:
    if new is not None and new != link.get(side):
        notes.add(f"A link's {side} {quoted(link.get(side, ''))} is {quoted(new)} now.")
        link[side] = new


def _output(written: Any, pins: Pins) -> str | None:
    if not isinstance(written, str) or written in pins.outputs:
        return None
    if written in _ANY_OUTPUT:
        return _only([name for name in pins.outputs if name != ERROR_PIN])
    return meant(written, pins.outputs)


def _input(written: Any, pins: Pins) -> str | None:
    if not isinstance(written, str) or pins.input_types(written) is not None:
        return None
    if written in _ANY_INPUT:
        return _only(list(pins.inputs)) or _only([name for name in pins.inputs if name in pins.required])
    dotted = written.replace("_#_", ".").replace("_@_", ".")
    name, field = split_sink(dotted)
    pin = name if name in pins.inputs else meant(name, pins.inputs)
    new = f"{pin}.{field}" if field else pin
    return new if pin and new and pins.input_types(new) is not None else None


def _only(names: Collection[str]) -> str | None:
    return next(iter(names)) if len(names) == 1 else None
