"""How tools show what was built, and what could not be: without secrets, and small enough for an answer."""

import json
from typing import Any

from shared.agents.building.checking import Checked
from shared.agents.building.responses import AgentPreview
from shared.agents.graphs.model import Graph
from shared.agents.graphs.secret_schemas import is_secret, without_values
from shared.kernel.redaction import REDACTED, redact
from shared.tools.contract import ErrorResponse

_MOST_PROBLEMS = 30
_MOST_WORDS = 3_000
_MAX_SHOWN_BYTES = 40_000
"""Of an agent that could not be saved, in the answer that says so."""
_BEGINS_CHARACTERS = _MAX_SHOWN_BYTES // 4
_NAMES = ("credential", "value_schema")
"""Inputs of blocks that are called like secrets, or hold such names, and are none: a provider, and a JSON Schema."""


def preview(graph: Graph, done: Checked) -> AgentPreview:
    """What would be saved; it can be sent again as it is."""
    from shared.agents.graphs.secrets import without_secrets  # knows blocks, which no cold start should pay for

    return AgentPreview(
        message="Nothing is saved. Show the user what it does; create_agent or edit_agent with agent_json saves it.",
        agent_name=graph.name,
        description=graph.description,
        agent_json=without_secrets(graph)[0].to_json(),
        node_count=len(graph.nodes),
        link_count=len(graph.links),
        fixes_applied=done.fixes,
    ).as_redacted()


def refused(done: Checked, message: str, *, code: str = "agent_invalid", brought: Any = None) -> ErrorResponse:
    """What is wrong with it, and what was brought, if its caller doesn't know that."""
    shown = {} if brought is None else _shown(brought)
    words = f"{message} {' '.join(done.told[:10])}"[:_MOST_WORDS]
    details = {"problems": done.listed(_MOST_PROBLEMS), "fixes_applied": done.fixes[:_MOST_PROBLEMS], **shown}
    return ErrorResponse(code=code, message=words, details=details).as_redacted()


def not_saved(graph: Graph, reason: str, words: str) -> ErrorResponse:
    """It was built, and the library does not take it: whoever reads this may save it by hand."""
    message = f"The agent was built, but could not be saved: {words}"
    details = {"reason": reason, **_shown(graph.to_json())}
    return ErrorResponse(code="agent_not_saved", message=message, details=details).as_redacted()


def redacted_agent(value: Any) -> Any:
    """JSON that should be a graph, without what stands under a secret's name and without secret inputs' values."""
    if not isinstance(value, dict) or not isinstance(value.get("nodes"), list):
        return redact(value)
    return {
        key: [_redacted_node(one) for one in inner] if key == "nodes" else redact({key: inner})[key]
        for key, inner in value.items()
    }


def _redacted_node(node: Any) -> Any:
    given = node.get("input_default") if isinstance(node, dict) else None
    if not isinstance(given, dict):
        return redact(node)
    shown = {**redact(given), **{name: given[name] for name in _NAMES if name in given}}
    if is_secret(given.get("value_schema")):
        shown["value_schema"] = without_values(given["value_schema"])
        shown |= {name: REDACTED for name in ("default", "value") if given.get(name)}
    return {**redact(node), "input_default": shown}


def _shown(agent_json: Any) -> dict[str, Any]:
    """Of a large one its beginning."""
    redacted = redacted_agent(agent_json)
    text = json.dumps(redacted, ensure_ascii=False)
    if len(text.encode(errors="replace")) <= _MAX_SHOWN_BYTES:
        return {"agent_json": redacted}
    return {"agent_json_begins": text[:_BEGINS_CHARACTERS]}
