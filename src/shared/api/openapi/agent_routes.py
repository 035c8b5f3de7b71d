"""The routes about libraries and the marketplace; see `routes`."""

from typing import Any

from shared.api.agents import ChangedAgent, ChangedGraph, NewAgent
from shared.api.openapi import agent_answers as answers
from shared.api.openapi.problems import OF_BODIES
from shared.api.openapi.route import Answer, Body, Route
from shared.api.store import Publication, StoreProfile

_AGENT_ID = "01K0XR8M4C2N6V9B3H7J5QTWZE"
_ASKS = {"place": {"type": "string", "description": "Where."}}
_GRAPH: dict[str, Any] = {
    "name": "Tide table",
    "description": "Tells when the water is high.",
    "nodes": [
        {
            "id": "place",
            "block_id": "1983e0a3-2039-4c14-8101-681e09432f9e",
            "input_default": {"name": "place", "description": "Where.", "value_schema": {"type": "string"}},
        },
        {"id": "told", "block_id": "a8548793-4063-4560-b1fd-49c6900fd30c", "input_default": {"name": "tide"}},
    ],
    "links": [{"source_id": "place", "source_name": "value", "sink_id": "told", "sink_name": "value"}],
}
_AGENT: dict[str, Any] = {
    "id": _AGENT_ID,
    "graph_id": "B289Y6NV59EWYHP3SHMCJ43TRG",
    "version": 3,
    "name": "Tide table",
    "description": "Tells when the water is high.",
    "slug": None,
    "owns_graph": True,
    "link": f"/#agent={_AGENT_ID}",
    "created_at": "2025-07-18T09:00:00.000Z",
    "updated_at": "2025-07-18T12:00:00.000Z",
}
_DESCRIBED = {
    "input_schema": {"type": "object", "properties": _ASKS, "required": ["place"], "additionalProperties": False},
    "output_schema": {"type": "object", "properties": {"tide": {"type": "array"}}, "additionalProperties": False},
    "credentials": [],
    "execution_modes": ["manual", "scheduled"],
}
_DETAILS = {**_AGENT, **_DESCRIBED, "graph": None}
_VERSIONS = {
    "versions": [
        {"version": 3, "name": "Tide table", "created_at": "2025-07-18T12:00:00.000Z", "nodes": 2, "runs": True},
        {"version": 2, "name": "Tides", "created_at": "2025-07-18T10:00:00.000Z", "nodes": 2, "runs": False},
    ],
    "next_cursor": None,
}
_LISTED = {
    "id": "CSNYPBXNPSM0Y5PADFEQW5D3XQ",
    "slug": "ada/tide-table",
    "name": "Tide table",
    "description": "Tells when the water is high.",
    "updated_at": "2025-07-18T12:00:00.000Z",
}
_PUBLISHED = {
    **_LISTED,
    "version": 1,
    "link": "/#store=ada/tide-table",
    "created_at": "2025-07-18T12:00:00.000Z",
    **_DESCRIBED,
}
_DOCUMENT = {"format": "parley.agent", "version": 1, "graph": _GRAPH, "removed": []}
_ADDED = {**_AGENT, "slug": "ada/tide-table", "owns_graph": False, "version": 1}
_UNSOUND = ("GRAPH_INVALID", "GRAPH_TOO_LARGE")
_OF_CALLER = ("login_required",)
_OF_AGENT = ("login_required", "AGENT_NOT_FOUND")
_OF_PUBLISHED = ("login_required", "STORE_AGENT_NOT_FOUND")

AGENT_ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/agents"): Route(
        {201: Answer("The agent.", answers.ShownAgentDetails, _DETAILS)},
        (*_OF_CALLER, *_UNSOUND, "TOO_MANY_AGENTS", *OF_BODIES),
        Body((NewAgent,), {"new": {"graph": _GRAPH}}),
    ),
    ("POST", "/api/agents/import"): Route(
        {201: Answer("The agent.", answers.ImportedAgent, {**_DETAILS, "fixes_applied": []})},
        (*_OF_CALLER, *_UNSOUND, "TOO_MANY_AGENTS", "invalid_json", "too_large"),
        Body((answers.AgentDocument, answers.ShownGraph), {"exported": _DOCUMENT, "a bare graph": _GRAPH}),
    ),
    ("GET", "/api/agents"): Route(
        {200: Answer("A page.", answers.AgentList, {"agents": [_AGENT], "next_cursor": None})},
        (*_OF_CALLER, "validation_failed", "invalid_cursor"),
    ),
    ("GET", "/api/agents/{agent_id}"): Route(
        {200: Answer("The agent.", answers.ShownAgentDetails, _DETAILS)},
        (*_OF_AGENT, "GRAPH_NOT_FOUND", "validation_failed"),
    ),
    ("PATCH", "/api/agents/{agent_id}"): Route(
        {200: Answer("The agent as it is now.", answers.ShownAgent, _AGENT)},
        (*_OF_AGENT, "VERSION_NOT_FOUND", "AGENT_CHANGED", *OF_BODIES),
        Body((ChangedAgent,), {"rename": {"name": "Tide table"}, "take an older version": {"version": 2}}),
    ),
    ("PUT", "/api/agents/{agent_id}/graph"): Route(
        {200: Answer("The agent with its new version.", answers.ShownAgentDetails, _DETAILS)},
        (*_OF_AGENT, *_UNSOUND, "AGENT_CHANGED", *OF_BODIES),
        Body((ChangedGraph,), {"changed": {"graph": _GRAPH, "version": 2}}),
    ),
    ("DELETE", "/api/agents/{agent_id}"): Route({204: Answer("It is gone.")}, (*_OF_AGENT, "AGENT_CHANGED")),
    ("GET", "/api/agents/{agent_id}/versions"): Route(
        {200: Answer("A page.", answers.VersionList, _VERSIONS)},
        (*_OF_AGENT, "validation_failed", "invalid_cursor"),
    ),
    ("GET", "/api/agents/{agent_id}/export"): Route(
        {200: Answer("The agent as a document.", answers.AgentDocument, _DOCUMENT)}, (*_OF_AGENT, "GRAPH_NOT_FOUND")
    ),
    ("GET", "/api/store/profile"): Route(
        {200: Answer("The name, if there is one.", answers.ShownStoreProfile, {"username": "ada"})}, _OF_CALLER
    ),
    ("PUT", "/api/store/profile"): Route(
        {200: Answer("It is the caller's.", answers.ShownStoreProfile, {"username": "ada"})},
        (*_OF_CALLER, "USERNAME_TAKEN", "USERNAME_FIXED", "USERNAME_RESERVED", *OF_BODIES),
        Body((StoreProfile,), {"claim": {"username": "ada"}}),
    ),
    ("GET", "/api/store"): Route(
        {200: Answer("A page.", answers.PublishedList, {"agents": [_LISTED], "next_cursor": None})},
        (*_OF_CALLER, "validation_failed", "invalid_cursor"),
    ),
    ("POST", "/api/store"): Route(
        {200: Answer("It is published.", answers.PublishedDetails, _PUBLISHED)},
        (
            *_OF_AGENT,
            "GRAPH_NOT_FOUND",
            "GRAPH_INVALID",
            "USERNAME_MISSING",
            "NOT_YOUR_GRAPH",
            "SLUG_TAKEN",
            "SLUG_MISSING",
            "PUBLISHED_MEANWHILE",
            "TOO_MANY_PUBLISHED",
            *OF_BODIES,
        ),
        Body((Publication,), {"publish": {"library_agent_id": _AGENT_ID, "slug": "tide-table"}}),
    ),
    ("GET", "/api/store/{username}/{slug}"): Route(
        {200: Answer("The agent.", answers.PublishedDetails, _PUBLISHED)}, (*_OF_PUBLISHED, "GRAPH_NOT_FOUND")
    ),
    ("DELETE", "/api/store/{username}/{slug}"): Route(
        {204: Answer("It is withdrawn.")}, (*_OF_PUBLISHED, "PUBLISHED_MEANWHILE")
    ),
    ("POST", "/api/store/{username}/{slug}/add"): Route(
        {200: Answer("The caller's agent.", answers.ShownAgent, _ADDED)}, (*_OF_PUBLISHED, "TOO_MANY_AGENTS")
    ),
}
