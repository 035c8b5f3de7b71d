"""What an agent asks for, answers and needs, and inputs that are compared with it."""

from typing import Any

import pytest

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.library.text_template import TextTemplate
from shared.agents.blocks.registry import shipped_blocks
from shared.agents.graphs.model import Graph, Node
from shared.agents.graphs.schemas import check_inputs, execution_modes, input_schema, output_schema, providers_of


def asking(*inputs: dict[str, Any], block_id: str = AgentInput.id) -> Graph:
    nodes = [Node(id=str(number), block_id=block_id, input_default=one) for number, one in enumerate(inputs)]
    return Graph(name="Asks", nodes=nodes)


def test_each_agent_input_is_a_property_and_required_unless_it_has_a_default() -> None:
    graph = asking(
        {"name": "topic", "description": "What to look for.", "value_schema": {"type": "string"}},
        {"name": "limit", "default": 5},
        {"name": "note", "default": None},
        {"name": "preset", "value": "x"},
    )

    assert input_schema(graph) == {
        "type": "object",
        "properties": {
            "topic": {"type": "string", "description": "What to look for."},
            "limit": {"default": 5},
            "note": {"default": None},
            "preset": {"default": "x"},
        },
        "required": ["topic"],
        "additionalProperties": False,
    }


def test_outputs_are_lists_of_values_by_name() -> None:
    schema = output_schema(asking({"name": "summary", "description": "In short."}, block_id=AgentOutput.id))

    assert schema["properties"] == {"summary": {"type": "array", "items": {}, "description": "In short."}}


@pytest.mark.parametrize(
    "hostile",
    [
        {},
        {"name": 5},
        {"name": ""},
        {"name": "a", "description": 3},
        {"name": "a", "value_schema": {"$ref": "#"}},
        {"name": "a", "value_schema": {"required": [{}]}},
        {"name": "a", "value_schema": {"type": "strange"}},
        {"name": "a", "value_schema": "no"},
    ],
)
def test_a_graph_that_nobody_has_validated_has_schemas_too(hostile: dict[str, Any]) -> None:
    schema = input_schema(asking(hostile, {"name": "b"}))

    assert schema["properties"].get("a", {}) == {}
    assert check_inputs(schema, {"a": {}, "b": 1}).missing == []


def test_of_two_inputs_of_one_name_the_first_counts() -> None:
    schema = input_schema(asking({"name": "a", "default": 1}, {"name": "a"}))

    assert schema["properties"] == {"a": {"default": 1}}
    assert schema["required"] == []


def test_inputs_are_compared_with_the_schema() -> None:
    schema = input_schema(asking({"name": "topic", "value_schema": {"type": "string"}}, {"name": "limit"}))

    checked = check_inputs(schema, {"topic": 5, "limit": None, "colour": "red"})

    assert checked.unknown == ["colour"]
    assert checked.missing == ["limit"]
    assert checked.problems == ["topic: the value must be string"]
    assert not checked.fit
    assert check_inputs(schema, {"topic": "rivers", "limit": 0}).fit


def test_of_many_unknown_inputs_the_first_are_told_and_cut() -> None:
    checked = check_inputs(input_schema(asking()), {f"{number}{'x' * 500}": 1 for number in range(1_000)})

    assert len(checked.unknown) == 20
    assert max(map(len, checked.unknown)) == 100


class NeedsAccounts(TextTemplate):
    credentials = ("mail", "calendar")


class StartsByRequest(TextTemplate):
    is_trigger = True


def test_providers_are_those_of_all_blocks_once() -> None:
    graph = asking({}, {}, block_id="needs")

    assert providers_of(graph, {"needs": NeedsAccounts()}.get) == ["calendar", "mail"]
    assert providers_of(graph) == []


def test_an_agent_is_started_by_hand_and_on_a_schedule_or_by_requests() -> None:
    graph = asking({}, block_id="trigger")

    assert execution_modes(graph, {"trigger": StartsByRequest()}.get) == ["webhook"]
    assert execution_modes(graph) == ["manual", "scheduled"]
    assert not any(block.is_trigger for block in shipped_blocks())
