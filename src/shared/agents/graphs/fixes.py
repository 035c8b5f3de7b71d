"""Repairs what can be repaired without guessing what its author meant, and says what it did."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.agents.blocks.registry import AnyBlock, shipped_blocks
from shared.agents.blocks.rules.json_text import read_json
from shared.agents.graphs.model import MAX_GRAPH_BYTES, MAX_LINKS, MAX_NODES, Graph
from shared.agents.graphs.problem import Problem
from shared.agents.graphs.repairs.blocks import Blocks, repair_blocks
from shared.agents.graphs.repairs.form import repair_form
from shared.agents.graphs.repairs.ids import repair_ids
from shared.agents.graphs.repairs.links import repair_links
from shared.agents.graphs.repairs.notes import Notes
from shared.agents.graphs.validation import problems, read_graph, unfit_json

_FAR_TOO_MANY = 3
"""Times what a graph may have: no repair makes that fit."""


@dataclass(frozen=True)
class Fixed:
    """A graph after the repairs, repaired once more it stays as it is."""

    raw: Any
    """As JSON, even if it is no graph yet."""
    graph: Graph | None
    """None: the form is still wrong."""
    applied: list[str]
    """What was done, one sentence each."""
    problems: list[Problem]
    """What is left; none: it may be saved and run."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.graph is not None and not self.problems


def fixed(raw: Any, blocks: Iterable[AnyBlock] | None = None) -> Fixed:
    """Repair a graph as a model or another program has written it; a text is read as JSON. Never raises."""
    known = list(shipped_blocks() if blocks is None else blocks)
    notes = Notes()
    value = _read(raw, notes)
    unfit = unfit_json(value)
    if unfit:
        return Fixed(raw, None, [], [unfit])
    if isinstance(value, dict) and not _is_huge(value):
        value = json.loads(json.dumps(value))  # what was given stays as it is
        value = repair_form(value, notes)
        if not _is_huge(value):
            repair_ids(value, notes)
            named = Blocks(known)
            repair_blocks(value, named, notes)
            repair_links(value, named, notes)
    graph = read_graph(value)
    if isinstance(graph, Graph):
        return Fixed(value, graph, notes.all(), problems(graph, known))
    return Fixed(value, None, notes.all(), graph)


def _read(raw: Any, notes: Notes) -> Any:
    """JSON that was given as a text, perhaps in a code fence."""
    if not isinstance(raw, str) or len(raw) > MAX_GRAPH_BYTES:
        return raw
    text = raw.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.removesuffix("```").partition("\n")[2]
    try:
        value = read_json(text)
    except ValueError:
        return raw
    notes.add("Read the graph from a text.")
    return value


def _is_huge(value: dict[str, Any]) -> bool:
    nodes, links = value.get("nodes"), value.get("links")
    too_many_nodes = isinstance(nodes, list | dict) and len(nodes) > _FAR_TOO_MANY * MAX_NODES
    return too_many_nodes or (isinstance(links, list | dict) and len(links) > _FAR_TOO_MANY * MAX_LINKS)
