"""Graphs leave as documents without secrets, and come back as they were."""

from typing import Any

import pytest

from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput
from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.registry import shipped_blocks
from shared.agents.graphs.transfer import exported, imported
from shared.agents.library.shipped import Shipped, shipped_agents
from tests.support.graphs import graph, greeting, node


class SignInput(BlockInput):
    """With a secret."""

    text: str = ""
    key: str = ""

    model_config = {"json_schema_extra": lambda schema: schema["properties"]["key"].update(format="password")}  # noqa: RUF012


class Sign(Block[SignInput, BlockOutput]):
    """Has an input that is secret."""

    id = "sign"
    name = "Sign"
    description = "Signs."
    category = "text"
    input_model = SignInput
    output_model = BlockOutput
    examples = ()

    def run(self, context: BlockContext, inputs: SignInput) -> BlockOutput:
        return BlockOutput()


BLOCKS = [*shipped_blocks(), Sign()]


def test_what_is_exported_is_imported_as_it_was() -> None:
    made = exported(greeting())

    assert (made["format"], made["version"], made["removed"]) == ("parley.agent", 1, [])
    result = imported(made)
    assert (result.graph, result.applied, result.problems) == (greeting(), [], [])


@pytest.mark.parametrize("shipped", shipped_agents(), ids=lambda shipped: shipped.slug)
def test_shipped_agents_are_sound_and_can_be_passed_on(shipped: Shipped) -> None:
    result = imported(exported(shipped.graph))

    assert (result.graph, result.applied, result.problems) == (shipped.graph, [], [])


def test_secrets_stay_and_are_named() -> None:
    secret = {"type": "string", "format": "password"}
    made = exported(
        graph(
            node("key", AgentInput, name="key", value_schema=secret, default="s3cret"),
            node("sign", Sign, text="open", key="s3cret"),
            node("out", AgentOutput, name="out", value="x"),
        ),
        BLOCKS,
    )

    assert "s3cret" not in str(made)
    assert made["removed"] == [
        'Took "default" out of node "key": it is secret. Set it after the import.',
        'Took "key" out of node "sign": it is secret. Set it after the import.',
    ]
    assert imported(made, BLOCKS).sound


@pytest.mark.parametrize(
    "document",
    [
        {"format": "other.agent", "version": 1, "graph": {}},
        {"format": "parley.agent", "version": 2, "graph": {}},
        {"format": ["x"] * 1_000},
    ],
)
def test_other_documents_are_refused(document: Any) -> None:
    (problem,) = imported(document).problems

    assert problem.code == "unknown_format"
    assert len(problem.message) < 300


def test_a_bare_graph_is_repaired_on_its_way_in() -> None:
    raw = greeting().model_dump()
    raw["edges"] = raw.pop("links")

    result = imported(raw)

    assert result.graph == greeting()
    assert result.applied


@pytest.mark.parametrize("garbage", [None, [], {"format": "parley.agent", "version": 1}, "x", {"graph": 5}])
def test_garbage_is_answered_with_problems(garbage: Any) -> None:
    assert imported(garbage).problems
