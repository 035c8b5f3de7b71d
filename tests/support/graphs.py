"""Graphs, written shortly."""

from typing import Any

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.library.text_template import TextTemplate
from shared.agents.graphs.model import Graph, Link, Node


def node(node_id: str, block: Any, **input_default: Any) -> Node:
    """A node of a block, or of a block's id."""
    return Node(id=node_id, block_id=block if isinstance(block, str) else block.id, input_default=input_default)


def link(written: str) -> Link:
    """`a.text > b.values.topic`; with `=>` a static one."""
    source, sink = (part.strip() for part in written.replace("=>", ">").split(">"))
    (source_id, source_name), (sink_id, sink_name) = source.split(".", 1), sink.split(".", 1)
    names = {"source_id": source_id, "source_name": source_name, "sink_id": sink_id, "sink_name": sink_name}
    return Link(**names, is_static="=>" in written)


def graph(*nodes: Node, links: str = "") -> Graph:
    """A graph; `links` one a line."""
    return Graph(name="Test", nodes=list(nodes), links=[link(one) for one in links.splitlines() if one.strip()])


def greeting() -> Graph:
    """Asks for a name, and greets."""
    return graph(
        node("who", AgentInput, name="who", value_schema={"type": "string"}),
        node("greet", TextTemplate, template="Hello {{ who }}!"),
        node("out", AgentOutput, name="greeting"),
        links="""
        who.value > greet.values.who
        greet.text > out.value
        """,
    )
