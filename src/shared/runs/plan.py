"""Which executions a run may start, and with what: a rule without storage (docs/decisions/0011).

A `Plan` is made from a graph and told of each execution that has ended, in the order in which they were stored. It then
knows which may start. The same endings in the same order bring the same plan, so any worker can go on. Each ending
costs what it brings: values are kept once, and links only count how many of them their sink has taken.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from shared.agents.graphs.components import components
from shared.agents.graphs.model import ERROR_PIN, Graph, Link, Node

Gathers = Mapping[str, Literal["all", "each"]]
GathersOf = Callable[[str], Gathers]
"""Block id -> which of its inputs gather."""
Values = Mapping[str, Sequence[Any]]

MOST_GATHERED = 3_000_001
"""Values in one list: more than any execution takes (`calling.gathered_inputs`), so what is cut is refused."""


@dataclass(frozen=True)
class Ready:
    """An execution that may start."""

    node: Node
    index: int
    """Which of the node's, from 0."""
    brought: Mapping[str, Any]
    """What links bring: name of the sink's input (or of a field, with a dot) to value."""

    @property
    def id(self) -> str:
        """Unique in the run; its own effects are made once for it."""
        return f"{self.node.id}.{self.index}"


@dataclass
class _Pin:
    """All that an output has emitted."""

    values: list[Any] = field(default_factory=list)


@dataclass
class _Flow:
    """One link's values on their way."""

    number: int
    link: Link
    pin: _Pin

    @property
    def count(self) -> int:
        return len(self.pin.values)


@dataclass
class _Station:
    """A node, and what comes to it."""

    node: Node
    position: int
    group: "_Group"
    plain: list[_Flow] = field(default_factory=list)
    static: list[_Flow] = field(default_factory=list)
    each: dict[str, list[_Flow]] = field(default_factory=dict)
    all: dict[str, list[_Flow]] = field(default_factory=dict)
    arrived: dict[str, list[tuple[_Flow, int]]] = field(default_factory=dict)
    """Of inputs that gather each: the values in the order of their arrival."""
    pins: dict[str, _Pin] = field(default_factory=dict)
    sinks: "list[_Station]" = field(default_factory=list)
    started: int = 0
    emitted: int = 0
    """How many executions have passed on what they emitted."""
    held: dict[int, Values] = field(default_factory=dict)
    """What later executions have emitted, until the earlier ones end."""

    @property
    def repeats(self) -> bool:
        """Whether it may run more than once."""
        return bool(self.plain or self.each) and not self.all


@dataclass
class _Group:
    """Nodes that can reach each other: alone, unless they form a cycle."""

    stations: list[_Station] = field(default_factory=list)
    open_sources: int = 0
    """Links from nodes outside that may still bring something."""
    busy: int = 0
    """Executions that are ready or run."""
    finished: bool = False


class Plan:
    """What has happened in a run, and what may happen next."""

    def __init__(self, graph: Graph, gathers_of: GathersOf) -> None:
        """Raises ValueError for a graph that can't flow: a link from or to nowhere, two on one plain input."""
        self._stations: dict[str, _Station] = {}
        self._ready: deque[Ready] = deque()
        self._groups: list[_Group] = []
        self.ended = 0
        """Executions that have ended."""
        self._lay_out(graph, gathers_of)
        for group in self._groups:
            self._see_to(group)

    # -- asking --------------------------------------------------------------------------------

    @property
    def is_waiting_to_start(self) -> bool:
        """Whether any execution may start."""
        return bool(self._ready)

    def take(self) -> Ready:
        """The next execution that may start; it is under way from then on."""
        return self._ready.popleft()

    def links_error(self, node_id: str) -> bool:
        """Whether a failure of the node is a value for somebody."""
        return ERROR_PIN in self._stations[node_id].pins

    def counts(self, node_id: str) -> tuple[int, int]:
        """How many executions of the node have been ready so far, and how many of those have passed on their values."""
        station = self._stations[node_id]
        return station.started, station.emitted

    # -- telling -------------------------------------------------------------------------------

    def end(self, node_id: str, index: int, outputs: Values) -> None:
        """An execution that was taken has ended and has emitted this."""
        station = self._stations[node_id]
        station.held[index] = outputs
        self.ended += 1
        self._pass_on(station)
        station.group.busy -= 1
        self._see_to(station.group)

    def replay(self, endings: Iterator[tuple[str, int, Values]]) -> None:
        """Be told of what has ended before; what was ready then, and has not ended, is ready again.

        Raises:
            ValueError: that can't have happened in this graph.
        """
        waiting: dict[tuple[str, int], Ready] = {}
        for node_id, index, outputs in endings:
            while (node_id, index) not in waiting:
                if not self._ready:
                    raise ValueError(f"{node_id}.{index} has ended, and could not begin")
                ready = self.take()
                waiting[ready.node.id, ready.index] = ready
            del waiting[node_id, index]
            self.end(node_id, index, outputs)
        self._ready.extendleft(reversed(waiting.values()))

    def _pass_on(self, station: _Station) -> None:
        """Give what is next in the order of the executions to whoever follows."""
        while station.emitted in station.held:
            outputs = station.held.pop(station.emitted)
            station.emitted += 1
            for name, pin in station.pins.items():
                pin.values.extend(outputs.get(name, ()))
            for sink in station.sinks:
                self._collect(sink)
                self._start_what_can(sink)

    def _collect(self, station: _Station) -> None:
        """Line up what has come for inputs that gather each."""
        for name, flows in station.each.items():
            line = station.arrived[name]
            for flow in flows:
                lined = self._lined.setdefault(flow.number, 0)
                line.extend((flow, position) for position in range(lined, flow.count))
                self._lined[flow.number] = flow.count

    # -- what may start ------------------------------------------------------------------------

    def _start_what_can(self, station: _Station) -> None:
        while self._can_start(station):
            self._ready.append(self._made(station))
            station.started += 1
            station.group.busy += 1

    def _can_start(self, station: _Station) -> bool:
        index = station.started
        if index and not station.repeats:
            return False
        return (
            all(flow.count > index for flow in station.plain)
            and all(flow.count for flow in station.static)
            and all(len(line) > index for line in station.arrived.values())
            and all(self._closed(flow) for flows in station.all.values() for flow in flows)
        )

    def _made(self, station: _Station) -> Ready:
        index = station.started
        brought: dict[str, Any] = {}
        taken = [(flow, index) for flow in station.plain] + [(flow, 0) for flow in station.static]
        taken += [line[index] for line in station.arrived.values()]
        for flow, position in taken:
            brought[flow.link.sink_name] = flow.pin.values[position]
        for name, flows in station.all.items():
            values = (value for flow in flows for value in flow.pin.values)
            brought[name] = list(islice(values, MOST_GATHERED))
        return Ready(station.node, index, brought)

    def _closed(self, flow: _Flow) -> bool:
        return self._stations[flow.link.source_id].group.finished

    # -- what is over --------------------------------------------------------------------------

    def _see_to(self, group: _Group) -> None:
        """Start what only waited for others to be over; else the group is, and those behind it may be."""
        waiting = deque([group])
        while waiting:
            group = waiting.popleft()
            if group.finished or group.busy or group.open_sources:
                continue
            for station in group.stations:
                self._start_what_can(station)
            if group.busy:
                continue
            group.finished = True
            for station in group.stations:
                for sink in station.sinks:
                    if sink.group is not group:
                        sink.group.open_sources -= 1
                        waiting.append(sink.group)
                        if sink.all:
                            self._start_what_can(sink)

    # -- laying out ----------------------------------------------------------------------------

    def _lay_out(self, graph: Graph, gathers_of: GathersOf) -> None:
        self._lined: dict[int, int] = {}
        nodes = {node.id: node for node in graph.nodes}
        if len(nodes) != len(graph.nodes):
            raise ValueError("two nodes have one id")
        follows: dict[str, list[str]] = {node_id: [] for node_id in nodes}
        for link in graph.links:
            if link.source_id not in nodes or link.sink_id not in nodes:
                raise ValueError("a link leads from or to no node")
            follows[link.source_id].append(link.sink_id)
        positions = {node.id: position for position, node in enumerate(graph.nodes)}
        for members in components(follows):
            group = _Group()
            for node_id in sorted(members, key=positions.__getitem__):
                station = _Station(nodes[node_id], positions[node_id], group)
                group.stations.append(station)
                self._stations[node_id] = station
            self._groups.append(group)
        self._groups.sort(key=lambda group: group.stations[0].position)
        for number, link in enumerate(graph.links):
            self._connect(number, link, gathers_of(nodes[link.sink_id].block_id))

    def _connect(self, number: int, link: Link, gathers: Gathers) -> None:
        source, sink = self._stations[link.source_id], self._stations[link.sink_id]
        flow = _Flow(number, link, source.pins.setdefault(link.source_name, _Pin()))
        how = gathers.get(link.sink_name)
        if how == "all":
            sink.all.setdefault(link.sink_name, []).append(flow)
        elif how == "each" and not link.is_static:
            sink.each.setdefault(link.sink_name, []).append(flow)
            sink.arrived.setdefault(link.sink_name, [])
        else:
            if any(other.link.sink_name == link.sink_name for other in (*sink.plain, *sink.static)):
                raise ValueError(f"two links lead to {link.sink_name} of {link.sink_id}")
            (sink.static if link.is_static else sink.plain).append(flow)
        if sink not in source.sinks:
            source.sinks.append(sink)
            if sink.group is not source.group:
                sink.group.open_sources += 1
