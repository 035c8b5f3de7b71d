"""Everything that is wrong with a graph, told at once and in a stable order."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.registry import AnyBlock, shipped_blocks
from shared.agents.graphs.flow_rules import flow_problems
from shared.agents.graphs.layout import Layout
from shared.agents.graphs.link_rules import link_problems
from shared.agents.graphs.model import MAX_GRAPH_BYTES, Graph
from shared.agents.graphs.node_rules import node_problems
from shared.agents.graphs.problem import Problem, bounded, quoted
from shared.kernel.nesting import nests_within
from shared.kernel.validating import problem_of

MAX_DEPTH = 64
"""Of lists and objects within each other."""


def problems(graph: Graph, blocks: Iterable[AnyBlock] | None = None) -> list[Problem]:
    """What is wrong: nothing, if the graph may run. `blocks` are those that there are (None: the shipped ones)."""
    parts = {"nodes": [_given(node) for node in graph.nodes], "links": [_given(link) for link in graph.links]}
    unfit = unfit_json({**_given(graph), **parts})
    if unfit:
        return [unfit]
    return bounded(_problems(Layout(graph, shipped_blocks() if blocks is None else blocks)))


def _given(part: BaseModel) -> dict[str, Any]:
    """What is as it is by default takes up no room; the values may be nested too deeply for pydantic to write."""
    return {name: getattr(part, name) for name in part.model_fields_set}


def read_graph(raw: Any) -> Graph | list[Problem]:
    """The graph that the JSON value is, or what is wrong with its form."""
    unfit = unfit_json(raw)
    if unfit:
        return [unfit]
    try:
        return Graph.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return bounded(_malformed(raw, one["loc"], problem_of(one)) for one in found)


def unfit_json(value: Any) -> Problem | None:
    """Why the value can't be a graph, whatever it says."""
    if not nests_within(value, MAX_DEPTH):
        message = f"Lists and objects are nested more than {MAX_DEPTH} deep; make it flatter."
        return Problem("too_deep", "", message)
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError):
        message = "It is no JSON: it has NaN, Infinity, halves of surrogate pairs or other things; remove them."
        return Problem("not_json", "", message)
    if size > MAX_GRAPH_BYTES:
        message = f"The graph has {size} bytes and {MAX_GRAPH_BYTES} are possible; move long texts to files."
        return Problem("too_large", "", message)
    return None


def _problems(layout: Layout) -> Iterator[Problem]:
    if not layout.graph.nodes:
        yield Problem("empty_graph", "", "The graph has no nodes; add some (get_agent_building_guide says how).")
        return
    if len(layout.graph.name.splitlines()) > 1:
        yield Problem("wrong_name", "", "The agent's name has line breaks; write it on one line.")
    yield from node_problems(layout)
    yield from link_problems(layout)
    if not any(node.block_id == AgentOutput.id for node in layout.graph.nodes):
        message = "The agent has no output: add an Agent output, and link the result to its value."
        yield Problem("no_output", "", message)
    yield from flow_problems(layout)


def _malformed(raw: Any, place: tuple[int | str, ...], what: str) -> Problem:
    where = ".".join(str(part) for part in place[:6]) or "the graph"
    node_id = _node_at(raw, place)
    return Problem.at(node_id, "malformed", f"Correct {quoted(where)}: {what}.")


def _node_at(raw: Any, place: tuple[int | str, ...]) -> str:
    """The id of the node in which the place is, if it has one."""
    nodes = raw.get("nodes") if isinstance(raw, Mapping) else None
    if not isinstance(nodes, list) or len(place) < 2 or place[0] != "nodes" or not isinstance(place[1], int):
        return ""
    node = nodes[place[1]]
    node_id = node.get("id") if isinstance(node, dict) else None
    return node_id[:64] if isinstance(node_id, str) else ""
