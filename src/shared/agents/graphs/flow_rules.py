"""What must hold for the way of values: no cycle that waits for itself, and outputs that something reaches.

Everything here takes a time in proportion to nodes and links.
"""

from collections.abc import Iterator

from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.graphs.components import components
from shared.agents.graphs.layout import Layout
from shared.agents.graphs.pins import split_sink
from shared.agents.graphs.problem import Problem, listed, quoted


def flow_problems(layout: Layout) -> Iterator[Problem]:
    """Cycles, loops that nothing starts, and outputs that nothing reaches."""
    knots = _knots(layout)
    for knot in knots:
        message = (
            f"The nodes {listed(knot)} wait for each other in a cycle. Remove a link between them, or let the cycle go "
            "through a block that takes one value after another (Loop over a list)."
        )
        yield Problem.at(knot[0], "cycle", message)
    waiting = {node_id for knot in knots for node_id in knot}
    for node_id in _merging_themselves(layout):
        if node_id not in waiting:
            waiting.add(node_id)
            message = (
                f"{layout.told(layout.nodes[node_id])} waits for the last value of a cycle that it is in itself. "
                "Let what goes back into the cycle come from a node before it."
            )
            yield Problem.at(node_id, "cycle", message)
    runs = _Runs(layout, waiting)
    for node_id, name in runs.never_started():
        message = (
            f"{layout.told(layout.nodes[node_id])}: whatever is linked to {quoted(name)} waits for this node itself. "
            "Link a first value to it as well."
        )
        yield Problem.at(node_id, "never_starts", message)
    for node in layout.nodes.values():
        if node.block_id == AgentOutput.id and not runs.can_run(node.id):
            message = (
                f"{layout.told(node)} gets no value: nothing that it waits for can run. Link it to a node that does."
            )
            yield Problem.at(node.id, "unreachable_output", message)


def _knots(layout: Layout) -> list[list[str]]:
    """The groups of nodes that wait for each other, and nodes that wait for themselves; in the order of the nodes."""
    follows: dict[str, list[str]] = {node_id: [] for node_id in layout.nodes}
    for link in layout.sound_links():
        if not _gathers_each(layout, link.sink_id, link.sink_name):
            follows[link.source_id].append(link.sink_id)
    place = {node_id: number for number, node_id in enumerate(layout.nodes)}
    groups = [sorted(group, key=place.__getitem__) for group in components(follows)]
    waiting = [group for group in groups if len(group) > 1 or group[0] in follows[group[0]]]
    return sorted(waiting, key=lambda group: place[group[0]])


def _merging_themselves(layout: Layout) -> Iterator[str]:
    """Nodes that gather all of what may come from themselves, by whatever way: they never know that it is all."""
    follows: dict[str, list[str]] = {node_id: [] for node_id in layout.nodes}
    for link in layout.sound_links():
        follows[link.source_id].append(link.sink_id)
    groups = {node_id: number for number, group in enumerate(components(follows)) for node_id in group}
    for link in layout.sound_links():
        pins = layout.pins(link.sink_id)
        gathers_all = pins is not None and pins.gathers.get(link.sink_name) == "all"
        if gathers_all and groups[link.source_id] == groups[link.sink_id]:
            yield link.sink_id


def _gathers_each(layout: Layout, node_id: str, sink_name: str) -> bool:
    pins = layout.pins(node_id)
    return pins is not None and pins.gathers.get(split_sink(sink_name)[0]) == "each"


class _Runs:
    """Which nodes can run at least once, if every block emits what it can."""

    def __init__(self, layout: Layout, excused: set[str]) -> None:
        """`excused` nodes count as running: what keeps them from it is told already."""
        self._layout = layout
        self._waits: dict[str, set[str]] = {node_id: set() for node_id in layout.nodes}
        """What each node still waits for: inputs as links name them."""
        self._brings: dict[str, list[tuple[str, str]]] = {node_id: [] for node_id in layout.nodes}
        for link in layout.sound_links():
            pins = layout.pins(link.sink_id)
            if pins is None or pins.gathers.get(link.sink_name) == "all":
                continue  # it runs when nothing more can come, even if nothing has
            self._brings[link.source_id].append((link.sink_id, link.sink_name))
            if link.sink_id not in excused:
                self._waits[link.sink_id].add(link.sink_name)
        self._spread()

    def can_run(self, node_id: str) -> bool:
        """Whether it gets all that it waits for."""
        return not self._waits[node_id]

    def never_started(self) -> Iterator[tuple[str, str]]:
        """Loops that wait for nothing but what follows from themselves, each with the input."""
        for node_id, waits in self._waits.items():
            loops = [name for name in sorted(waits) if _gathers_each(self._layout, node_id, name)]
            following = self._following(node_id) if loops else set()
            for name in loops:
                if all(link.source_id in following for link in self._layout.links_to(node_id)[name]):
                    yield node_id, name

    def _following(self, node_id: str) -> set[str]:
        """What values from the node can reach; the node itself, if they come back."""
        seen: set[str] = set()
        ahead = [node_id]
        while ahead:
            new = {sink_id for sink_id, _ in self._brings[ahead.pop()]} - seen
            seen |= new
            ahead.extend(new)
        return seen

    def _spread(self) -> None:
        """Each value goes as far as it can; each link is looked at once."""
        ready = [node_id for node_id, waits in self._waits.items() if not waits]
        while ready:
            for sink_id, name in self._brings[ready.pop()]:
                waits = self._waits[sink_id]
                if name in waits:
                    waits.remove(name)
                    if not waits:
                        ready.append(sink_id)
