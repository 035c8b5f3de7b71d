"""A turn that runs an agent and waits for it: real turns, real runs, and nobody who works while nothing happens."""

import json
from contextlib import suppress
from typing import Any

import pytest

from shared.agents.graphs.model import Graph
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.agents.running import RunFilter
from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.run_agent import RunAgent
from shared.agents.tools.view_agent_output import ViewAgentOutput
from shared.chat.cancel import cancel_turn
from shared.chat.sessions import Session
from shared.tasks.records import TaskStatus
from tests.support.checks import check_over
from tests.support.faults import Killed
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, graph, node, result

FAILING = graph([node("q", "JSON query", query="a[", document={}), result("out", "Never")], "q.result > out.value")
ASKING = graph(
    [node("ask", "Human review", payload="Post it?"), result("out", "Said")], "ask.approved_data > out.value"
)


class World:
    """A deployment whose turns may run agents."""

    def __init__(self, parley: Parley) -> None:
        self.parley = parley
        self.reviews = Reviews(parley.database, parley.clock)
        self.agents = Agents(parley, asked=self.reviews)
        means = AgentMeans(parley.database, parley.clock, self.agents.runs)
        parley.with_tools(RunAgent(means), ViewAgentOutput(means))
        self.session: Session = parley.new_session()
        self.task_id = ""

    def turn(self, made_of: Graph, seconds: int, **arguments: Any) -> None:
        """A turn calls `run_agent`; its worker does what it can before any run worker comes."""
        agent = self.agents.agent(made_of)
        asked = {"library_agent_id": agent.id, "wait_for_result": seconds, **arguments}
        self.parley.scripted(calls(("c1", "run_agent", json.dumps(asked))), says("Done"))
        self.task_id = self.parley.send(self.session).task.id
        self.parley.drain_queue()

    @property
    def parked(self) -> bool:
        task = self.parley.task(self.task_id)
        return task.status is TaskStatus.WAITING and task.lease_expires == 0

    @property
    def run_id(self) -> str:
        (run,) = self.agents.runs.recent("ada", RunFilter())
        return run.id

    def answer(self) -> dict[str, Any]:
        """What the call was answered with, when its turn is over."""
        check_over(self.parley, self.session, self.task_id, "completed")
        (row,) = [row for row in self.parley.transcript(self.session) if row.role == "tool"]
        found: dict[str, Any] = json.loads(row.content)
        return found

    def times_out(self) -> None:
        for _ in range(7):
            self.parley.clock.advance(60)
            self.parley.sweep()
            self.parley.drain_queue()


@pytest.fixture
def world(parley: Parley) -> World:
    return World(parley)


PARIS = {"inputs": {"City": "Paris"}}


def test_wait_0_starts_and_goes_on(world: World) -> None:
    """The turn is over before the run is."""
    world.turn(GREETER, 0, **PARIS)
    answer = world.answer()
    assert (answer["type"], answer["status"]) == ("execution_started", "QUEUED")
    world.agents.until_quiet()
    assert world.agents.look(world.run_id).status == "completed"


def test_wait_reached(world: World) -> None:
    """The run's end wakes the turn, which nobody held meanwhile."""
    world.turn(GREETER, 60, **PARIS)
    assert world.parked
    world.agents.until_quiet()
    answer = world.answer()
    assert (answer["type"], answer["execution"]["status"]) == ("agent_output", "COMPLETED")
    assert answer["execution"]["outputs"] == {"Greeting": ["Hello Paris"]}
    assert answer["library_agent_link"]


def test_wait_exceeded(world: World) -> None:
    """The status that the run has then, and how to wait on; the run goes on."""
    world.turn(GREETER, 60, **PARIS)
    assert world.parked
    world.times_out()
    answer = world.answer()
    assert (answer["type"], answer["status"]) == ("execution_started", "QUEUED")
    assert "wait_if_running" in answer["message"]
    assert not world.agents.look(world.run_id).ended


def test_finished_between_start_and_wait(world: World) -> None:
    """The run's worker is quicker than the turn lets go: one invocation is all that the turn takes."""
    world.parley.clock.at(1.0, world.parley.drain_runs)
    world.turn(GREETER, 60, **PARIS)
    assert world.answer()["type"] == "agent_output"
    assert world.parley.task(world.task_id).epoch == 1


def test_failed(world: World) -> None:
    """An error with the detail, so that nobody takes it for done."""
    world.turn(FAILING, 60)
    world.agents.until_quiet()
    answer = world.answer()
    assert (answer["type"], answer["code"]) == ("error", "run_failed")
    assert answer["details"]["status"] == "FAILED"
    assert answer["details"]["error"]
    assert answer["details"]["execution_link"] == f"/#run={world.run_id}"
    assert f"/#run={world.run_id}" in answer["message"]


def test_terminated(world: World) -> None:
    """Somebody has stopped the run."""
    world.turn(GREETER, 60, **PARIS)
    world.agents.runs.stop("ada", world.run_id)
    world.agents.until_quiet()
    answer = world.answer()
    assert (answer["code"], answer["details"]["status"]) == ("run_terminated", "TERMINATED")


def test_review_returns_at_once(world: World) -> None:
    """As soon as the run waits for its user, long before the time is over; and view_agent_output has the rest."""
    world.turn(ASKING, 300)
    assert world.parked
    before = world.parley.clock.now()
    world.agents.until_quiet()
    answer = world.answer()
    assert world.parley.clock.now() - before < 10
    assert (answer["type"], answer["status"]) == ("execution_started", "REVIEW")
    assert "awaiting human review" in answer["message"]
    (review_id,) = answer["reviews"]

    asked = {"execution_id": world.run_id, "wait_if_running": 300}
    world.parley.scripted(calls(("c2", "view_agent_output", json.dumps(asked))), says("Done"))
    world.parley.send(world.session, "And?", "m2")
    world.parley.drain_queue()
    rows = [json.loads(row.content) for row in world.parley.transcript(world.session) if row.role == "tool"]
    assert (rows[-1]["type"], rows[-1]["execution"]["status"]) == ("agent_output", "REVIEW")

    world.reviews.decide("ada", review_id, Verdict("approved"))
    world.agents.until_quiet()
    assert world.agents.look(world.run_id).outputs == {"Said": ["Post it?"]}


def test_a_turn_that_is_stopped_takes_its_run_along(world: World) -> None:
    """What it has started for itself stops too."""
    world.turn(GREETER, 60, **PARIS)
    cancel_turn(world.parley.services, "ada", world.session.id)
    world.agents.until_quiet()
    assert world.agents.look(world.run_id).status == "terminated"


@pytest.mark.parametrize("made_of", [GREETER, ASKING], ids=["ends", "asks"])
def test_view_agent_output_waits_in_the_same_way(world: World, made_of: Graph) -> None:
    """Parked until the run has ended, or asks its user."""
    agent = world.agents.agent(made_of)
    world.agents.start(agent, {"City": "Paris"} if made_of is GREETER else {})
    asked = {"library_agent_id": agent.id, "wait_if_running": 120}
    world.parley.scripted(calls(("c1", "view_agent_output", json.dumps(asked))), says("Done"))
    world.task_id = world.parley.send(world.session).task.id
    world.parley.drain_queue()
    assert world.parked
    world.agents.until_quiet()
    assert world.answer()["execution"]["status"] == ("COMPLETED" if made_of is GREETER else "REVIEW")


def test_a_turn_that_is_killed_starts_one_run(parley: Parley) -> None:
    """Wherever its worker dies: the run is started, counted and answered once."""
    World(parley).turn(GREETER, 60, **PARIS)
    parley.wipe()
    parley.watch.reset()
    World(parley).turn(GREETER, 60, **PARIS)
    for fault_at in range(10, len(parley.watch.calls), 4):
        parley.wipe()
        world = World(parley)
        parley.watch.reset(fault_at, "kill_after")
        with suppress(Killed):
            world.turn(GREETER, 60, **PARIS)
        parley.watch.reset()
        world.task_id = parley.session(world.session.id).last_task or ""
        if not world.task_id:
            continue  # it was not accepted
        for _ in range(3):
            parley.clock.advance(31)
            parley.sweep()
            world.agents.until_quiet()
        check_over(parley, world.session, world.task_id, "completed")
        run_id = world.run_id
        (usage,) = parley.database.query(
            "#pk = :pk AND begins_with(#sk, :prefix)", {"pk": f"SESSION#{world.session.id}", "prefix": "AGENT#"}
        )
        assert usage["runs"] == {run_id}
        assert world.answer()["type"] == "agent_output", fault_at
