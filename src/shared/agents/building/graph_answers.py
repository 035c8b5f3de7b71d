"""Finding the graph in what was sent as an agent: the graph itself, wrapped in something, or as a text."""

from typing import Any

from shared.agents.building.json_answers import object_in

_WRAPPERS = ("agent_json", "agent", "graph")
_DEEPEST = 4


def graph_in(sent: Any) -> dict[str, Any] | None:
    """The JSON object that is meant to be a graph; None if there is none."""
    for _ in range(_DEEPEST):
        if isinstance(sent, str):
            sent = object_in(sent)
        if not isinstance(sent, dict):
            return None
        inner = next((sent[name] for name in _WRAPPERS if isinstance(sent.get(name), dict | str)), None)
        if "nodes" in sent or inner is None:
            return sent
        sent = inner
    return None
