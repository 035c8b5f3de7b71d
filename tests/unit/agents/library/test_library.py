"""Agents are kept with every version of their graphs, and only their user sees them."""

import random
import string

import pytest

from shared.agents.graphs.model import MAX_GRAPH_BYTES, Graph, Node
from shared.agents.library import library as library_module
from shared.agents.library.library import Library
from shared.agents.library.records import MAX_AGENTS, LibraryAgent
from shared.aws.writes import Put
from shared.kernel.errors import Conflict, Invalid, LimitReached, NotFound, TooLarge
from tests.support.region import Parley

GRAPH = Graph(name="Greeter", description="Says hello.", nodes=[Node(id="in", block_id="b1")])


def named(name: str, description: str = "") -> Graph:
    return GRAPH.model_copy(update={"name": name, "description": description})


@pytest.fixture
def library(parley: Parley) -> Library:
    return Library(parley.database, parley.clock)


def fill(parley: Parley, agents: int, name: str = "Agent {}") -> None:
    """A library as many creations leave it, without their time."""
    for number in range(agents):
        agent = LibraryAgent(f"A{number:04d}", "ada", f"G{number}", 1, name.format(number), "It works.", 0, number)
        parley.database.write(Put(agent.to_item()))
    parley.database.write(Put({"pk": "LIBRARY#ada", "sk": "TOTAL", "v": 1, "agents": agents}))


def test_the_same_id_creates_once(library: Library) -> None:
    first = library.create("ada", GRAPH, "a1")
    assert library.create("ada", named("Other"), "a1") == first
    assert library.graph(first) == GRAPH
    assert len(library.page("ada", 10).agents) == 1


def test_somebody_elses_agent_does_not_exist(library: Library) -> None:
    library.create("ada", GRAPH, "a1")
    with pytest.raises(NotFound):
        library.get("bob", "a1")
    assert (library.search("bob", "Greeter", 5), library.search("bob", "a1", 5)) == ([], [])
    assert library.page("bob", 5).agents == []


def test_a_saved_graph_is_the_next_version_and_the_old_one_stays(library: Library) -> None:
    first = library.create("ada", GRAPH, "a1")
    second = library.save(first, named("Better"))
    assert (second.version, second.name) == (2, "Better")
    assert library.graph(second.at(1)) == GRAPH
    assert library.get("ada", "a1") == second


def test_a_save_on_an_old_reading_is_refused(library: Library) -> None:
    first = library.create("ada", GRAPH, "a1")
    library.save(first, GRAPH)
    with pytest.raises(Conflict):
        library.save(first, GRAPH)


def test_an_older_version_can_be_the_one_that_runs(library: Library) -> None:
    """The next save is still a new version."""
    second = library.save(library.create("ada", GRAPH, "a1"), named("Better"))
    older = library.change(second, version=1)
    assert library.graph(older) == GRAPH
    third = library.save(older, named("Best"))
    assert [version.number for version in library.versions(third, 10)] == [3, 2, 1]
    assert [(v.number, v.name) for v in library.versions(third, 1, before=3)] == [(2, "Better")]
    with pytest.raises(NotFound):
        library.change(third, version=7)


def test_a_name_changes_without_a_version(library: Library) -> None:
    """What is edited or shared afterwards has the new name."""
    agent = library.create("ada", GRAPH, "a1")
    renamed = library.change(agent, name="Host", description="Welcomes.")
    assert (renamed.name, renamed.description, renamed.version) == ("Host", "Welcomes.", 1)
    assert library.exported(renamed) == named("Host", "Welcomes.")
    with pytest.raises(Conflict):
        library.change(agent, name="Somebody else was quicker")


def test_what_is_deleted_is_gone_and_its_graph_goes_later(library: Library, parley: Parley) -> None:
    """A run that has begun goes on with it."""
    agent = library.save(library.create("ada", GRAPH, "a1"), named("Better"))
    library.delete(agent)
    with pytest.raises(NotFound):
        library.get("ada", "a1")
    with pytest.raises(NotFound):
        library.delete(agent)
    assert library.graph(agent).name == "Better"
    rows = list(parley.database.query("#pk = :pk", {"pk": f"GRAPH#{agent.graph_id}"}))
    assert len(rows) == 4
    assert all(row["expires_at"] > parley.clock.now() for row in rows)
    assert library.create("ada", GRAPH, "a2").id == "a2"


def test_the_last_hundred_versions_are_kept(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "KEPT_VERSIONS", 2)
    agent = library.create("ada", GRAPH, "a1")
    for _ in range(3):
        agent = library.save(agent, GRAPH)
    assert [version.number for version in library.versions(agent, 10)] == [4, 3]
    with pytest.raises(NotFound):
        library.change(agent, version=2)


def test_a_list_begins_with_the_last_updated(library: Library, parley: Parley) -> None:
    """A page names the cursor of the next one; each agent is shown once."""
    agents = []
    for number in range(5):
        agents.append(library.create("ada", named(f"Agent {number}"), f"a{number}"))
        parley.clock.advance(1)
    library.change(agents[0], name="Changed")
    first = library.page("ada", 3)
    second = library.page("ada", 3, first.next_cursor)
    assert [agent.id for agent in (*first.agents, *second.agents)] == ["a0", "a4", "a3", "a2", "a1"]
    assert second.next_cursor is None
    with pytest.raises(Invalid):
        library.page("ada", 3, "nonsense")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("page watcher", "Page watcher"),
        ("pagewatcher", "Page watcher"),
        ("wacth page", "Page watcher"),
        ("WATCHERS", "Page watcher"),
        ("summarize", "Summariser"),
        ("invoices", "Accountant"),
        ("A1", "Accountant"),
        ("天気", "今日の天気予報"),
    ],
)
def test_agents_are_found_by_what_people_remember(library: Library, query: str, found: str) -> None:
    """Name before description; a word with a mistake in it; an id alone."""
    library.create("ada", named("Accountant", "Sorts invoices by page and date."), "A1")
    library.create("ada", named("Page watcher", "Tells when something has changed."), "A2")
    library.create("ada", named("Summariser", "Makes long texts short."), "A3")
    library.create("ada", named("今日の天気予報", ""), "A4")
    assert library.search("ada", query, 5)[0].name == found
    assert library.search("ada", "zebra", 5) == []


def test_a_thousand_agents_are_listed_and_searched_within_few_calls(library: Library, parley: Parley) -> None:
    fill(parley, MAX_AGENTS)
    before = len(parley.watch.calls)
    assert library.search("ada", "agnet 77", 3)[0].name == "Agent 77"
    assert len(library.page("ada", 50).agents) == 50
    assert len(parley.watch.calls) - before <= 4


def test_a_library_has_an_end(library: Library, parley: Parley) -> None:
    """What is deleted makes room."""
    fill(parley, MAX_AGENTS)
    with pytest.raises(LimitReached):
        library.create("ada", GRAPH, "one-too-many")
    library.delete(library.get("ada", "A0000"))
    assert library.create("ada", GRAPH, "fits").name == "Greeter"


def test_a_graph_of_a_megabyte_is_kept_however_badly_it_packs(library: Library) -> None:
    """An item holds less; one byte more is refused."""
    letters = random.Random(7).choices(string.ascii_letters + string.digits + "-_", k=MAX_GRAPH_BYTES)  # noqa: S311

    def of_bytes(count: int) -> Graph:
        frame = len(b'{"name": "Big", "nodes": [{"id": "n", "block_id": "b", "input_default": {"text": ""}}]}')
        return Graph(
            name="Big", nodes=[Node(id="n", block_id="b", input_default={"text": "".join(letters[: count - frame])})]
        )

    agent = library.create("ada", of_bytes(MAX_GRAPH_BYTES), "a1")
    assert library.graph(agent) == of_bytes(MAX_GRAPH_BYTES)
    with pytest.raises(TooLarge):
        library.save(agent, of_bytes(MAX_GRAPH_BYTES + 1))
