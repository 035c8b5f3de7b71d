"""What becomes of an agent's files, runs and webhook when it is deleted."""

from dataclasses import dataclass

import pytest

from shared.aws.writes import Delete
from shared.chat.deletion import PURGE_AFTER_SECONDS
from shared.chat.purge import Purge
from shared.kernel.errors import NotFound
from shared.runs.deleting import delete_agent
from shared.runs.home import home_session
from shared.runs.hooks import load_hook, put_hook
from tests.support.region import Parley
from tests.support.runs import Agents, given, graph, node, result
from tests.support.workspace import Desk, build_desk

KEEPER = graph(
    [given("in", "Text"), node("store", "Store a file", path="kept.txt"), result("out", "Path")],
    "in.value > store.content",
    "store.path > out.value",
    name="Keeper",
)
SLEEPER = graph([node("wait", "Wait", seconds=3600), result("out", "Done")], "wait.waited_until > out.value")


@dataclass
class Keeping:
    """A user with agents whose runs keep files."""

    parley: Parley
    desk: Desk
    agents: Agents

    def delete(self, agent_id: str, user: str = "ada") -> None:
        delete_agent(self.parley.services, self.agents.library, user, agent_id)
        self.agents.until_quiet()

    def purge(self) -> None:
        self.parley.clock.advance(PURGE_AFTER_SECONDS + 1)
        Purge(self.parley.services, self.desk.workspace, "tick").run(lambda: True)


@pytest.fixture
def keeping(parley: Parley) -> Keeping:
    desk = build_desk(parley.database, parley.clock, parley.watch)
    return Keeping(parley, desk, Agents(parley, desk.workspace))


def test_its_files_go_with_it_and_its_runs_stay(keeping: Keeping) -> None:
    """The quota has their room again; what they have brought can be read."""
    agent = keeping.agents.agent(KEEPER)
    run_id = keeping.agents.start(agent, {"Text": "x" * 100})
    keeping.agents.until_quiet()
    assert keeping.agents.look(run_id).status == "completed"
    assert len(keeping.desk.object_keys()) == 1

    keeping.delete(agent.id)
    keeping.purge()

    assert keeping.desk.object_keys() == []
    assert keeping.parley.database.get({"pk": f"SESSION#{home_session(agent)}", "sk": "META"}) is None
    assert keeping.agents.look(run_id).outputs == {"Path": ["kept.txt"]}
    with pytest.raises(NotFound):
        keeping.delete(agent.id)


def test_runs_that_are_under_way_are_stopped(keeping: Keeping) -> None:
    """One that waits and one that was not begun."""
    agent = keeping.agents.agent(SLEEPER)
    waiting = keeping.agents.start(agent)
    keeping.agents.until_quiet()
    queued = keeping.agents.start(agent)
    keeping.delete(agent.id)
    for run_id in (waiting, queued):
        run = keeping.agents.look(run_id)
        assert (run.status, run.error_code) == ("terminated", "stopped_by_user")


def test_a_run_that_was_not_told_ends_when_it_is_worked_on(keeping: Keeping) -> None:
    agent = keeping.agents.agent(KEEPER)
    run_id = keeping.agents.start(agent, {"Text": "x"})
    keeping.parley.database.write(Delete({"pk": "LIBRARY#ada", "sk": f"AGENT#{agent.id}"}))
    keeping.agents.until_quiet()
    run = keeping.agents.look(run_id)
    assert (run.status, run.error_code) == ("failed", "agent_deleted")
    assert keeping.desk.object_keys() == []


def test_what_is_added_again_keeps_its_own_files(keeping: Keeping) -> None:
    """The purge of what was deleted doesn't take them."""
    library = keeping.agents.library
    first = library.add_published("ada", "parley/watch-a-page")
    keeping.delete(first.id)
    keeping.parley.clock.advance(1)
    again = library.add_published("ada", "parley/watch-a-page")
    assert again.id == first.id
    assert home_session(again) != home_session(first)


def test_nobody_is_told_any_more(keeping: Keeping) -> None:
    agent = keeping.agents.agent(KEEPER)
    put_hook(keeping.parley.database, "ada", agent.id, "https://hooks.example.com/x")
    keeping.delete(agent.id)
    assert load_hook(keeping.parley.database, "ada", agent.id) is None


def test_somebody_elses_agent_is_not_deleted(keeping: Keeping) -> None:
    agent = keeping.agents.agent(KEEPER)
    with pytest.raises(NotFound):
        keeping.delete(agent.id, user="bob")
    assert keeping.agents.library.get("ada", agent.id) == agent
