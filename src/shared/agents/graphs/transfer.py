"""Graphs as documents that leave a deployment and come to one: without secrets, and repaired on their way in."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.agents.blocks.registry import AnyBlock
from shared.agents.graphs.fixes import Fixed, fixed
from shared.agents.graphs.model import Graph
from shared.agents.graphs.problem import Problem, quoted
from shared.agents.graphs.secrets import without_secrets

FORMAT = "parley.agent"
VERSION = 1


def exported(graph: Graph, blocks: Iterable[AnyBlock] | None = None) -> dict[str, Any]:
    """The graph as a document: `format`, `version`, `graph`, and in `removed` what was taken out, one sentence each.

    Credentials are never in graphs; the values of inputs that are secret are taken out.
    """
    clean, removed = without_secrets(graph, blocks)
    return {"format": FORMAT, "version": VERSION, "graph": clean.to_json(), "removed": removed}


def imported(document: Any, blocks: Iterable[AnyBlock] | None = None) -> Fixed:
    """The graph of such a document, or of a bare graph, after the mechanical repairs; its problems say what is left."""
    if not isinstance(document, Mapping) or "format" not in document:
        return fixed(document, blocks)
    if document["format"] != FORMAT or document.get("version") != VERSION:
        told = f"{quoted(document['format'])}, version {quoted(document.get('version'))}"
        message = f"The document is {told}; {FORMAT}, version {VERSION} can be imported."
        return Fixed(document, None, [], [Problem.at("", "unknown_format", message)])
    return fixed(document.get("graph"), blocks)
