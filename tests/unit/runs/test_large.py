"""Large runs: they end, within their bounds, and nobody else waits for them."""

import json
from typing import Any

from shared.agents.graphs.model import Graph, Link
from shared.aws.writes import Update
from shared.runs.hooks import put_hook
from shared.tasks.pools import pool_key
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, graph, node, result


def stored_bytes(parley: Parley, run_id: str) -> list[int]:
    """Of each of the run's records, written as JSON."""
    rows = [
        row
        for table in ("state", "chunks")
        for row in parley.database.query("#pk = :pk", {"pk": f"TASK#{run_id}"}, table=table)
    ]
    return [len(json.dumps(row, default=str)) for row in rows]


def test_a_graph_of_two_hundred_nodes_with_a_fan_out_of_fifty_ends(parley: Parley) -> None:
    """Fifty rows of four nodes behind one, and what gathers them: 203 executions."""
    nodes: list[Any] = [node("start", "Text template", template="go"), node("all", "Merge"), result("out", "N")]
    for row in range(50):
        nodes += [node(f"n{row}.{step}", "Text template", template="{{ x }}+") for step in range(4)]
    made = _rows(nodes)
    agents = Agents(parley)
    run = agents.run(made)
    assert (run.status, run.nodes_done, run.outputs) == ("completed", 203, {"N": [50]})


def _rows(nodes: list[Any]) -> Graph:
    def to(source: str, name: str, sink: str, field: str) -> Link:
        return Link(source_id=source, source_name=name, sink_id=sink, sink_name=field)

    links = [to("all", "count", "out", "value")]
    for row in range(50):
        links.append(to("start", "text", f"n{row}.0", "values.x"))
        links += [to(f"n{row}.{step}", "text", f"n{row}.{step + 1}", "values.x") for step in range(3)]
        links.append(to(f"n{row}.3", "text", "all", "values"))
    return Graph(name="Wide", nodes=nodes, links=links)


def test_a_loop_over_a_thousand_items_stays_small(parley: Parley) -> None:
    """Each record below an item's size, the stream far below one part a round, some writes for many rounds."""
    nodes = [
        node("loop", "Loop over a list", items=[f"item {n}" for n in range(1_000)]),
        node("t", "Text template", template="<{{ x }}>"),
        node("all", "Merge"),
        result("out", "N"),
    ]
    agents = Agents(parley)
    run_id = agents.start(
        agents.agent(graph(nodes, "loop.item > t.values.x", "t.text > all.values", "all.count > out.value"))
    )
    parley.watch.reset()
    agents.until_quiet()
    run = agents.look(run_id)
    assert (run.status, run.nodes_done, run.outputs) == ("completed", 1_003, {"N": [1_000]})
    assert len(parley.watch.writes) < 150, len(parley.watch.writes)
    assert len(parley.parts(run_id)) < 30
    sizes = stored_bytes(parley, run_id)
    assert max(sizes) < 100_000
    assert sum(sizes) < 1_500_000


def test_five_hundred_queued_runs_of_one_user_do_not_block_another(parley: Parley) -> None:
    """Five hold a slot and have a message, and so do two that tell how runs have ended; what somebody else starts comes
    next, and those behind come one by one."""
    parley.with_runs(5, 1_000)
    agents = Agents(parley)
    many, one = agents.agent(GREETER), agents.agent(GREETER, "bob")
    put_hook(parley.database, "ada", many.id, "https://hooks.example.com/runs")
    runs = []
    for _ in range(8):
        parley.clock.advance(1)
        runs.append(agents.start(many, {"City": "Oslo"}))
    behind = {f"9{number:025d}" for number in range(492)}  # as if they had been started after these
    parley.database.write(Update(pool_key("runs:ada"), "ADD #queued :behind", values={"behind": behind}))
    assert (len(parley.pool("runs:ada").running), len(parley.pool("runs:ada").queued)) == (5, 495)
    assert sorted(parley.runs_waiting()) == runs[:5]
    for run_id in runs[:3]:
        parley.run(run_id)
    told = parley.pool("deliveries:ada")
    assert (len(told.running), len(told.queued)) == (2, 1)
    assert sorted(parley.runs_waiting()) == sorted([*runs[5:], *told.running])

    agents.runs.start(agents.request(one, {"City": "Rome"}, run_id="BOB"))
    assert parley.runs_waiting() == ["BOB"]
    parley.run("BOB")
    assert agents.look("BOB", "bob").status == "completed"
    assert len(parley.pool("runs:ada").queued) == 492
