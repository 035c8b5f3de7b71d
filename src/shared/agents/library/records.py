"""Agents in their users' libraries.

| record        | pk                | sk           | notes                                                    |
|---------------|-------------------|--------------|----------------------------------------------------------|
| library agent | `LIBRARY#{user}`  | `AGENT#{id}` | points to a graph and the version that runs              |
| total         | `LIBRARY#{user}`  | `TOTAL`      | how many agents there are; changed together with them    |

A library agent may point to somebody else's graph: one that was published. A version (see `versions`) is read by
whoever has a record that names it, so the graph itself needs no second check of who owns it.
"""

from dataclasses import dataclass, replace
from typing import Any

from shared.aws.writes import Item, Key, Update
from shared.kernel.clock import iso

RECORD_VERSION = 1
MAX_AGENTS = 1_000
"""Of a user: lists and searches read all of them."""


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
    latest_version: int = 0
    """The highest that there is of a graph of its own; 0: the one that runs."""
    revision: int = 0
    """Rises with each change."""

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

    def public(self) -> dict[str, Any]:
        """What a list shows of it."""
        return {
            "id": self.id,
            "graph_id": self.graph_id,
            "version": self.version,
            "name": self.name,
            "description": self.description,
            "slug": self.slug or None,
            "owns_graph": self.owns_graph,
            "link": self.link,
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
        }


def library_key(user_id: str, agent_id: str) -> Key:
    """Where a library agent's record is."""
    return {"pk": f"LIBRARY#{user_id}", "sk": f"AGENT#{agent_id}"}


def one_more(user_id: str) -> Update:
    """Counts a new agent, if there may be one."""
    return Update(
        {"pk": f"LIBRARY#{user_id}", "sk": "TOTAL"},
        "SET #v = :v ADD #agents :one",
        condition="attribute_not_exists(#agents) OR #agents < :most",
        values={"v": RECORD_VERSION, "one": 1, "most": MAX_AGENTS},
    )


def one_less(user_id: str) -> Update:
    """Counts one that is deleted."""
    return Update({"pk": f"LIBRARY#{user_id}", "sk": "TOTAL"}, "ADD #agents :less", values={"less": -1})
