"""The agents that a new one may be built from: those that were named, or those that fit what is wanted."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from shared.agents.graphs.model import Graph
from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace
from shared.agents.library.records import LibraryAgent
from shared.kernel.errors import NotFound

MOST_NAMED = 20
_MOST_FOUND = 5
"""Of the library, and of the marketplace."""
_MAX_CHARACTERS = 20_000
"""Of all together, as JSON: they are sent with each question."""


class Parts:
    """Looks in the user's library and in the marketplace."""

    def __init__(self, library: Library, marketplace: Marketplace) -> None:
        self._library = library
        self._marketplace = marketplace

    def named(self, user_id: str, ids: Sequence[str], without: str) -> list[dict[str, Any]]:
        """The user's agents of those ids, less `without`; unknown ones are skipped."""
        found: list[LibraryAgent] = []
        for agent_id in dict.fromkeys(ids):
            with suppress(NotFound):
                found.append(self._library.get(user_id, agent_id))
        return _fitting(self._own(agent) for agent in found if agent.id != without)

    def fitting(self, user_id: str, wanted: str, without: str) -> list[dict[str, Any]]:
        """Agents that do something of what is wanted, less `without`: the user's own, then published ones."""
        own = [agent for agent in self._library.search(user_id, wanted, _MOST_FOUND + 1) if agent.id != without]
        known = {agent.slug for agent in own if agent.slug}
        listed = [one for one in self._marketplace.search(wanted, _MOST_FOUND) if one.slug not in known]
        published = (self._published(one.slug) for one in listed)
        return _fitting([*map(self._own, own[:_MOST_FOUND]), *published])

    def _own(self, agent: LibraryAgent) -> dict[str, Any] | None:
        with suppress(NotFound):
            shown = _shown(self._library.graph(agent), agent.name, agent.description)
            return {"library_agent_id": agent.id, "graph_id": agent.graph_id, "version": agent.version, **shown}
        return None

    def _published(self, slug: str) -> dict[str, Any] | None:
        with suppress(NotFound):
            found = self._marketplace.get(slug)
            shown = _shown(self._marketplace.graph(found), found.name, found.description)
            return {"slug": slug, "graph_id": found.graph_id, "version": found.version, **shown}
        return None


def _shown(graph: Graph, name: str, description: str) -> dict[str, Any]:
    from shared.agents.graphs.schemas import input_schema, output_schema  # know blocks, which a cold start needn't

    return {
        "name": name,
        "description": description[:500],
        "inputs": input_schema(graph),
        "outputs": output_schema(graph),
    }


def _fitting(parts: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Those that there are, as far as they go into what is sent."""
    room, kept = _MAX_CHARACTERS, []
    for part in parts:
        size = len(json.dumps(part))  # as the journal keeps it
        if part and size <= room:
            room -= size
            kept.append(part)
    return kept
