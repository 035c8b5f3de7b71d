"""What must hold for each link: its ends exist, what it brings may fit, and it has its input for itself."""

from collections.abc import Iterator

from shared.agents.graphs.layout import Layout
from shared.agents.graphs.model import Link
from shared.agents.graphs.pins import Pins, split_sink, takes
from shared.agents.graphs.problem import Problem, listed, quoted


def link_problems(layout: Layout) -> Iterator[Problem]:
    """What is wrong with each link, in the order of the links."""
    taken: dict[tuple[str, str], set[str]] = {}
    for link in layout.graph.links:
        if link.source_id not in layout.nodes or link.sink_id not in layout.nodes:
            yield _no_node(layout, link)
            continue
        source, sink = layout.pins(link.source_id), layout.pins(link.sink_id)
        if source is not None and link.source_name not in source.outputs:
            yield _no_output(layout, link, source)
        if sink is None:
            continue
        if sink.input_types(link.sink_name) is None:
            yield _no_input(layout, link, sink)
            continue
        yield from _fit(link, source, sink)
        if split_sink(link.sink_name)[0] not in sink.gathers:
            yield from _once(link, taken)
        elif link.is_static:
            message = f"{_told(link)} can't be static: the input gathers values. Leave is_static out."
            yield Problem.at(link.sink_id, "static_link", message)


def _told(link: Link) -> str:
    return (
        f"The link from {quoted(link.source_id)}.{quoted(link.source_name)} "
        f"to {quoted(link.sink_id)}.{quoted(link.sink_name)}"
    )


def _no_node(layout: Layout, link: Link) -> Problem:
    known = link.source_id in layout.nodes
    missing, where = (link.sink_id, link.source_id) if known else (link.source_id, link.sink_id)
    message = f"{_told(link)}: there is no node {quoted(missing)}. Remove the link, or add the node."
    return Problem.at(where if where in layout.nodes else "", "unknown_node", message)


def _no_output(layout: Layout, link: Link, source: Pins) -> Problem:
    node = layout.told(layout.nodes[link.source_id])
    message = f"{_told(link)}: {node} has no such output. Link one of {listed(source.outputs)}."
    return Problem.at(link.source_id, "unknown_output", message)


def _no_input(layout: Layout, link: Link, sink: Pins) -> Problem:
    node = layout.told(layout.nodes[link.sink_id])
    message = f"{_told(link)}: {node} has no such input. Link to one of {listed(sink.inputs)}"
    fields = ", or to a field of an object, one level deep." if "." in link.sink_name else "."
    return Problem.at(link.sink_id, "unknown_input", message + fields)


def _fit(link: Link, source: Pins | None, sink: Pins) -> Iterator[Problem]:
    brought = source.output_types(link.source_name) if source else None
    taken = sink.input_types(link.sink_name)
    if brought is None or taken is None or takes(brought, taken):
        return
    message = (
        f"{_told(link)} brings {' or '.join(sorted(brought))}, and {' or '.join(sorted(taken))} is needed. "
        "Put a block between them (Text template, JSON query), or link another output."
    )
    yield Problem.at(link.sink_id, "wrong_type", message)


def _once(link: Link, taken: dict[tuple[str, str], set[str]]) -> Iterator[Problem]:
    """An input takes one link, or one for each of its fields."""
    name, field = split_sink(link.sink_name)
    others = taken.setdefault((link.sink_id, name), set())
    if link.sink_name in others or name in others or (others and not field):
        message = (
            f"{_told(link)}: {listed(sorted(others))} is linked already. An input takes one link, or one for each of "
            "its fields; remove all but one, or merge them in a block that gathers."
        )
        yield Problem.at(link.sink_id, "input_linked_twice", message)
    others.add(link.sink_name)
