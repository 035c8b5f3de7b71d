"""Plans of random graphs against docs/decisions/0011 read word by word: slowly, and from the beginning each time."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.agents.graphs.model import Graph, Link, Node
from shared.runs.plan import Plan, Ready, Values

KINDS: Mapping[str, Mapping[str, Any]] = {"plain": {}, "merge": {"into": "all"}, "loop": {"into": "each"}}
PINS = ("value", "other", "error")
MOST = 60
"""Executions of one run: a loop may feed itself for ever."""
Ending = tuple[str, int, Values]
Brought = dict[tuple[str, int], dict[str, Any]]


def random_graph(chance: random.Random) -> Graph:
    """Up to nine nodes; links lead forward, or back to a loop; ids with dots and digits that could be mistaken."""
    ids = ["a", "a.1", "a.1.1", "1", "b", "b-0", "b.0", "c", "c_1"][: chance.randint(2, 9)]
    kinds = [chance.choice(list(KINDS)) for _ in ids]
    nodes = [Node(id=node_id, block_id=kind) for node_id, kind in zip(ids, kinds, strict=True)]
    links: list[Link] = []
    for sink, kind in enumerate(kinds):
        names = [f"in.{number}" for number in range(chance.randint(0, 3))] if chance.random() < 0.8 else ["in"]
        names += {"merge": ["into"] * chance.randint(1, 4), "loop": ["into"] * chance.randint(1, 3)}.get(kind, [])
        for name in names:
            back = name == "into" and kind == "loop" and chance.random() < 0.3
            sources = range(len(ids)) if back else range(sink)
            if sources:
                source = chance.choice(sources)
                static = name != "into" and chance.random() < 0.3
                links.append(_link(ids[source], chance.choice(PINS), ids[sink], name, static=static))
    kept = [link for link in links if not _merges_itself(link, links, dict(zip(ids, kinds, strict=True)))]
    return Graph(name="Random", nodes=nodes, links=kept)


def _merges_itself(link: Link, links: Sequence[Link], kinds: Mapping[str, str]) -> bool:
    """Whether a merge gathers what comes from itself: validation refuses that."""
    reached, ahead = set[str](), [link.sink_id]
    while ahead:
        new = {one.sink_id for one in links if one.source_id == ahead[0]} - reached
        reached |= new
        ahead = [*ahead[1:], *new]
    return kinds[link.sink_id] == "merge" and link.sink_name == "into" and link.source_id in reached


def _link(source: str, pin: str, sink: str, name: str, *, static: bool) -> Link:
    return Link(source_id=source, source_name=pin, sink_id=sink, sink_name=name, is_static=static)


def outputs_of(node_id: str, index: int, brought: Mapping[str, Any]) -> Values:
    """What an execution brings: the same for the same inputs, and sometimes nothing, or a failure."""
    chance = random.Random(repr((node_id, index, sorted(brought.items()))))  # noqa: S311
    if chance.random() < 0.2:
        return {"error": [f"{node_id}.{index}"]}
    return {pin: [chance.randint(0, 99) for _ in range(chance.choice((0, 1, 1, 2, 3)))] for pin in PINS[:2]}


class ByTheBook:
    """What may have started after these endings, and with what."""

    def __init__(self, graph: Graph, endings: Sequence[Ending]) -> None:
        self._graph = graph
        self._kinds = {node.id: KINDS[node.block_id] for node in graph.nodes}
        self._links = {node.id: [link for link in graph.links if link.sink_id == node.id] for node in graph.nodes}
        self._ended: dict[tuple[str, int], Values] = {}
        self._arrived: dict[str, list[Any]] = {node.id: [] for node in graph.nodes}
        held: dict[tuple[str, int], Values] = {}
        passed_on = dict.fromkeys(self._kinds, 0)
        for node_id, index, outputs in endings:
            held[node_id, index] = outputs
            while (node_id, passed_on[node_id]) in held:
                self._pass_on(node_id, passed_on[node_id], held)
                passed_on[node_id] += 1
        self._over = self._find_over()

    def _pass_on(self, node_id: str, index: int, held: Mapping[tuple[str, int], Values]) -> None:
        before = [len(self._values(link)) for link in self._graph.links]
        self._ended[node_id, index] = held[node_id, index]
        for link, seen in zip(self._graph.links, before, strict=True):
            if self._how(link) == "each":
                self._arrived[link.sink_id] += self._values(link)[seen:]

    def may_have_started(self) -> Brought:
        found: Brought = {}
        for node in self._graph.nodes:
            for index in range(self._count(node.id)):
                found[node.id, index] = self._brought(node.id, index)
        return found

    def _how(self, link: Link) -> str:
        return "static" if link.is_static else self._kinds[link.sink_id].get(link.sink_name, "plain")

    def _values(self, link: Link) -> list[Any]:
        """What the source has emitted: of its executions in their order, as far as none is missing."""
        values: list[Any] = []
        index = 0
        while (link.source_id, index) in self._ended:
            values += self._ended[link.source_id, index].get(link.source_name, [])
            index += 1
        return values

    def _complete(self, node_id: str) -> int:
        """For how many executions there are values, whatever gathers all."""
        links = self._links[node_id]
        moving = [link for link in links if self._how(link) in {"plain", "each"}]
        if any(not self._values(link) for link in links if link.is_static):
            return 0
        sizes = [len(self._values(link)) for link in moving if self._how(link) == "plain"]
        if any(self._how(link) == "each" for link in moving):
            sizes.append(len(self._arrived[node_id]))
        most = min(sizes, default=1)
        return min(most, 1) if any(self._how(link) == "all" for link in links) else most

    def _count(self, node_id: str) -> int:
        gathers = [link for link in self._links[node_id] if self._how(link) == "all"]
        return self._complete(node_id) if all(link.source_id in self._over for link in gathers) else 0

    def _find_over(self) -> set[str]:
        """Those of which nothing more can come: nothing of them runs, and all that leads to them is over too."""
        self._over = set()
        while True:
            over = set(self._kinds)
            while True:
                kept = {node_id for node_id in over if self._idle(node_id) and self._sources(node_id) <= over}
                if kept == over:
                    break
                over = kept
            if over == self._over:
                return over
            self._over = over

    def _idle(self, node_id: str) -> bool:
        gathers = {link.source_id for link in self._links[node_id] if self._how(link) == "all"}
        if not gathers <= self._over:
            return False
        return all((node_id, index) in self._ended for index in range(self._count_if(node_id, gathers)))

    def _count_if(self, node_id: str, gathers: set[str]) -> int:
        return self._complete(node_id) if gathers <= self._over else 0

    def _sources(self, node_id: str) -> set[str]:
        return {link.source_id for link in self._links[node_id]}

    def _brought(self, node_id: str, index: int) -> dict[str, Any]:
        brought: dict[str, Any] = {}
        for link in self._links[node_id]:
            match self._how(link):
                case "static":
                    brought[link.sink_name] = self._values(link)[0]
                case "plain":
                    brought[link.sink_name] = self._values(link)[index]
                case "each":
                    brought[link.sink_name] = self._arrived[node_id][index]
                case "all":
                    brought.setdefault(link.sink_name, []).extend(self._values(link))
        return brought


def ready_of(plan: Plan) -> list[Ready]:
    found = []
    while plan.is_waiting_to_start:
        found.append(plan.take())
    return found


def new_plan(graph: Graph) -> Plan:
    return Plan(graph, lambda block_id: KINDS[block_id])


def ran(graph: Graph, chance: random.Random) -> tuple[Brought, list[Ending], list[Ready]]:
    """What has run and with what, the endings in their order, and what was left when there were too many."""
    plan = new_plan(graph)
    brought: Brought = {}
    endings: list[Ending] = []
    under_way = ready_of(plan)
    while under_way and len(endings) < MOST:
        one = under_way.pop(chance.randrange(len(under_way)))
        brought[one.node.id, one.index] = dict(one.brought)
        outputs = outputs_of(one.node.id, one.index, one.brought)
        endings.append((one.node.id, one.index, outputs))
        plan.end(*endings[-1])
        under_way += ready_of(plan)
    return brought, endings, under_way


@pytest.mark.parametrize("seed", range(300))
def test_what_runs_is_what_the_decision_says(seed: int) -> None:
    """Each execution, and what it is given; after each ending too, by a plan that was told of all of them again."""
    chance = random.Random(seed)  # noqa: S311
    graph = random_graph(chance)
    brought, endings, left = ran(graph, chance)
    started = brought | {(one.node.id, one.index): dict(one.brought) for one in left}
    assert ByTheBook(graph, endings).may_have_started() == started
    assert len({f"{node_id}.{index}" for node_id, index in started}) == len(started)
    for told in range(len(endings) + 1):
        plan = new_plan(graph)
        plan.replay(iter(endings[:told]))
        ready = {(one.node.id, one.index): dict(one.brought) for one in ready_of(plan)}
        done = {(node_id, index): brought[node_id, index] for node_id, index, _ in endings[:told]}
        assert ByTheBook(graph, endings[:told]).may_have_started() == ready | done


@pytest.mark.parametrize("seed", range(300))
def test_no_order_of_endings_changes_anything(seed: int) -> None:
    """But where a loop takes values from several links, whose order is recorded."""
    chance = random.Random(seed)  # noqa: S311
    graph = random_graph(chance)
    into = [link.sink_id for link in graph.links if link.sink_name == "into"]
    loops = {node.id for node in graph.nodes if node.block_id == "loop" and into.count(node.id) > 1}
    graph = Graph(name="Random", nodes=graph.nodes, links=[one for one in graph.links if one.sink_id not in loops])
    first, _, left = ran(graph, chance)
    for _ in range(4):
        again, _, _ = ran(graph, chance)
        assert left or again == first
