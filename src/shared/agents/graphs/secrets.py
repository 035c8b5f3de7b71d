"""The secrets of a graph: values that its author alone may see; no model, no service, and nobody who is given it.

An input is secret whose schema says so (`secret_schemas`). Credentials are never in a graph at all.
"""

from collections.abc import Iterable, Mapping

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.registry import AnyBlock, shipped_blocks
from shared.agents.graphs.model import Graph, Node
from shared.agents.graphs.pins import pins_of
from shared.agents.graphs.problem import quoted
from shared.agents.graphs.secret_schemas import SECRET_FORMAT, is_secret, without_values

_OF_AGENT_INPUT = ("default", "value")


def without_secrets(graph: Graph, blocks: Iterable[AnyBlock] | None = None) -> tuple[Graph, list[str]]:
    """The graph without the values of secret inputs, and what was taken out, one sentence each."""
    known = {block.id: block for block in (shipped_blocks() if blocks is None else blocks)}
    removed: list[str] = []
    nodes = [_without_secrets(node, known, removed) for node in graph.nodes]
    return graph.model_copy(update={"nodes": nodes}), removed


def with_secrets_of(graph: Graph, before: Graph, blocks: Iterable[AnyBlock] | None = None) -> Graph:
    """The graph with the secrets that it had `before` in the places where it has none now.

    Who was shown it without them, and sends it back changed, doesn't mean to take them out.
    """
    known = {block.id: block for block in (shipped_blocks() if blocks is None else blocks)}
    nodes = [_with_secrets_of(node, before.node(node.id), known) for node in graph.nodes]
    return graph.model_copy(update={"nodes": nodes})


def _without_secrets(node: Node, known: Mapping[str, AnyBlock], removed: list[str]) -> Node:
    kept = dict(node.input_default)
    for name in _secret_inputs(node, known.get(node.block_id)):
        if kept.get(name):
            del kept[name]
            removed.append(f"Took {quoted(name)} out of node {quoted(node.id)}: it is secret. Set it after the import.")
    if node.block_id == AgentInput.id and is_secret(kept.get("value_schema")):
        kept["value_schema"] = without_values(kept["value_schema"])
    return node if kept == node.input_default else node.model_copy(update={"input_default": kept})


def _with_secrets_of(node: Node, before: Node | None, known: Mapping[str, AnyBlock]) -> Node:
    if before is None or before.block_id != node.block_id:
        return node
    names = _secret_inputs(node, known.get(node.block_id))
    if any(name in node.input_default for name in names):  # there is another one now, or none is wanted
        return node
    had = {name: before.input_default[name] for name in names if before.input_default.get(name)}
    schema = before.input_default.get("value_schema")
    if is_secret(schema) and node.input_default.get("value_schema") == without_values(schema):
        had["value_schema"] = schema
    return node.model_copy(update={"input_default": {**node.input_default, **had}}) if had else node


def _secret_inputs(node: Node, block: AnyBlock | None) -> list[str]:
    if node.block_id == AgentInput.id:
        return list(_OF_AGENT_INPUT) if is_secret(node.input_default.get("value_schema")) else []
    if block is None:
        return []
    return [name for name, schema in pins_of(block).inputs.items() if schema.get("format") == SECRET_FORMAT]
