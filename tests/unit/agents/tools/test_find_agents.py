"""`find_agent` and `find_library_agent`: what is published, and what is one's own."""

import pytest

from shared.agents.graphs.model import Graph, Link, Node
from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace
from shared.agents.tools.find_agent import FindAgent, FindAgentInput, PublishedAgents
from shared.agents.tools.find_library_agent import FindLibraryAgent, FindLibraryAgentInput, LibraryAgents
from shared.tools.contract import ToolContext
from tests.support.blocks import block_named
from tests.support.region import Parley


def tides(name: str = "Tide table") -> Graph:
    asks = Node(id="in", block_id=block_named("Agent input").id, input_default={"name": "place", "default": "Cork"})
    tells = Node(id="out", block_id=block_named("Agent output").id, input_default={"name": "tide"})
    link = Link(source_id="in", source_name="value", sink_id="out", sink_name="value")
    return Graph(name=name, description="Tells when the water is high.", nodes=[asks, tells], links=[link])


@pytest.fixture
def library(parley: Parley) -> Library:
    return Library(parley.database, parley.clock)


@pytest.fixture
def market(parley: Parley) -> Marketplace:
    return Marketplace(parley.database, parley.clock)


def own(library: Library, user: str = "ada", query: str = "", include_graph: bool = False) -> LibraryAgents:
    arguments = FindLibraryAgentInput(query=query, include_graph=include_graph)
    return FindLibraryAgent(library).run(ToolContext(user, "S1", "T1", "call"), arguments)


def published(market: Marketplace, query: str) -> PublishedAgents:
    return FindAgent(market).run(ToolContext("bob", "S1", "T1", "call"), FindAgentInput(query=query))


@pytest.mark.parametrize("query", ["", "tide tabel", "A1", "  tide  "])
def test_ones_own_agents_are_found(library: Library, query: str) -> None:
    """With what they ask for and where a person finds them; the graph only when it is asked for."""
    library.create("ada", tides(), "A1")
    (found,) = own(library, query=query).agents
    assert (found.id, found.name, found.link, found.graph) == ("A1", "Tide table", "/#agent=A1", None)
    assert found.inputs is not None
    assert found.inputs["properties"] == {"place": {"default": "Cork"}}
    (whole,) = own(library, query=query, include_graph=True).agents
    assert Graph.model_validate(whole.graph) == tides()


def test_ten_are_shown_at_most(library: Library) -> None:
    for number in range(12):
        library.create("ada", tides(f"Tides {number}"), f"A{number}")
    assert own(library).count == own(library, query="tides").count == 10


@pytest.mark.parametrize("query", ["", "tide", "A1"])
def test_somebody_elses_agents_are_not_there(library: Library, query: str) -> None:
    """Whatever is known of them."""
    agent = library.create("ada", tides(), "A1")
    assert own(library, "bob", query).agents == []
    assert own(library, "bob", agent.graph_id).agents == []


def test_an_agent_whose_graph_is_gone_is_still_listed(library: Library, parley: Parley) -> None:
    agent = library.create("ada", tides(), "A1")
    rows = parley.database.query("#pk = :pk", {"pk": f"GRAPH#{agent.graph_id}"})
    parley.database.delete_all([{"pk": row["pk"], "sk": row["sk"]} for row in rows])
    assert own(library).agents[0].inputs is None


def test_published_agents_are_found_by_everybody(library: Library, market: Marketplace) -> None:
    """By words with mistakes, by slug, by id."""
    market.claim("ada", "ada")
    agent = market.publish(library.create("ada", tides(), "A1"), tides(), "tide-table")
    for query in ("tide tabel", "ada/tide-table", "Ada/Tide-Table ", agent.graph_id):
        found = published(market, query).agents[0]
        assert (found.username_agent_slug, found.id) == ("ada/tide-table", agent.graph_id)
        assert found.inputs["properties"] == {"place": {"default": "Cork"}}
    assert published(market, "A1").agents == [], "an id in somebody's library is no published agent's"


def test_what_parley_ships_is_found_in_a_fresh_deployment(market: Marketplace) -> None:
    assert published(market, "research a question").agents[0].username_agent_slug == "parley/research-a-question"
    assert published(market, "zebra crossing").agents == []
