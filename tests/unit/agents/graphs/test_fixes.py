"""The mechanical repairs: each one, that it is said, and that a second time there is nothing to do."""

import copy
import json
import random
import string
import time
from typing import Any

import pytest

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.library.ask_model import AskModel
from shared.agents.blocks.library.http_request import HttpRequest
from shared.agents.blocks.library.json_query import JsonQuery
from shared.agents.blocks.library.loop_over_list import LoopOverList
from shared.agents.blocks.library.text_template import TextTemplate
from shared.agents.graphs.fixes import Fixed, fixed
from shared.agents.graphs.model import MAX_NODES, Graph
from shared.agents.graphs.repairs.notes import MOST_NOTES
from tests.support.graphs import greeting


def sound() -> dict[str, Any]:
    return greeting().model_dump(exclude_defaults=True)


def with_node(**fields: Any) -> dict[str, Any]:
    """A graph of one node that has to be repaired, whose text is the output."""
    out = {"id": "out", "block_id": AgentOutput.id, "input_default": {"name": "result", "value": 1}}
    return {"name": "Test", "nodes": [{"id": "x", "block_id": TextTemplate.id, **fields}, out]}


def with_links(*links: Any, **more: Any) -> dict[str, Any]:
    raw = with_node(input_default={"template": "a"})
    raw["nodes"].append({"id": "loop", "block_id": LoopOverList.id, "input_default": {"items": []}})
    return {**raw, "links": list(links), **more}


def repaired(raw: Any, *, sound: bool = True) -> Fixed:
    """What becomes of it; a second repair has nothing to do."""
    before = copy.deepcopy(raw)
    result = fixed(raw)
    assert raw == before, "what is given stays as it is"
    assert result.applied
    assert result.sound is sound, result.problems
    again = fixed(result.raw)
    assert (again.applied, again.raw) == ([], result.raw)
    return result


def first(result: Fixed) -> dict[str, Any]:
    node: dict[str, Any] = result.raw["nodes"][0]
    return node


def test_a_sound_graph_stays_as_it_is() -> None:
    result = fixed(sound())

    assert result.applied == []
    assert result.graph == greeting()
    assert result.sound


# -- the form ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda raw: json.dumps(raw), id="as a text"),
        pytest.param(lambda raw: f"```json\n{json.dumps(raw)}\n```", id="in a code fence"),
        pytest.param(lambda raw: {"agent": raw, "version": 3}, id="within another object"),
        pytest.param(lambda raw: {"format": "parley.agent", "version": 1, "graph": raw}, id="exported"),
        pytest.param(lambda raw: {**raw, "id": "g", "is_active": True}, id="with further fields"),
        pytest.param(lambda raw: {**raw, "edges": raw["links"], "links_": 1} | {"links": raw["links"]}, id="twice"),
        pytest.param(lambda raw: {"title": raw["name"], **{k: v for k, v in raw.items() if k != "name"}}, id="a title"),
        pytest.param(
            lambda raw: {
                **raw, "nodes": {node["id"]: {k: v for k, v in node.items() if k != "id"} for node in raw["nodes"]},
            },
            id="nodes as an object",
        ),
        pytest.param(lambda raw: {**raw, "nodes": [*raw["nodes"], None, "x"]}, id="nodes that are none"),
        pytest.param(
            lambda raw: {
                "name": raw["name"],
                "nodes": [
                    {**node, "output_links": [one for one in raw["links"] if one["source_id"] == node["id"]]}
                    for node in raw["nodes"]
                ],
            },
            id="links within nodes",
        ),
        pytest.param(
            lambda raw: {
                **raw, "nodes": [
                    {"id": node["id"], "blockId": node["block_id"], "inputs": node["input_default"], "label": "",
                     "metadata": {"position": {"x": 1, "y": 2}}, "webhook_id": None}
                    for node in raw["nodes"]
                ],
            },
            id="other names of a node's fields",
        ),
        pytest.param(
            lambda raw: {
                **raw, "links": [
                    {"id": "l", "source": one["source_id"], "sourceHandle": one["source_name"],
                     "target": one["sink_id"], "targetHandle": one["sink_name"], "isStatic": "false"}
                    for one in raw["links"]
                ],
            },
            id="other names of a link's fields",
        ),
        pytest.param(
            lambda raw: {
                **raw, "links": [
                    {"from": f"{one['source_id']}.{one['source_name']}", "to": f"{one['sink_id']}.{one['sink_name']}"}
                    for one in raw["links"]
                ],
            },
            id="ends as one text",
        ),
        pytest.param(
            lambda raw: {
                **raw, "links": [
                    {"source": {"node": one["source_id"], "output": one["source_name"]},
                     "target": {"node": one["sink_id"], "input": one["sink_name"]}}
                    for one in raw["links"]
                ],
            },
            id="ends as objects",
        ),
    ],
)  # fmt: skip
def test_the_same_graph_in_another_form(written: Any) -> None:
    result = repaired(written(sound()))

    assert result.graph is not None
    plain = [node.model_copy(update={"position": {}}) for node in result.graph.nodes]
    assert (plain, result.graph.links) == (greeting().nodes, greeting().links)


@pytest.mark.parametrize("name", [None, "", "  ", 7, ["x"], "n" * 101, "Two\r\nlines"])
def test_an_agent_gets_a_name(name: Any) -> None:
    result = repaired({**sound(), "name": name})

    assert result.raw["name"] in {"Untitled agent", "7", "n" * 100, "Two lines"}


@pytest.mark.parametrize(
    "field",
    [{"description": 5}, {"description": "d" * 2_001}, {"links": 5}],
    ids=["no text", "too long", "no list"],
)
def test_what_has_no_use_goes_and_is_said(field: dict[str, Any]) -> None:
    repaired({**with_node(input_default={"template": "a"}), **field})


# -- ids ---------------------------------------------------------------------------------------


def test_ids_become_well_formed_texts_and_links_follow() -> None:
    raw = sound()
    for number, (node, new) in enumerate(zip(raw["nodes"], [7, "the greeting!", "x" * 70], strict=True)):
        old = node["id"]
        for one in raw["links"]:
            for end in ("source_id", "sink_id"):
                one[end] = new if one[end] == old else one[end]
        raw["nodes"][number]["id"] = new

    result = repaired(raw)

    assert [node["id"] for node in result.raw["nodes"]] == ["7", "the-greeting", "x" * 56]
    assert [one["sink_id"] for one in result.raw["links"]] == ["the-greeting", "x" * 56]


def test_a_node_without_an_id_gets_one_that_is_free() -> None:
    raw = with_node(id=None, input_default={"template": "a"})
    raw["nodes"].append({"id": "node-1", "block_id": TextTemplate.id, "input_default": {"template": "b"}})

    assert first(repaired(raw))["id"] == "node-1-2"


def test_of_two_nodes_with_one_id_the_second_gets_another_and_a_copy_goes() -> None:
    raw = sound()
    raw["nodes"] += [dict(raw["nodes"][1]), {**raw["nodes"][1], "title": "Another"}]

    result = repaired(raw)

    assert [node["id"] for node in result.raw["nodes"]] == ["who", "greet", "out", "greet-2"]
    assert len(result.applied) == 2


# -- blocks and defaults -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["Text template", "text_template", "TextTemplateBlock", "textTemplate", TextTemplate.id.upper()]
)
def test_a_block_may_be_named(written: str) -> None:
    assert first(repaired(with_node(block_id=written, input_default={"template": "a"})))["block_id"] == TextTemplate.id


def test_a_block_that_nobody_knows_stays_a_problem() -> None:
    result = fixed(with_node(block_id="Make money"))

    assert [one.code for one in result.problems] == ["unknown_block"]
    assert result.applied == []


@pytest.mark.parametrize(
    ("block", "given", "expected"),
    [
        (TextTemplate, '{"template": "a"}', {"template": "a"}),
        (TextTemplate, {"Template": "a"}, {"template": "a"}),
        (TextTemplate, {"template": 5}, {"template": "5"}),
        (TextTemplate, {"template": "a", "values_#_topic": 1}, {"template": "a", "values": {"topic": 1}}),
        (TextTemplate, {"template": "a", "values.topic": 1}, {"template": "a", "values": {"topic": 1}}),
        (TextTemplate, {"template": "a", "values": '{"b": 1}'}, {"template": "a", "values": {"b": 1}}),
        (TextTemplate, {"template": "a", "values": None}, {"template": "a"}),
        (TextTemplate, {"template": "a", "colour": ""}, {"template": "a"}),
        (AskModel, {"prompt": "a", "max_output_tokens": "50"}, {"prompt": "a", "max_output_tokens": 50}),
        (AskModel, {"prompt": "a", "max_output_tokens": 50.0}, {"prompt": "a", "max_output_tokens": 50}),
        (HttpRequest, {"url": "https://a.example", "method": "get"}, {"url": "https://a.example", "method": "GET"}),
        (LoopOverList, {"items": "[1]"}, {"items": [1]}),
        (
            AgentInput,
            {"name": "key", "type": "string", "secret": True, "required": False, "advanced": False, "title": "A key."},
            {
                "name": "key",
                "value_schema": {"type": "string", "format": "password"},
                "default": None,
                "description": "A key.",
            },
        ),
        (
            AgentInput,
            {"name": "key", "type": ["string", "null"]},
            {"name": "key", "value_schema": {"type": ["string", "null"]}},
        ),
        (AgentInput, {"name": "key", "type": {"or": "so"}}, {"name": "key"}),
        (AgentInput, {"name": "key", "type": []}, {"name": "key"}),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_defaults_become_what_the_block_takes(block: Any, given: Any, expected: dict[str, Any]) -> None:
    result = repaired(with_node(block_id=block.id, input_default=given))

    assert first(result)["input_default"] == expected
    assert json.dumps(first(result)["input_default"], sort_keys=True) == json.dumps(expected, sort_keys=True)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"template": "a", "colour": "red"}, "unknown_input"),
        ({"template": ["a"]}, "wrong_default"),
        ({"template": "a", "values": "no object"}, "wrong_default"),
        ({"template": "a", "template.x": 1}, "unknown_input"),
    ],
)
def test_what_would_be_a_guess_stays_a_problem(given: dict[str, Any], code: str) -> None:
    """A value that somebody has written is never thrown away."""
    result = fixed(with_node(input_default=given))

    assert result.applied == []
    assert [one.code for one in result.problems] == [code]
    assert first(result)["input_default"] == given


def test_agent_inputs_and_outputs_get_names_of_their_own() -> None:
    raw = with_node(block_id=AgentInput.id, title="City")
    raw["nodes"] += [{"id": str(number), "block_id": AgentInput.id, "input_default": {}} for number in range(2)]
    raw["nodes"].append({"id": "out2", "block_id": AgentOutput.id, "input_default": {"value": 2}})

    result = repaired(raw)

    names = [node["input_default"]["name"] for node in result.raw["nodes"]]
    assert names == ["City", "result", "Input", "Input 2", "Output"]


# -- links -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (("x", "Text", "out", "Value"), ("x", "text", "out", "value")),
        (("x", "output", "loop", "input"), None),
        (("loop", "item", "x", "values_#_topic"), ("loop", "item", "x", "values.topic")),
        (("loop", "item", "x", "Values.topic"), ("loop", "item", "x", "values.topic")),
        (("x", "", "out", "value"), ("x", "text", "out", "value")),
    ],
)
def test_pins_are_found_by_names_that_are_written_differently(link: Any, expected: Any) -> None:
    given = dict(zip(("source_id", "source_name", "sink_id", "sink_name"), link, strict=True))

    result = repaired(with_links(given), sound=expected is not None)

    told = tuple(result.raw["links"][0].values())
    assert told == (expected or ("x", "text", "loop", "items"))


def test_links_to_nowhere_and_second_ones_go_and_are_said() -> None:
    good = {"source_id": "x", "source_name": "text", "sink_id": "out", "sink_name": "value"}

    result = repaired(with_links(good, dict(good), {**good, "sink_id": "nowhere"}, {**good, "source_id": None}, {}))

    assert result.raw["links"] == [good]
    assert len(result.applied) == 4


def test_a_link_to_what_gathers_is_not_static() -> None:
    raw = with_links(
        {"source_id": "q", "source_name": "result", "sink_id": "loop", "sink_name": "items", "is_static": True}
    )
    raw["nodes"].append({"id": "q", "block_id": JsonQuery.id, "input_default": {"query": "@", "document": []}})

    assert "is_static" not in repaired(raw).raw["links"][0]


# -- hostile -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [None, 5, "", "no json", "[" * 100_000, [], {}, [{}], {"nodes": {}}, {"nodes": [[]]}, {"graph": {"graph": {}}},
     {"nodes": [{"id": {}, "block_id": [], "input_default": 5, "position": 5, "title": 5}], "links": [{"source": []}]},
     {"name": "\ud800"}, {"name": float("nan")}],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_garbage_is_answered_with_problems(garbage: Any) -> None:
    result = fixed(garbage)

    assert result.problems
    assert not result.sound
    assert fixed(result.raw).applied == []


def test_many_repairs_are_bounded_and_counted() -> None:
    raw = {"name": "x", "nodes": [{"id": f"node {n}", "block_id": "x", "title": str(n)} for n in range(MAX_NODES)]}

    applied = fixed(raw).applied

    assert len(applied) == MOST_NOTES + 1
    assert applied[-1] == f"{MAX_NODES - MOST_NOTES} more repairs of these kinds."


@pytest.mark.parametrize(
    "raw",
    [
        {"name": "x", "nodes": [{"id": "a", "title": str(n)} for n in range(1_499)]},
        {"name": "x", "nodes": [{"id": "a", "title": str(n)} for n in range(30_000)]},
        {"name": "x", "nodes": [{"id": "a"}], "links": [{"source": f"a.{n}", "sink": "a.b"} for n in range(8_999)]},
        {
            "name": "x",
            "nodes": [{"id": "a", "block_id": TextTemplate.id, "inputs": {f"v{n}": "" for n in range(80_000)}}],
        },
        {
            "name": "x",
            "nodes": [{"id": "a", "block_id": TextTemplate.id, "inputs": {f"v{n}": 1 for n in range(80_000)}}],
        },
    ],
    ids=["one id", "too many nodes", "links", "empty defaults", "unknown defaults"],
)
def test_hostile_graphs_take_no_long_time(raw: dict[str, Any]) -> None:
    start = time.process_time()

    fixed(raw)

    assert time.process_time() - start < 5.0


def mutated(pick: random.Random, value: Any, depth: int = 0) -> Any:
    """The value with something broken somewhere."""
    if pick.random() < 0.06:
        return pick.choice(
            [
                None,
                5,
                -1.5,
                True,
                "",
                "x",
                "5",
                [],
                {},
                [value],
                {"x": value},
                str(value)[:50],
                "out",
                "greet.text",
                "{}",
            ]
        )
    if isinstance(value, dict):
        changed = {_key(pick, key): mutated(pick, one, depth + 1) for key, one in value.items() if pick.random() > 0.04}
        if pick.random() < 0.08:
            changed["".join(pick.choices(string.ascii_lowercase + "_ .#", k=3))] = pick.choice([None, 1, "", "x", {}])
        return changed
    if isinstance(value, list):
        kept = [mutated(pick, one, depth + 1) for one in value if pick.random() > 0.05]
        return [*kept, copy.deepcopy(pick.choice(kept))] if kept and pick.random() < 0.15 else kept
    return value.upper() if isinstance(value, str) and pick.random() < 0.05 else value


def _key(pick: random.Random, key: str) -> str:
    others = {
        "source_id": "source",
        "sink_id": "target",
        "input_default": "inputs",
        "block_id": "block",
        "links": "edges",
    }
    chance = pick.random()
    if chance < 0.05:
        return others.get(key, key.title())
    return key if chance < 0.97 else key.upper()


@pytest.mark.parametrize("chunk", range(10))
def test_whatever_is_broken_a_second_repair_finds_nothing_to_do(chunk: int) -> None:
    """2,000 mutations of a graph; none raises, and what is called sound is a graph without problems."""
    for seed in range(chunk * 200, chunk * 200 + 200):
        pick = random.Random(seed)  # noqa: S311 - the same ones each time
        result = fixed(mutated(pick, sound()))
        again = fixed(result.raw)
        assert again.applied == [], seed
        assert again.raw == result.raw, seed
        assert again.problems == result.problems, seed
        assert isinstance(result.graph, Graph) or result.problems
