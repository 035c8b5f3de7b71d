"""What runs ask that others run: those ask it, too, and go on with the answer."""

from typing import Any

import pytest

from shared.agents.graphs.model import Graph
from shared.agents.reviews.reviews import Verdict
from shared.runs.hooks import put_hook
from tests.support.region import Parley
from tests.support.runs import Agents, given, graph, node, result
from tests.unit.runs.test_reviews import AsksFirst, agents_of, reviews_of

APPROVED = Verdict("approved")
TWICE = graph(
    [given("in", "Text"), node("a", "asks"), node("b", "asks"), result("out", "Sent")],
    "in.value > a.value",
    "a.value > b.value",
    "b.value > out.value",
)
TWO_AT_ONCE = graph(
    [given("in", "Text"), node("a", "asks"), node("b", "asks"), result("out", "Sent")],
    "in.value > a.value",
    "in.value > b.value",
    "a.value > out.value",
)
FOR_EACH = graph(
    [given("in", "Text"), node("loop", "Loop over a list"), node("a", "asks"), result("out", "Sent")],
    "in.value > loop.items",
    "loop.item > a.value",
    "a.value > out.value",
)
BESIDE_A_WAIT = graph(
    [given("in", "Text"), node("a", "asks"), node("w", "Wait", seconds=120), result("out", "Sent")],
    "in.value > a.value",
    "in.value > w.value",
    "a.value > out.value",
)


def around(agents: Agents, inner: Graph, *, depth: int = 1, text: Any = "Hello") -> str:
    """Runs `inner` within as many others; the id of the outermost run, which tells a webhook of itself."""
    agent = agents.agent(inner)
    for level in range(depth):
        inputs = {} if level else {"Text": text}
        within = node("run", "Run agent", library_agent_id=agent.id, inputs=inputs)
        agent = agents.agent(graph([within, result("out", "Sent")], "run.outputs > out.value"))
    put_hook(agents.parley.database, "ada", agent.id, "https://hooks.example.com/runs")
    run_id = agents.start(agent)
    agents.until_quiet()
    return run_id


def approve(agents: Agents, run_id: str) -> str:
    """The first of what the run asks; its id."""
    (review, *_) = agents.look(run_id).reviews
    reviews_of(agents.parley).decide("ada", review, APPROVED)
    return review


@pytest.mark.parametrize("outermost_first", [True, False])
def test_question_after_question_is_asked_at_each_depth(parley: Parley, outermost_first: bool) -> None:
    """Whoever hears first of an answer; with the last one all of them go on."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    run_id, asked = around(agents, TWICE, depth=2), set()
    for _ in range(2):
        run = agents.look(run_id)
        assert (run.status, len(run.reviews)) == ("review", 1)
        asked.add(approve(agents, run_id))
        for woken in sorted(parley.runs_waiting(), key=lambda one: (one == run_id) != outermost_first):
            parley.run(woken)
        agents.until_quiet()
    assert (agents.look(run_id).status, len(asked), len(block.calls)) == ("completed", 2, 2)


def test_each_question_is_told_once(parley: Parley) -> None:
    """Though the run asks the second one again when the first is answered."""
    agents = agents_of(parley, AsksFirst())
    run_id = around(agents, TWO_AT_ONCE)
    assert len(agents.look(run_id).reviews) == 2
    for left in (1, 0):
        approve(agents, run_id)
        agents.until_quiet()
        assert len(agents.look(run_id).reviews) == left
    assert agents.look(run_id).status == "completed"


def test_a_question_stays_while_the_run_within_goes_on(parley: Parley) -> None:
    """It waits for something else besides, and is taken up for that."""
    agents = agents_of(parley, AsksFirst())
    run_id = around(agents, BESIDE_A_WAIT)
    agents.minutes(4)
    assert len(agents.look(run_id).reviews) == 1
    approve(agents, run_id)
    agents.until_quiet()
    assert agents.look(run_id).status == "completed"


def test_many_questions_are_asked_some_at_a_time(parley: Parley) -> None:
    """A transaction holds a hundred rows; each answer makes room for another one."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    run_id = around(agents, FOR_EACH, text=[str(number) for number in range(20)])
    asked = []
    while agents.look(run_id).status == "review":
        assert 1 <= len(agents.look(run_id).reviews) <= 8
        asked.append(approve(agents, run_id))
        agents.until_quiet()
    assert (agents.look(run_id).status, len(set(asked)), len(block.calls)) == ("completed", 20, 20)
