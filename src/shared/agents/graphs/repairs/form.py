"""The outer form: fields under other names, nodes as an object, endpoints written as one text."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.agents.graphs.model import Graph, Link, Node
from shared.agents.graphs.problem import listed, quoted
from shared.agents.graphs.repairs.names import first_of
from shared.agents.graphs.repairs.notes import Notes

Draft = dict[str, Any]
_WRAPPERS = ("graph", "agent", "agent_json", "agent_graph", "agentGraph")
_GRAPH_FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": ("title", "agent_name"),
    "description": ("agent_description",),
    "nodes": ("blocks", "steps"),
    "links": ("edges", "connections"),
}
_NODE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("node_id", "nodeId"),
    "block_id": ("blockId", "block", "block_name", "blockName", "block_type", "type"),
    "title": ("label", "name"),
    "input_default": (
        "inputs", "input", "input_defaults", "inputDefault", "defaults", "default_inputs", "hardcodedValues",
        "constantInput", "input_data",
    ),
    "position": (),
}  # fmt: skip
_LINK_FIELDS: Mapping[str, tuple[str, ...]] = {
    "source_id": ("sourceId", "source", "source_node", "source_node_id", "from_id", "from_node", "from"),
    "source_name": (
        "sourceName", "sourceHandle", "source_handle", "source_pin", "source_output", "from_output", "output",
    ),
    "sink_id": (
        "sinkId", "sink", "sink_node", "target_id", "targetId", "target", "target_node", "to_id", "to_node", "to",
    ),
    "sink_name": (
        "sinkName", "targetHandle", "target_handle", "target_name", "sink_pin", "sink_input", "target_input",
        "to_input", "input",
    ),
    "is_static": ("isStatic", "static"),
}  # fmt: skip
_END_NODE = ("node_id", "nodeId", "node", "id")
_END_PIN = ("name", "pin", "output", "input", "handle", "output_name", "input_name")
_DEFAULT_NAME = "Untitled agent"


def repair_form(raw: Draft, notes: Notes) -> Draft:
    """The same with the fields that a graph has."""
    draft = _renamed(_unwrapped(raw, notes), _GRAPH_FIELDS, "the graph", notes)
    nodes = _listed(draft, "nodes", notes)
    links = _listed(draft, "links", notes)
    if not links:
        links = _links_in(nodes, notes)
    draft["nodes"] = [_node(one, notes) for one in nodes]
    draft["links"] = [_link(one, notes) for one in links]
    _texts(draft, notes)
    return _known(draft, Graph.model_fields, "a graph", notes)


def _unwrapped(raw: Draft, notes: Notes) -> Draft:
    draft = raw
    for _ in range(3):
        wrapper = first_of(draft, _WRAPPERS)
        if "nodes" in draft or wrapper is None or not isinstance(draft[wrapper], dict):
            return draft
        inner = draft[wrapper]
        beside: Draft = {key: draft[key] for key in ("name", "description") if key in draft and key not in inner}
        lost = sorted(draft.keys() - {wrapper} - beside.keys())
        notes.add(f"Took the graph out of {quoted(wrapper)}; left out beside it: {listed(lost, none='nothing')}.")
        draft = {**beside, **inner}
    return draft


def _renamed(value: Draft, fields: Mapping[str, tuple[str, ...]], what: str, notes: Notes) -> Draft:
    """The same with our names for fields that have another one."""
    result = dict(value)
    for field, others in fields.items():
        other = None if field in result else first_of(result, others)
        if other is not None:
            result[field] = result.pop(other)
            notes.add(f"In {what} {quoted(other)} is {quoted(field)} now.")
    return result


def _known(value: Draft, fields: Iterable[str], what: str, notes: Notes) -> Draft:
    """The same without what has no meaning here."""
    unknown = sorted(value.keys() - set(fields))
    if unknown:
        notes.add(f"Left out what {what} has no field for: {listed(unknown)}.")
    return {name: value[name] for name in fields if name in value}


def _listed(draft: Draft, field: str, notes: Notes) -> list[Draft]:
    """The nodes or links as a list of objects."""
    found = draft.get(field)
    if isinstance(found, dict):
        notes.add(f"Made a list of the object {quoted(field)}.")
        found = [{"id": key, **one} if isinstance(one, dict) else one for key, one in found.items()]
    if not isinstance(found, list):
        if field in draft:
            notes.add(f"Left out {quoted(field)}, which was no list.")
        return []
    objects = [one for one in found if isinstance(one, dict)]
    if len(objects) < len(found):
        notes.add(f"Left out {len(found) - len(objects)} of {quoted(field)} that were no objects.")
    return objects


def _links_in(nodes: list[Draft], notes: Notes) -> list[Draft]:
    """Links that stand in the nodes where they begin."""
    found = [link for node in nodes for link in _list(node.get("output_links")) if isinstance(link, dict)]
    if found:
        notes.add("Took the links from the nodes' output_links.")
    return found


def _node(raw: Draft, notes: Notes) -> Draft:
    node = _renamed(raw, _NODE_FIELDS, "nodes", notes)
    metadata = node.get("metadata")
    if "position" not in node and isinstance(metadata, dict) and "position" in metadata:
        node["position"] = metadata["position"]
        notes.add("Took the nodes' position from their metadata.")
    if "position" in node and not _is_position(node["position"]):
        del node["position"]
        notes.add("Left out a position that was no pair of numbers.")
    title = node.get("title", "")
    if not isinstance(title, str) or len(title) > 200:
        node["title"] = title[:200] if isinstance(title, str) else ""
        notes.add(f"Cut the title {quoted(title)} to 200 characters, or left it out because it was no text.")
    return _known(node, Node.model_fields, "a node", notes)


def _link(raw: Draft, notes: Notes) -> Draft:
    link = _renamed(raw, _LINK_FIELDS, "links", notes)
    for side in ("source", "sink"):
        end = link.get(f"{side}_id")
        if isinstance(end, dict):
            node, pin = first_of(end, _END_NODE), first_of(end, _END_PIN)
            link[f"{side}_id"] = end[node] if node else ""
            if pin and f"{side}_name" not in link:
                link[f"{side}_name"] = end[pin]
            notes.add(f"Took the {side} of a link apart: {quoted(link[f'{side}_id'])}.")
    static = link.get("is_static", False)
    if not isinstance(static, bool):
        link["is_static"] = str(static).casefold() in {"true", "1", "yes"}
        notes.add("Made is_static true or false.")
    return _known(link, Link.model_fields, "a link", notes)


def _texts(draft: Draft, notes: Notes) -> None:
    name = draft.get("name")
    if not isinstance(name, str) or not name.strip():
        draft["name"] = str(name) if isinstance(name, int | float) else _DEFAULT_NAME
        notes.add(f"Named the agent {quoted(draft['name'])}, because it had no name.")
    elif len(name.splitlines()) > 1:
        draft["name"] = " ".join(name.split())
        notes.add("Wrote the agent's name on one line.")
    for field, most in (("name", 100), ("description", 2_000)):
        text = draft.get(field, "")
        if not isinstance(text, str):
            draft[field] = ""
            notes.add(f"Left out the {field}, which was no text.")
        elif len(text) > most:
            draft[field] = text[:most]
            notes.add(f"Cut the agent's {field} to {most} characters.")


def _is_position(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > 2:
        return False
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in value.values())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
