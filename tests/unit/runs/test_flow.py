"""How values flow: docs/decisions/0011, sentence by sentence."""

from typing import Any

from shared.agents.running import RunView
from tests.support.region import Parley
from tests.support.runs import OWN, Agents, Probe, given, graph, link, node, result

FEW = [{"n": 1}, {"n": 2}, {"n": 3}]


class Countdown(Probe):
    """A list of one number less, as long as there is one."""

    id = OWN["countdown"]

    def __init__(self) -> None:
        super().__init__(lambda _, value: [value - 1] if value else [])


def ran(parley: Parley, nodes: Any, *links: Any, inputs: Any = None, **more: Any) -> RunView:
    return Agents(parley, **more).run(graph(nodes, *links), inputs)


def test_what_follows_a_loop_runs_once_for_each_item_in_order(parley: Parley) -> None:
    nodes = [node("loop", "Loop over a list", items=["a", "b", "c"]), result("out", "Items")]
    run = ran(parley, nodes, "loop.item > out.value")
    assert (run.status, run.outputs) == ("completed", {"Items": ["a", "b", "c"]})


def test_a_slow_early_execution_does_not_change_the_order(parley: Parley) -> None:
    """Values of a node count in the order of its executions, however late an earlier one ends."""

    def act(context: Any, value: Any) -> Any:
        from shared.tasks.wait import Wait

        if value == "a":
            return Wait((), int(parley.clock.now() * 1000) + 60_000)
        return "a, late" if isinstance(value, dict) else value

    nodes = [node("loop", "Loop over a list", items=["a", "b", "c"]), node("p", "probe"), result("out", "Items")]
    agents = Agents(parley, blocks=[Probe(act)])
    run_id = agents.start(agents.agent(graph(nodes, "loop.item > p.value", "p.value > out.value")))
    agents.until_quiet()
    assert agents.look(run_id).status == "waiting"
    assert [one.node_id for one in agents.nodes(run_id) if one.status == "completed"] == ["loop", "p", "p"]
    agents.minutes(2)
    assert agents.look(run_id).outputs == {"Items": ["a, late", "b", "c"]}


def test_a_static_link_brings_its_first_value_to_each_execution(parley: Parley) -> None:
    nodes = [
        given("in", "Word"),
        node("loop", "Loop over a list", items=[1, 2]),
        node("say", "Text template", template="{{ word }} {{ item }}"),
        result("out", "Said"),
    ]
    links = [link("in.value > say.values.word", static=True), "loop.item > say.values.item", "say.text > out.value"]
    run = ran(parley, nodes, *links, inputs={"Word": "Row"})
    assert run.outputs == {"Said": ["Row 1", "Row 2"]}


def test_a_branch_that_is_not_taken_does_not_run_and_merge_knows(parley: Parley) -> None:
    """Merge runs when nothing more can come; its list is in the order of the links."""
    nodes = [
        node("left", "Loop over a list", items=[1, 2]),
        node("right", "Loop over a list", items=[3]),
        node("none", "Loop over a list", items=[]),
        node("never", "Text template", template="{{ x }}"),
        node("all", "Merge"),
        result("out", "All"),
        result("count", "Count"),
    ]
    links = ["right.item > all.values", "left.item > all.values", "none.item > never.values.x"]
    links += ["never.text > all.values", "all.values > out.value", "all.count > count.value"]
    run = ran(parley, nodes, *links)
    assert run.outputs == {"All": [[3, 1, 2]], "Count": [3]}


def test_what_many_links_bring_is_refused_before_it_is_written_out(parley: Parley) -> None:
    """The same long text a hundred times takes no memory, until somebody writes it."""
    written = 0

    class Told(Probe):
        def run(self, context: Any, inputs: Any) -> Any:
            nonlocal written
            written += 1
            return super().run(context, inputs)

    nodes = [node("long", "probe", value=1), node("all", "Merge"), node("p", "probe"), result("out", "Error")]
    links = ["long.value > all.values"] * 100 + ["all.values > p.value", "all.error > out.value"]
    run = ran(parley, nodes, *links, blocks=[Told(lambda *_: "x" * 100_000)])
    assert run.outputs == {"Error": ["What comes to it becomes too large; give it less to work on."]}
    assert written == 1


def test_a_loop_may_be_fed_from_what_follows_it(parley: Parley) -> None:
    """A cycle through a block that gathers each ends when nothing in it can start."""

    nodes = [
        node("start", "probe", value=[3]),
        node("loop", "Loop over a list"),
        node("down", "countdown"),
        node("all", "Merge"),
        result("out", "Seen"),
    ]

    links = ["start.value > loop.items", "loop.item > down.value", "down.value > loop.items"]
    links += ["loop.item > all.values", "all.values > out.value"]
    run = ran(parley, nodes, *links, blocks=[Probe(), Countdown()])
    assert (run.status, run.outputs) == ("completed", {"Seen": [[3, 2, 1, 0]]})


def test_a_failure_that_is_linked_is_a_value(parley: Parley) -> None:
    nodes = [node("q", "JSON query", data={}, query="[[["), result("out", "Why")]
    run = ran(parley, nodes, "q.error > out.value")
    assert run.status == "completed"
    assert len(run.outputs["Why"]) == 1


def test_a_failure_that_nobody_takes_ends_the_run_and_names_the_node(parley: Parley) -> None:
    agents = Agents(parley)
    run = agents.run(graph([node("q", "JSON query", data={}, query="[[[")]))
    assert run.status == "failed"
    assert run.error.startswith("JSON query (q) failed: ")
    error = parley.task(run.id).error
    assert error is not None
    assert (error["node_id"], error["block"], error["code"]) == ("q", "JSON query", run.error_code)


def test_inputs_that_do_not_fit_name_the_field(parley: Parley) -> None:
    run = ran(parley, [given("in", "N"), node("t", "Text template")], "in.value > t.template", inputs={"N": 7})
    assert (run.status, run.error_code) == ("failed", "input_invalid")
    assert "template" in run.error


def test_two_links_to_one_plain_input_are_no_graph_that_runs(parley: Parley) -> None:
    nodes = [given("a", "A"), given("b", "B"), result("out", "X")]
    run = ran(parley, nodes, "a.value > out.value", "b.value > out.value", inputs={"A": 1, "B": 2})
    assert (run.status, run.error_code) == ("failed", "graph_invalid")


def test_an_agent_without_nodes_completes(parley: Parley) -> None:
    assert ran(parley, []).status == "completed"
