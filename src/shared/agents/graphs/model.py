"""A graph: nodes, each a block with default inputs, and links that carry values between them.

How values flow is in docs/decisions/0011. What a graph must be like beyond its form is told by `validation`.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_GRAPH_BYTES = 1_000_000
"""Of a graph as JSON."""
MAX_NODES = 500
MAX_LINKS = 3_000
ERROR_PIN = "error"
"""The output that every node has besides its block's: why it failed. Only if it is linked; else the run fails."""

NodeId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
PinName = Annotated[str, Field(min_length=1, max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(_Strict):
    """One use of a block."""

    id: NodeId
    block_id: str = Field(min_length=1, max_length=100, description="The UUID of a block.")
    title: str = Field(default="", max_length=200, description="What people see; empty: the block's name.")
    input_default: dict[str, Any] = Field(
        default_factory=dict, description="Inputs that no link brings: name to JSON value."
    )
    position: dict[str, float] = Field(default_factory=dict, max_length=2, description="Where an editor shows it.")


class Link(_Strict):
    """A way of values from one node's output to another node's input."""

    source_id: NodeId
    source_name: PinName = Field(description="An output of the source's block, or `error`.")
    sink_id: NodeId
    sink_name: PinName = Field(
        description="An input of the sink's block; `values.topic` sets the field `topic` of the object `values`."
    )
    is_static: bool = Field(
        default=False, description="The first value is kept, and used for each execution of the sink."
    )


class Graph(_Strict):
    """An agent as it is built, exported and imported: JSON."""

    name: str = Field(min_length=1, max_length=100)
    description: str = Field(default="", max_length=2_000)
    nodes: list[Node] = Field(default_factory=list, max_length=MAX_NODES)
    links: list[Link] = Field(default_factory=list, max_length=MAX_LINKS)

    def to_json(self) -> dict[str, Any]:
        """As it is shown, stored and sent: without what is as it would be anyway."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def node(self, node_id: str) -> Node | None:
        """The node of that id."""
        return next((node for node in self.nodes if node.id == node_id), None)
