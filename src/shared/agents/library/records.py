"""Agents in their users' libraries, and the versions of their graphs.

| record        | pk                | sk                  | notes                                                    |
|---------------|-------------------|---------------------|----------------------------------------------------------|
| library agent | `LIBRARY#{user}`  | `AGENT#{id}`        | points to a graph and the version that runs              |
| version       | `GRAPH#{graph}`   | `VERSION#{6 digits}`| put once and never changed; the graph is deflated JSON   |

A library agent may point to somebody else's graph: one that was published. A version is read by whoever has a record
that names it, so the graph itself needs no second check of who owns it.
"""

import json
import zlib
from dataclasses import dataclass, replace
from typing import Any

from shared.agents.graphs.model import Graph
from shared.aws.writes import Item, Key

RECORD_VERSION = 1
MAX_STORED_BYTES = 380_000
"""Of a version's graph, deflated: an item must stay below 400 KB."""


@dataclass(frozen=True)
class LibraryAgent:
    """An agent as its user has it."""

    id: str
    user_id: str
    graph_id: str
    version: int
    """Of the graph: the one that runs."""
    name: str
    description: str
    created_at: int
    updated_at: int
    owns_graph: bool = True
    """False: it points to a published graph, and is copied before it is changed."""
    slug: str = ""
    """`username/agent-slug` of the published agent that it came from."""

    @property
    def link(self) -> str:
        """Where a person finds it in the console."""
        return f"/#agent={self.id}"

    def to_item(self) -> Item:
        """The stored form."""
        fields = {name: value for name, value in vars(self).items() if name not in {"id", "user_id"}}
        return {**library_key(self.user_id, self.id), "v": RECORD_VERSION, **fields}

    @classmethod
    def from_item(cls, item: Item) -> "LibraryAgent":
        """The record from its stored form; fields of later versions are left out."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        user_id, agent_id = str(item["pk"]).removeprefix("LIBRARY#"), str(item["sk"]).removeprefix("AGENT#")
        return cls(**{**known, "id": agent_id, "user_id": user_id})

    def at(self, version: int) -> "LibraryAgent":
        """The same, with another version that runs."""
        return replace(self, version=version)


def library_key(user_id: str, agent_id: str) -> Key:
    """Where a library agent's record is."""
    return {"pk": f"LIBRARY#{user_id}", "sk": f"AGENT#{agent_id}"}


def version_key(graph_id: str, version: int) -> Key:
    """Where a version's record is."""
    return {"pk": f"GRAPH#{graph_id}", "sk": f"VERSION#{version:06d}"}


def deflated(graph: Graph) -> bytes:
    """A graph as it is stored."""
    text = json.dumps(graph.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)
    return zlib.compress(text.encode(), level=6)


def inflated(stored: Any) -> Graph:
    """A graph from its stored form."""
    return Graph.model_validate_json(zlib.decompress(bytes(stored)))
