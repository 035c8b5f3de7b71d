"""Agents are kept with every version of their graphs, and only their user sees them."""

import pytest

from shared.agents.graphs.model import Graph, Node
from shared.agents.library.library import Library
from shared.kernel.errors import Conflict, NotFound
from tests.support.region import Parley

GRAPH = Graph(name="Greeter", description="Says hello.", nodes=[Node(id="in", block_id="b1")])


@pytest.fixture
def library(parley: Parley) -> Library:
    return Library(parley.database, parley.clock)


def test_the_same_id_creates_once(library: Library) -> None:
    first = library.create("ada", GRAPH, "a1")
    assert library.create("ada", GRAPH.model_copy(update={"name": "Other"}), "a1") == first
    assert library.graph(first) == GRAPH


def test_somebody_elses_agent_does_not_exist(library: Library) -> None:
    library.create("ada", GRAPH, "a1")
    with pytest.raises(NotFound):
        library.get("bob", "a1")


def test_a_saved_graph_is_the_next_version_and_the_old_one_stays(library: Library) -> None:
    first = library.create("ada", GRAPH, "a1")
    second = library.save(first, GRAPH.model_copy(update={"name": "Better"}))
    assert (second.version, second.name) == (2, "Better")
    assert library.graph(second.at(1)) == GRAPH
    assert library.get("ada", "a1") == second


def test_a_save_on_an_old_reading_is_refused(library: Library) -> None:
    first = library.create("ada", GRAPH, "a1")
    library.save(first, GRAPH)
    with pytest.raises(Conflict):
        library.save(first, GRAPH)
