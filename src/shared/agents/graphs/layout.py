"""A graph as it is looked at by validation: by id, by block and by input."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.agents.blocks.registry import AnyBlock
from shared.agents.graphs.model import Graph, Link, Node
from shared.agents.graphs.pins import Pins, pins_of, split_sink
from shared.agents.graphs.problem import quoted


class Layout:
    """Nodes by id (of two with one id the first), their blocks, and the links between them."""

    def __init__(self, graph: Graph, blocks: Iterable[AnyBlock]) -> None:
        self.graph = graph
        self._blocks = {block.id: block for block in blocks}
        self.nodes: dict[str, Node] = {}
        for node in graph.nodes:
            self.nodes.setdefault(node.id, node)
        self._linked: dict[str, dict[str, list[Link]]] = {}
        for link in graph.links:
            self._linked.setdefault(link.sink_id, {}).setdefault(link.sink_name, []).append(link)

    def block(self, node: Node) -> AnyBlock | None:
        """The block of a node, if there is such a block and it can be run."""
        block = self._blocks.get(node.block_id)
        return None if block is None or block.disabled else block

    def is_disabled(self, node: Node) -> bool:
        """Whether its block is known, but not run any more."""
        block = self._blocks.get(node.block_id)
        return block is not None and block.disabled

    def pins(self, node_id: str) -> Pins | None:
        """The pins of a node; None if there is no such node, or nobody knows its block."""
        node = self.nodes.get(node_id)
        block = None if node is None else self.block(node)
        return None if block is None else pins_of(block)

    def links_to(self, node_id: str) -> Mapping[str, Sequence[Link]]:
        """The links into a node by what they go to, such as `values.topic`."""
        return self._linked.get(node_id, {})

    def linked_inputs(self, node_id: str) -> set[str]:
        """The inputs that links bring, wholly or in part."""
        return {split_sink(sink_name)[0] for sink_name in self.links_to(node_id)}

    def sound_links(self) -> Iterator[Link]:
        """The links of which both nodes and both pins exist."""
        for link in self.graph.links:
            source, sink = self.pins(link.source_id), self.pins(link.sink_id)
            if source is None or sink is None:
                continue
            if link.source_name in source.outputs and sink.input_types(link.sink_name) is not None:
                yield link

    def told(self, node: Node) -> str:
        """How messages call a node."""
        block = self.block(node)
        return f"Node {quoted(node.id)} ({block.name})" if block else f"Node {quoted(node.id)}"
