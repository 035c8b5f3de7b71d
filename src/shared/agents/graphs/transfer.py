"""Graphs as documents that leave a deployment and come to one: without secrets, and repaired on their way in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.registry import AnyBlock, shipped_blocks
from shared.agents.graphs.fixes import Fixed, fixed
from shared.agents.graphs.model import SECRET_FORMAT, Graph, Node
from shared.agents.graphs.pins import pins_of
from shared.agents.graphs.problem import Problem, quoted

FORMAT = "parley.agent"
VERSION = 1


@dataclass(frozen=True)
class Exported:
    """An agent as it may be given away."""

    document: dict[str, Any]
    """JSON: format, version, graph."""
    removed: list[str]
    """What was taken out, one sentence each."""


def exported(graph: Graph, blocks: Iterable[AnyBlock] | None = None) -> Exported:
    """The graph as a document. Credentials are never in graphs; the values of inputs that are secret are taken out."""
    clean, removed = without_secrets(graph, blocks)
    raw = clean.model_dump(mode="json", exclude_defaults=True)
    return Exported({"format": FORMAT, "version": VERSION, "graph": raw}, removed)


def without_secrets(graph: Graph, blocks: Iterable[AnyBlock] | None = None) -> tuple[Graph, list[str]]:
    """The graph without the values of secret inputs, and what was taken out, one sentence each."""
    known = {block.id: block for block in (shipped_blocks() if blocks is None else blocks)}
    removed: list[str] = []
    nodes = [_without_secrets(node, known, removed) for node in graph.nodes]
    return graph.model_copy(update={"nodes": nodes}), removed


def imported(document: Any, blocks: Iterable[AnyBlock] | None = None) -> Fixed:
    """The graph of such a document, or of a bare graph, after the mechanical repairs; its problems say what is left."""
    if not isinstance(document, Mapping) or "format" not in document:
        return fixed(document, blocks)
    if document["format"] != FORMAT or document.get("version") != VERSION:
        told = f"{quoted(document['format'])}, version {quoted(document.get('version'))}"
        message = f"The document is {told}; {FORMAT}, version {VERSION} can be imported."
        return Fixed(document, None, [], [Problem.at("", "unknown_format", message)])
    return fixed(document.get("graph"), blocks)


def _without_secrets(node: Node, known: Mapping[str, AnyBlock], removed: list[str]) -> Node:
    secret = [name for name in _secret_inputs(node, known.get(node.block_id)) if node.input_default.get(name)]
    for name in secret:
        removed.append(f"Took {quoted(name)} out of node {quoted(node.id)}: it is secret. Set it after the import.")
    kept = {name: value for name, value in node.input_default.items() if name not in secret}
    return node.model_copy(update={"input_default": kept}) if secret else node


def _secret_inputs(node: Node, block: AnyBlock | None) -> list[str]:
    if node.block_id == AgentInput.id:
        schema = node.input_default.get("value_schema")
        is_secret = isinstance(schema, dict) and schema.get("format") == SECRET_FORMAT
        return ["default", "value"] if is_secret else []
    if block is None:
        return []
    return [name for name, schema in pins_of(block).inputs.items() if schema.get("format") == SECRET_FORMAT]
