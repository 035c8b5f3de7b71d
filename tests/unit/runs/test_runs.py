"""A run is started once, works through its graph, and ends once."""

from dataclasses import replace
from typing import Any

import pytest

from shared.agents.running import RunFilter
from shared.kernel.errors import LimitReached, NotFound
from shared.runs import listing
from shared.tasks.lineage import Lineage
from tests.support.grammar import check_stream
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, Probe, given, graph, node, result


def test_nodes_in_a_row_pass_their_values_on(parley: Parley) -> None:
    """Inputs of the run go in, links carry what blocks emit, outputs have what the last ones were given."""
    agents = Agents(parley)
    run = agents.run(GREETER, {"City": "Oslo"})
    assert (run.status, run.outputs, run.error) == ("completed", {"Greeting": ["Hello Oslo"]}, "")
    assert (run.nodes_done, run.credits) == (3, 0)
    assert [(one.node_id, one.index, one.status) for one in agents.nodes(run.id)] == [
        ("in", 0, "completed"),
        ("greet", 0, "completed"),
        ("out", 0, "completed"),
    ]
    assert agents.nodes(run.id)[1].outputs == {"text": ["Hello Oslo"]}


def test_the_same_id_starts_one_run(parley: Parley) -> None:
    """A call that is repeated finds what it has begun; somebody else's id does not exist."""
    agents = Agents(parley)
    agent = agents.agent(GREETER)
    request = agents.request(agent, {"City": "Oslo"}, run_id="R1")
    assert agents.runs.start(request).status == "queued"
    agents.until_quiet()
    assert agents.runs.start(request).status == "completed"
    assert len(agents.runs.recent("ada", RunFilter())) == 1
    with pytest.raises(NotFound):
        agents.runs.start(agents.request(agents.agent(GREETER, "bob"), {}, run_id="R1"))


def test_a_run_of_somebody_else_does_not_exist(parley: Parley) -> None:
    agents = Agents(parley)
    run = agents.run(GREETER, {"City": "Oslo"})
    assert agents.runs.look("bob", run.id) is None
    assert list(agents.runs.nodes("bob", run.id)) == []
    assert agents.runs.stop("bob", run.id) is None
    assert list(agents.runs.recent("bob", RunFilter())) == []


def test_runs_are_listed_newest_first_and_by_what_is_asked(parley: Parley) -> None:
    agents = Agents(parley)
    first, second = agents.agent(GREETER), agents.agent(GREETER)
    ids = []
    for agent in (first, second, first):
        parley.clock.advance(10)
        ids.append(agents.start(agent, {"City": "Oslo"}))
    agents.until_quiet()

    def listed(**wanted: Any) -> list[str]:
        return [run.id for run in agents.runs.recent("ada", RunFilter(**wanted))]

    assert listed() == ids[::-1]
    assert listed(limit=1) == ids[2:]
    assert listed(library_agent_id=first.id) == [ids[2], ids[0]]
    assert listed(library_agent_id=second.id) == [ids[1]]
    assert listed(statuses=frozenset({"failed"})) == []
    middle = agents.look(ids[1]).created_at
    assert listed(since=middle) == ids[:0:-1]
    assert listed(until=middle) == ids[:1]


@pytest.fixture
def crowded(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> tuple[Agents, list[str]]:
    """The first of six runs has completed; a page looks at three."""
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 3)
    agents = Agents(parley)
    agent = agents.agent(GREETER, agent_id="greeter")
    ids = [agents.start(agent, {"City": "Oslo"})]
    agents.until_quiet()
    for _ in range(5):
        parley.clock.advance(86_400)
        ids.append(agents.start(agent, {"City": "Oslo"}))
    return agents, ids


@pytest.mark.parametrize("agent_id", ["", "greeter"])
def test_a_run_is_found_however_many_are_newer(crowded: tuple[Agents, list[str]], agent_id: str) -> None:
    """By how it stands, and by when it was created."""
    agents, ids = crowded
    done = RunFilter(agent_id, statuses=frozenset({"completed"}))
    assert [run.id for run in agents.runs.recent("ada", done)] == ids[:1]
    second = agents.look(ids[1]).created_at
    that_day = RunFilter(agent_id, since=second - 1, until=second + 1)
    assert [run.id for run in agents.runs.recent("ada", that_day)] == ids[1:2]

    first, place = agents.runs.page("ada", done), ""
    assert (list(first.runs), first.next != "") == ([], True)
    place = first.next
    rest = agents.runs.page("ada", replace(done, before=place))
    assert ([run.id for run in rest.runs], bool(rest.next)) == (ids[:1], True)
    assert agents.runs.page("ada", replace(done, before=rest.next)).next == ""


def test_a_page_of_runs_is_read_at_once(parley: Parley) -> None:
    """Few reads for many runs, however they stand."""
    agents = Agents(parley)
    agent = agents.agent(GREETER)
    for _ in range(6):
        agents.start(agent, {"City": "Oslo"})
    agents.parley.drain_runs()
    agents.start(agent, {"City": "Oslo"})
    parley.watch.reset()
    assert len(agents.runs.page("ada", RunFilter()).runs) == 7
    assert sorted(set(parley.watch.calls)) == ["BatchGetItem", "Query"]
    assert len(parley.watch.calls) == 3


def test_a_run_is_in_the_list_where_it_began(parley: Parley) -> None:
    """Not where the one did that has started it: a child's id is as old."""
    agents = Agents(parley)
    agents.agent(GREETER, agent_id="inner")
    nodes = [node("w", "Wait", seconds=86_400, value="Oslo"), node("run", "Run agent", library_agent_id="inner")]
    agents.start(agents.agent(graph(nodes, "w.value > run.inputs.City")))
    agents.until_quiet()
    between = int(parley.clock.now()) * 1000 + 1
    parley.clock.advance(86_400)
    agents.minutes(1)
    (child,) = agents.runs.recent("ada", RunFilter(since=between))
    assert child.origin == "agent"


def test_a_stopped_run_is_terminated_and_says_so(parley: Parley) -> None:
    """One that nobody works on ends at once; its stream is whole."""
    agents = Agents(parley)
    run_id = agents.start(agents.agent(GREETER), {"City": "Oslo"})
    stopped = agents.runs.stop("ada", run_id)
    assert stopped is not None
    assert (stopped.status, stopped.error_code) == ("terminated", "stopped_by_user")
    agents.until_quiet()
    assert agents.look(run_id).status == "terminated"
    check_stream(parley.parts(run_id), steps=False)


def test_the_stream_tells_of_each_node_and_of_the_outputs(parley: Parley) -> None:
    """Only official parts and `data-*`; a node's part replaces its earlier one."""
    agents = Agents(parley)
    run = agents.run(GREETER, {"City": "Oslo"})
    parts = parley.parts(run.id)
    check_stream(parts, steps=False)
    last = {part["id"]: part["data"] for part in parts if part["type"] == "data-node"}
    assert {name: (one["running"], one["done"]) for name, one in last.items()} == dict.fromkeys(
        ("in", "greet", "out"), (0, 1)
    )
    assert [part["data"]["status"] for part in parts if part["type"] == "data-run"] == ["running", "completed"]
    assert [part["data"] for part in parts if part["type"] == "data-run-outputs"] == [
        {"outputs": {"Greeting": ["Hello Oslo"]}, "complete": True}
    ]


def test_runs_go_three_deep(parley: Parley) -> None:
    agents = Agents(parley)
    request = agents.request(agents.agent(GREETER), {}, Lineage(parent="T", root="T", depth=4))
    with pytest.raises(LimitReached, match="deep"):
        agents.runs.start(request)


def test_a_dry_run_only_rehearses(parley: Parley) -> None:
    probe = Probe()
    agents = Agents(parley, blocks=[probe])
    made = graph(
        [given("in", "X"), node("p", "probe"), result("out", "Y")], "in.value > p.value", "p.value > out.value"
    )
    run = agents.run(made, {"X": 1}, lineage=Lineage(dry_run=True))
    assert (run.status, run.outputs, run.dry_run) == ("completed", {"Y": ["(dry run)"]}, True)
    assert probe.calls == []
