"""Agents are published under a user's name, found by everybody, and stay with those who have added them."""

import pytest

from shared.agents.graphs.model import Graph, Node
from shared.agents.library.library import Library
from shared.agents.library.marketplace import MAX_PUBLISHED, Marketplace, Published
from shared.agents.library.records import LibraryAgent
from shared.agents.library.shipped import shipped_agents
from shared.agents.library.slugs import is_slug, slug_from
from shared.aws.writes import Update
from shared.kernel.errors import Conflict, Invalid, LimitReached, NotFound
from tests.support.region import Parley

GRAPH = Graph(name="Tide table", description="Tells when the water is high.", nodes=[Node(id="in", block_id="b1")])
SLUG = "ada/tide-table"
SHIPPED = len(shipped_agents())


@pytest.fixture
def library(parley: Parley) -> Library:
    return Library(parley.database, parley.clock)


@pytest.fixture
def market(parley: Parley) -> Marketplace:
    return Marketplace(parley.database, parley.clock)


@pytest.fixture
def agent(library: Library, market: Marketplace) -> LibraryAgent:
    """Ada's, who may publish."""
    market.claim("ada", "ada")
    return library.create("ada", GRAPH, "A1")


def publish(library: Library, market: Marketplace, agent: LibraryAgent, slug: str = "tide-table") -> Published:
    return market.publish(agent, library.exported(agent), slug)


def slugs(market: Marketplace, limit: int = 50) -> list[str]:
    return [listed.slug for listed in market.page(limit)[0]][SHIPPED:]


def test_a_username_is_claimed_once_and_for_good(market: Marketplace) -> None:
    assert market.claim("ada", "ada") == market.claim("ada", "ada") == market.username("ada") == "ada"
    with pytest.raises(Conflict) as taken:
        market.claim("bob", "ada")
    with pytest.raises(Conflict) as fixed:
        market.claim("ada", "ada-2")
    assert (taken.value.code, fixed.value.code) == ("USERNAME_TAKEN", "USERNAME_FIXED")
    assert market.claim("bob", "ada-2") == "ada-2", "what was refused is not taken"


@pytest.mark.parametrize("name", ["parley", "admin", "support"])
def test_some_usernames_are_nobodys(market: Marketplace, name: str) -> None:
    with pytest.raises(Invalid):
        market.claim("ada", name)


def test_what_is_published_is_found_by_everybody(
    library: Library, market: Marketplace, agent: LibraryAgent, parley: Parley
) -> None:
    """By its slug, its id, or words with mistakes; the last published first."""
    published = publish(library, market, agent)
    parley.clock.advance(1)
    market.publish(
        library.create("ada", GRAPH, "A2"), GRAPH.model_copy(update={"name": "Moon", "description": ""}), "moon"
    )
    assert published.slug == SLUG
    assert market.graph(market.get(" ADA/Tide-Table ")) == GRAPH
    for query in (SLUG, published.graph_id, "tidetable", "when is the watter high"):
        assert market.search(query, 5)[0].slug == SLUG
    assert slugs(market) == ["ada/moon", SLUG]


def test_pages_show_each_agent_once(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """Those of Parley before the others."""
    for number in range(3):
        publish(library, market, library.create("ada", GRAPH, f"A{number}"), f"tide-{number}")
    found: list[str] = []
    cursor: str | None = None
    for _ in range(SHIPPED + 3):
        listed, cursor = market.page(1, cursor)
        found += [one.slug for one in listed]
    assert cursor is None
    assert found == [listed.slug for listed in market.page(50)[0]]
    assert len(set(found)) == SHIPPED + 3
    with pytest.raises(Invalid):
        market.page(5, "nonsense")


def test_adding_twice_gives_the_same_agent(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """It runs what was published, and is not its user's to change in place."""
    publish(library, market, agent)
    added = library.add_published("bob", SLUG)
    assert library.add_published("bob", "Ada/Tide-Table") == added == library.by_slug("bob", SLUG)
    assert (library.graph(added), added.owns_graph) == (GRAPH, False)
    assert library.search("bob", SLUG, 5) == library.search("bob", added.graph_id, 5) == [added]
    assert library.by_graph("bob", added.graph_id) == added
    assert library.by_graph("ada", added.graph_id) is None
    with pytest.raises(NotFound):
        library.add_published("bob", "ada/no-such-agent")


def test_who_has_published_it_has_it(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """Their own agent, as it is now, and no copy; once that is deleted they may add what is published."""
    publish(library, market, agent)
    assert library.by_slug("ada", SLUG) == library.add_published("ada", SLUG) == agent
    assert library.by_slug("bob", SLUG) is None
    library.delete(agent)
    assert library.by_slug("ada", SLUG) is None
    assert library.add_published("ada", SLUG).owns_graph is False


def test_what_was_added_goes_on_working(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """Whatever its publisher does."""
    publish(library, market, agent)
    added = library.add_published("bob", SLUG)
    market.withdraw("ada", SLUG)
    library.delete(agent)
    assert (market.find(SLUG), market.search("tide", 5), slugs(market)) == (None, [], [])
    assert library.graph(library.add_published("bob", SLUG)) == GRAPH
    assert library.versions(added, 10)[0].number == 1
    with pytest.raises(NotFound):
        library.add_published("eve", SLUG)
    with pytest.raises(NotFound):
        market.withdraw("ada", SLUG)


def test_a_further_version_is_taken_when_its_user_wants_it(
    library: Library, market: Marketplace, agent: LibraryAgent
) -> None:
    publish(library, market, agent)
    added = library.add_published("bob", SLUG)
    better = library.save(agent, GRAPH.model_copy(update={"name": "Better tides"}))
    publish(library, market, better)
    assert library.graph(library.get("bob", added.id)) == GRAPH
    assert [(version.number, version.name) for version in library.versions(added, 10)] == [
        (2, "Better tides"),
        (1, "Tide table"),
    ]
    assert library.graph(library.change(added, version=2)).name == "Better tides"
    with pytest.raises(NotFound):
        library.change(added, version=3)


def test_publishing_the_same_again_changes_nothing(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """A new name does."""
    first = publish(library, market, agent)
    assert publish(library, market, agent) == first
    assert publish(library, market, library.change(agent, name="Other")).version == 2


def test_a_withdrawn_slug_can_be_used_again(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """Its versions are counted on, so nobody gets another graph than the one that was added."""
    publish(library, market, agent)
    added = library.add_published("bob", SLUG)
    market.withdraw("ada", SLUG)
    other = library.create("ada", GRAPH.model_copy(update={"name": "Other"}), "A2")
    assert publish(library, market, other).version == 2
    assert library.graph(added) == GRAPH


def test_one_slug_is_for_one_agent(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    publish(library, market, agent)
    with pytest.raises(Conflict) as refused:
        publish(library, market, library.create("ada", GRAPH, "A2"))
    assert refused.value.code == "SLUG_TAKEN"


def test_only_ones_own_agent_is_published(library: Library, market: Marketplace, agent: LibraryAgent) -> None:
    """A copy that was changed is one's own."""
    publish(library, market, agent)
    added = library.add_published("bob", SLUG)
    with pytest.raises(Conflict) as nameless:
        publish(library, market, library.create("bob", GRAPH, "B1"))
    market.claim("bob", "bob")
    with pytest.raises(Conflict) as foreign:
        publish(library, market, added)
    assert (nameless.value.code, foreign.value.code) == ("USERNAME_MISSING", "NOT_YOUR_GRAPH")
    changed = library.save(added, GRAPH.model_copy(update={"name": "Mine"}))
    assert (changed.version, changed.id, changed.owns_graph) == (1, added.id, True)
    assert publish(library, market, changed).slug == "bob/tide-table"
    with pytest.raises(NotFound):
        market.withdraw("bob", SLUG)


def test_an_agent_that_is_added_again_can_be_changed_again(
    library: Library, market: Marketplace, agent: LibraryAgent, parley: Parley
) -> None:
    """Its copy is another one than the deleted."""
    publish(library, market, agent)
    library.save(library.add_published("bob", SLUG), GRAPH)
    library.delete(library.add_published("bob", SLUG))
    parley.clock.advance(1)
    again = library.add_published("bob", SLUG)
    assert again.owns_graph is False
    assert library.save(again, GRAPH.model_copy(update={"name": "Mine"})).name == "Mine"


def test_two_at_once_make_one(library: Library, market: Marketplace, agent: LibraryAgent, parley: Parley) -> None:
    """Both add, or both publish: the slower one sees what the quicker one has done."""
    publish(library, market, agent)
    added: list[LibraryAgent] = []

    def meanwhile(call: str, number: int) -> None:
        if call == "TransactWriteItems":
            parley.watch.on_call = None
            added.append(library.add_published("bob", SLUG))

    parley.watch.on_call = meanwhile
    parley.clock.advance(1)
    assert library.add_published("bob", SLUG) == added[0]
    assert len(library.page("bob", 10).agents) == 1


def test_a_user_publishes_so_many_and_no_more(
    library: Library, market: Marketplace, agent: LibraryAgent, parley: Parley
) -> None:
    """Counted in the transaction that publishes, so that two at once don't pass the limit together."""
    publish(library, market, agent)
    counter = {"pk": "USER#ada", "sk": "STORE_PROFILE"}
    assert parley.database.get(counter, consistent=True)["published"] == 1  # type: ignore[index]
    parley.database.write(Update(counter, "SET #published = :most", values={"most": MAX_PUBLISHED}))
    with pytest.raises(LimitReached):
        market.publish(agent, library.exported(agent), "another")
    assert publish(library, market, agent).slug == SLUG  # there is one already


def test_an_agent_that_parley_ships_is_added_without_being_published(library: Library, market: Marketplace) -> None:
    """Nothing in the tables is needed for it; what was added stays, whatever is shipped later."""
    assert market.page(50)[0][0].slug.startswith("parley/")
    assert market.search("sumarise", 5)[0].slug == "parley/summarise-a-page"
    added = library.add_published("bob", "parley/summarise-a-page")
    assert library.graph(added) == market.graph(market.get("parley/summarise-a-page"))
    assert library.add_published("eve", "parley/summarise-a-page").graph_id == added.graph_id
    assert library.versions(added, 10)[0].name == "Summarise a page"


@pytest.mark.parametrize("written", ["ada", "ada/", "/x", "ada/x/y", "Ada/x", "ada/-x", "ada/x y", "1da/x", "ada/x\n"])
def test_what_is_no_slug_is_not_looked_up(written: str) -> None:
    assert not is_slug(written)
    assert is_slug("ada/x-1")


def test_a_name_suggests_a_slug() -> None:
    assert slug_from("Fetch & summarise: a Page!") == "fetch-summarise-a-page"
    assert slug_from("天気") == ""
