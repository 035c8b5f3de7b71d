"""The agents that come with Parley can run."""

import pytest

from shared.agents.graphs.schemas import execution_modes, input_schema, output_schema, providers_of
from shared.agents.graphs.validation import problems
from shared.agents.library.shipped import Shipped, shipped_agents
from shared.agents.library.slugs import is_slug

INPUTS = {
    "parley/compare-two-texts": (["first_text", "second_text"], ["focus"]),
    "parley/research-a-question": (["question"], ["background"]),
    "parley/review-then-post": (["message", "url"], []),
    "parley/summarise-a-page": (["url"], ["length"]),
    "parley/watch-a-page": (["url"], []),
}
"""By slug: what must be given, and what may be."""
ACCOUNTS = {"parley/review-then-post": ["webhook_signing"]}


def test_there_are_five() -> None:
    assert {shipped.slug for shipped in shipped_agents()} == INPUTS.keys()


@pytest.mark.parametrize("shipped", shipped_agents(), ids=lambda shipped: shipped.slug)
def test_each_is_sound(shipped: Shipped) -> None:
    """It has a description, asks for little, and may be started by hand and on a schedule."""
    graph, schema = shipped.graph, input_schema(shipped.graph)
    required, optional = INPUTS[shipped.slug]
    assert problems(graph) == []
    assert is_slug(shipped.slug)
    assert graph.description
    assert schema["required"] == required
    assert sorted(schema["properties"]) == sorted([*required, *optional])
    assert output_schema(graph)["properties"]
    assert providers_of(graph) == ACCOUNTS.get(shipped.slug, [])
    assert execution_modes(graph) == ["manual", "scheduled"]
