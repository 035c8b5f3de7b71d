"""Versions of graphs: put once, and never changed.

| record  | pk              | sk                          | notes                                                    |
|---------|-----------------|-----------------------------|----------------------------------------------------------|
| version | `GRAPH#{graph}` | `VERSION#{6 digits}`        | what a list shows                                        |
| content | `GRAPH#{graph}` | `CONTENT#{6 digits}#{part}` | the graph: deflated JSON, in parts that an item can hold |

Versions of a deleted agent get an `expires_at`: runs that have ended are shown with them.
"""

import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shared.agents.graphs.model import MAX_GRAPH_BYTES, Graph
from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Check, Item, Key, Put, Update
from shared.kernel.clock import Clock, iso, to_millis
from shared.kernel.errors import NotFound, TooLarge
from shared.kernel.limits import LONGEST_TASK_SECONDS

RECORD_VERSION = 1
PART_BYTES = 380_000
"""An item must stay below 400 KB."""
KEPT_SECONDS = 60 * 24 * 3_600
"""How long the graph of an agent is kept that is gone: its runs are stopped, and still shown."""


@dataclass(frozen=True)
class Version:
    """A version as a list shows it."""

    number: int
    name: str
    created_at: int
    nodes: int

    @classmethod
    def from_item(cls, item: Item) -> "Version":
        """The record from its stored form."""
        number = int(str(item["sk"]).removeprefix("VERSION#"))
        return cls(number, item["name"], item["created_at"], item["nodes"])

    def public(self) -> dict[str, Any]:
        """What the API shows."""
        return {
            "version": self.number,
            "name": self.name,
            "created_at": iso(self.created_at),
            "nodes": self.nodes,
        }


class GraphVersions:
    """Where they are kept."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def puts(self, graph_id: str, number: int, graph: Graph) -> list[Put]:
        """What a transaction must put for a further version, which fails if there is one of that number.

        Raises:
            TooLarge: the graph has more bytes than can be kept.
        """
        text = json.dumps(graph.to_json(), ensure_ascii=False).encode()
        if len(text) > MAX_GRAPH_BYTES:
            raise TooLarge(f"The graph is larger than {MAX_GRAPH_BYTES} bytes.", code="GRAPH_TOO_LARGE")
        stored = zlib.compress(text)
        parts = [stored[start : start + PART_BYTES] for start in range(0, len(stored), PART_BYTES)]
        head = {
            **version_key(graph_id, number),
            "v": RECORD_VERSION,
            "name": graph.name,
            "created_at": to_millis(self._clock.now()),
            "nodes": len(graph.nodes),
            "parts": len(parts),
        }
        contents = [
            Put({**_content_key(graph_id, number, index), "v": RECORD_VERSION, "part": part})
            for index, part in enumerate(parts)
        ]
        return [Put(head, condition="attribute_not_exists(#pk)"), *contents]

    def graph(self, graph_id: str, number: int) -> Graph:
        """The graph of a version.

        Raises:
            NotFound: it is gone.
        """
        values = {"pk": f"GRAPH#{graph_id}", "part": f"CONTENT#{number:06d}#"}
        parts = [item["part"] for item in self._database.query("#pk = :pk AND begins_with(#sk, :part)", values)]
        if not parts:
            raise NotFound("The agent's graph is gone.", code="GRAPH_NOT_FOUND")
        return Graph.model_validate_json(zlib.decompress(b"".join(parts)))

    def find(self, graph_id: str, number: int) -> Version | None:
        """The version, if it may still be chosen."""
        item = self._database.get(version_key(graph_id, number))
        return Version.from_item(item) if item and "expires_at" not in item else None

    def page(self, graph_id: str, limit: int, before: int) -> list[Version]:
        """Up to `limit` versions below `before`, the newest first."""
        values = {"pk": f"GRAPH#{graph_id}", "first": "VERSION#", "last": f"VERSION#{before - 1:06d}"}
        condition = "#pk = :pk AND #sk BETWEEN :first AND :last"
        items = self._database.query(condition, values, forward=False, limit=limit)
        return [Version.from_item(item) for item in items if "expires_at" not in item]

    def expire(self, graph_id: str, numbers: range | None = None) -> None:
        """Let versions go (all, or those `numbers`), when what runs them has ended. May be done again."""
        expires_at = int(self._clock.now()) + (LONGEST_TASK_SECONDS if numbers else KEPT_SECONDS)
        first, last = (numbers[0], numbers[-1]) if numbers else (0, 999_999)
        values = {"pk": f"GRAPH#{graph_id}", "first": f"VERSION#{first:06d}", "last": f"VERSION#{last:06d}"}
        for head in self._database.query("#pk = :pk AND #sk BETWEEN :first AND :last", values):
            if "expires_at" in head:
                continue
            number = Version.from_item(head).number
            # The head last: whoever does it again must find what is left.
            keys = [*(_content_key(graph_id, number, index) for index in range(head["parts"])), _key(head)]
            for key in keys:
                self._expire(key, expires_at)

    def _expire(self, key: Key, expires_at: int) -> None:
        change = Update(key, "SET #expires_at = :at", condition="attribute_exists(#pk)", values={"at": expires_at})
        with suppress(ConditionFailed):  # its time was over
            self._database.write(change)


def version_key(graph_id: str, number: int) -> Key:
    """Where a version's record is."""
    return {"pk": f"GRAPH#{graph_id}", "sk": f"VERSION#{number:06d}"}


def may_be_chosen(graph_id: str, number: int) -> Check:
    """Requires that there is such a version, and that it stays."""
    return Check(version_key(graph_id, number), "attribute_exists(#pk) AND attribute_not_exists(#expires_at)")


def _content_key(graph_id: str, number: int, index: int) -> Key:
    return {"pk": f"GRAPH#{graph_id}", "sk": f"CONTENT#{number:06d}#{index}"}


def _key(item: Item) -> Key:
    return {"pk": item["pk"], "sk": item["sk"]}
