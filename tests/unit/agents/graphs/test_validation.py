"""What validation finds: each code, what it must not find, all at once, and in a short time."""

import random
import time
from collections.abc import Sequence
from typing import Any

import pytest

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.library.ask_model import AskModel
from shared.agents.blocks.library.autopilot import AutoPilot
from shared.agents.blocks.library.condition import Condition
from shared.agents.blocks.library.current_time import CurrentTime
from shared.agents.blocks.library.http_request import HttpRequest
from shared.agents.blocks.library.json_query import JsonQuery
from shared.agents.blocks.library.loop_over_list import LoopOverList
from shared.agents.blocks.library.text_template import TextTemplate
from shared.agents.blocks.library.wait import Wait
from shared.agents.blocks.registry import shipped_blocks
from shared.agents.graphs.model import MAX_LINKS, MAX_NODES, Graph, Link, Node
from shared.agents.graphs.problem import MOST_PROBLEMS, Problem
from shared.agents.graphs.validation import MAX_DEPTH, problems, read_graph
from tests.support.graphs import graph, greeting, link, node


class Gather(JsonQuery):
    """Merges."""

    id = "gather"
    gathers = {"document": "all"}  # noqa: RUF012


class Gone(TextTemplate):
    """Is not run any more."""

    id = "gone"
    disabled = True


BLOCKS = [*shipped_blocks(), Gather(), Gone()]
OUT = node("out", AgentOutput, name="result")
ASK = node("ask", AgentInput, name="topic")
HELLO = node("hello", TextTemplate, template="Hello")


def codes(*args: Any, links: str = "") -> list[tuple[str, str]]:
    """Code and node of each problem."""
    return [(one.code, one.node_id) for one in found(*args, links=links)]


def found(*nodes: Any, links: str = "") -> list[Problem]:
    return problems(graph(*nodes, links=links), BLOCKS)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_sound_graph_has_no_problem() -> None:
    assert problems(greeting()) == []


@pytest.mark.parametrize(
    ("block", "given", "where"),
    [
        (TextTemplate, {"template": "{{ a"}, "template"),
        (TextTemplate, {"template": "{% set a = 1 %}"}, "template"),
        (JsonQuery, {"query": "a["}, "query"),
    ],
)
def test_what_could_never_run_is_wrong_before_it_does(block: Any, given: dict[str, Any], where: str) -> None:
    """Also what no schema can say; what an output brings is judged when it comes."""
    one = {"id": "x", "block_id": block.id, "input_default": given}
    out = {"id": "out", "block_id": AgentOutput.id, "input_default": {"name": "result", "value": 1}}
    graph = Graph.model_validate({"name": "Test", "nodes": [one, out]})
    found = [
        (problem.code, problem.node_id, f"input_default.{where}" in problem.message) for problem in problems(graph)
    ]
    assert ("wrong_default", "x", True) in found


def test_a_name_is_on_one_line() -> None:
    """What was stored before that was asked for can still be read."""
    (wrong,) = problems(greeting().model_copy(update={"name": "Two\nlines"}))
    assert (wrong.code, wrong.message) == ("wrong_name", "The agent's name has line breaks; write it on one line.")
    assert Graph.model_validate_json('{"name": "Two\\nlines"}').name == "Two\nlines"


@pytest.mark.parametrize(
    ("nodes", "links", "expected"),
    [
        pytest.param([], "", [("empty_graph", "")], id="empty"),
        pytest.param([HELLO], "", [("no_output", "")], id="no output"),
        pytest.param(
            [HELLO, HELLO, OUT], "hello.text > out.value", [("duplicate_node_id", "hello")], id="duplicate id"
        ),
        pytest.param([node("x", "nope"), OUT], "x.text > out.value", [("unknown_block", "x")], id="unknown block"),
        pytest.param([node("x", Gone), OUT], "x.text > out.value", [("disabled_block", "x")], id="disabled block"),
        pytest.param(
            [HELLO, OUT],
            "hello.text > out.value\nnowhere.text > hello.values.a",
            [("unknown_node", "hello")],
            id="no source",
        ),
        pytest.param(
            [HELLO, OUT], "hello.text > out.value\nhello.text > nowhere.a", [("unknown_node", "hello")], id="no sink"
        ),
        pytest.param([HELLO, OUT], "a.b > c.d\nhello.text > out.value", [("unknown_node", "")], id="neither"),
        pytest.param([HELLO, OUT], "hello.txt > out.value", [("unknown_output", "hello")], id="no such output"),
        pytest.param(
            [HELLO, ASK, OUT],
            "ask.value > hello.vals\nhello.text > out.value",
            [("unknown_input", "hello")],
            id="no such input",
        ),
        pytest.param(
            [ASK, HELLO, OUT],
            "ask.value > hello.template.x\nhello.text > out.value",
            [("unknown_input", "hello")],
            id="a field of a text",
        ),
        pytest.param(
            [node("q", Gather, query="@"), ASK, OUT],
            "ask.value > q.document.x\nq.result > out.value",
            [("unknown_input", "q")],
            id="a field of what gathers",
        ),
        pytest.param(
            [node("x", TextTemplate, template="a", vals={}), OUT],
            "x.text > out.value",
            [("unknown_input", "x")],
            id="unknown default",
        ),
        pytest.param(
            [node("x", TextTemplate, template=["a"]), OUT],
            "x.text > out.value",
            [("wrong_default", "x")],
            id="wrong default",
        ),
        pytest.param(
            [node("x", Wait, seconds=1, until="2030-01-01T00:00:00Z"), OUT],
            "x.value > out.value",
            [("wrong_default", "x")],
            id="defaults that don't go together",
        ),
        pytest.param(
            [node("x", TextTemplate), OUT], "x.text > out.value", [("missing_input", "x")], id="missing input"
        ),
        pytest.param(
            [node("q", Gather, query="@"), OUT], "q.result > out.value", [("missing_input", "q")], id="nothing gathered"
        ),
        pytest.param([HELLO, OUT], "", [("missing_input", "out")], id="output without a value"),
        pytest.param(
            [node("t", CurrentTime), node("l", LoopOverList), OUT],
            "t.iso > l.items\nl.item > out.value",
            [("wrong_type", "l")],
            id="a text where a list is needed",
        ),
        pytest.param(
            [node("t", CurrentTime), node("m", AskModel), OUT],
            "t.unix_seconds > m.prompt\nm.response > out.value",
            [("wrong_type", "m")],
            id="a number where a text is needed",
        ),
        pytest.param(
            [node("t", CurrentTime), node("h", HttpRequest, url="https://a.example"), OUT],
            "t.unix_seconds > h.headers.X-Time\nh.body > out.value",
            [("wrong_type", "h")],
            id="a field of the wrong type",
        ),
        pytest.param(
            [ASK, HELLO, OUT],
            "ask.value > out.value\nhello.text > out.value",
            [("input_linked_twice", "out")],
            id="two links",
        ),
        pytest.param(
            [ASK, HELLO, OUT],
            "ask.value > hello.values\nask.value > hello.values.a\nhello.text > out.value",
            [("input_linked_twice", "hello")],
            id="an object and its field",
        ),
        pytest.param(
            [ASK, HELLO, OUT],
            "ask.value > hello.values.a\nask.value > hello.values.a\nhello.text > out.value",
            [("input_linked_twice", "hello")],
            id="a field twice",
        ),
        pytest.param(
            [ASK, node("l", LoopOverList), OUT],
            "ask.value => l.items\nl.item > out.value",
            [("static_link", "l")],
            id="static",
        ),
        pytest.param(
            [ASK, node("ask2", AgentInput, name="topic"), OUT],
            "ask.value > out.value",
            [("duplicate_name", "ask2")],
            id="two inputs of one name",
        ),
        pytest.param(
            [ASK, OUT, node("out2", AgentOutput, name="result", value=1)],
            "ask.value > out.value",
            [("duplicate_name", "out2")],
            id="two outputs of one name",
        ),
        pytest.param(
            [HELLO, ASK, OUT],
            "hello.text > ask.default\nask.value > out.value",
            [("constant_linked", "ask")],
            id="a link to an agent input",
        ),
        pytest.param(
            [HELLO, node("out", AgentOutput, value=1)],
            "hello.text > out.name",
            [("constant_linked", "out")],
            id="a linked name",
        ),
        pytest.param(
            [node("ask", AgentInput, name="n", value_schema={"$ref": "#"}), OUT],
            "ask.value > out.value",
            [("wrong_schema", "ask")],
            id="a schema that can't be used",
        ),
        pytest.param(
            [node("ask", AgentInput, name="n", value_schema={"type": "string"}, default=5), OUT],
            "ask.value > out.value",
            [("wrong_default", "ask")],
            id="a default that doesn't fit its schema",
        ),
        pytest.param(
            [node("a", TextTemplate, template="a"), node("b", TextTemplate, template="b"), OUT],
            "a.text > b.values.x\nb.text > a.values.x\nb.text > out.value",
            [("cycle", "a")],
            id="cycle",
        ),
        pytest.param(
            [HELLO, OUT], "hello.text > hello.values.x\nhello.text > out.value", [("cycle", "hello")], id="itself"
        ),
        pytest.param(
            [node("q", Gather, query="@"), OUT],
            "q.result > q.document\nq.result > out.value",
            [("cycle", "q")],
            id="a merge waits for all",
        ),
        pytest.param(
            [ASK, node("l", LoopOverList), node("q", Gather, query="@"), OUT],
            "ask.value > l.items\nl.item > q.document\nq.result > l.items\nl.item > out.value",
            [("cycle", "q")],
            id="a merge within a cycle through a loop",
        ),
        pytest.param(
            [node("l", LoopOverList), node("q", JsonQuery, query="@"), OUT],
            "l.item > q.document\nq.result > l.items\nq.result > out.value",
            [("never_starts", "l"), ("unreachable_output", "out")],
            id="a loop that nothing starts",
        ),
    ],
)
def test_each_problem_is_told_with_its_node(nodes: Sequence[Any], links: str, expected: list[tuple[str, str]]) -> None:
    assert codes(*nodes, links=links) == expected


@pytest.mark.parametrize(
    ("nodes", "links"),
    [
        pytest.param(
            [ASK, node("l", LoopOverList), node("q", JsonQuery, query="@"), OUT],
            "ask.value > l.items\nl.item > q.document\nq.result > l.items\nq.result > out.value",
            id="a cycle through a loop that something starts",
        ),
        pytest.param(
            [ASK, HELLO, node("q", Gather, query="@"), OUT],
            "ask.value > q.document\nhello.text > q.document\nhello.text > q.document\nq.result > out.value",
            id="any number of links to what gathers",
        ),
        pytest.param(
            [node("h", HttpRequest), ASK, OUT], "ask.value > h.url\nh.error > out.value", id="the error is an output"
        ),
        pytest.param([HELLO, OUT], "hello.error > out.value", id="every node has it"),
        pytest.param(
            [node("t", CurrentTime), node("m", AskModel, prompt="x"), OUT],
            "t.unix_seconds > m.max_output_tokens\nt.error > m.system\nm.response > out.value",
            id="an integer for an integer",
        ),
        pytest.param(
            [ASK, node("c", Condition), node("m", AskModel), OUT],
            "ask.value > c.left\nc.yes > m.prompt\nm.response > out.value",
            id="what may be anything fits everything",
        ),
        pytest.param(
            [node("a", AutoPilot, prompt="x"), node("j", JsonQuery, query="@"), OUT],
            "a.token_usage > j.document\nj.result > out.value",
            id="a model in the schema",
        ),
        pytest.param(
            [node("x", TextTemplate, template=[1]), ASK, OUT],
            "ask.value > x.template\nx.text > out.value",
            id="the default of a linked input doesn't count",
        ),
        pytest.param(
            [ASK, node("w", Wait), OUT],
            "ask.value > w.seconds\nw.value > out.value",
            id="what depends on links is not judged",
        ),
        pytest.param([node("out", AgentOutput, name="result", value=None)], "", id="an output of a constant"),
    ],
)
def test_what_may_work_is_let_through(nodes: Sequence[Any], links: str) -> None:
    assert codes(*nodes, links=links) == []


def test_all_problems_are_told_at_once_and_in_the_same_order() -> None:
    wrong = graph(
        node("a", "nope"), node("b", TextTemplate, colour=1), node("b", "x"), node("out", AgentOutput, name="r"),
        links="a.x > b.template\nb.nope > out.value\nz.z > b.values",
    )  # fmt: skip

    told = [(one.code, one.node_id) for one in problems(wrong)]

    assert told == [
        ("unknown_block", "a"),
        ("unknown_input", "b"),
        ("duplicate_node_id", "b"),
        ("unknown_output", "b"),
        ("unknown_node", "b"),
    ]
    assert problems(wrong) == problems(wrong)


def test_a_cycle_is_told_once_and_not_again_by_what_follows_it() -> None:
    nodes = [node(name, TextTemplate, template="x") for name in "abcd"]
    links = "a.text > b.values.x\nb.text > c.values.x\nc.text > a.values.x\nc.text > d.values.x\nd.text > out.value"

    (cycle,) = found(*nodes, OUT, links=links)

    assert (cycle.code, cycle.node_id) == ("cycle", "a")
    assert '"a", "b", "c"' in cycle.message


def test_a_loop_behind_one_that_nothing_starts_is_not_blamed() -> None:
    nodes = [node("l1", LoopOverList), node("l2", LoopOverList), OUT]
    links = "l1.item > l1.items\nl1.item > l2.items\nl2.item > l2.items\nl2.item > out.value"

    assert codes(*nodes, links=links) == [("never_starts", "l1"), ("unreachable_output", "out")]


def test_a_sentence_says_what_to_do() -> None:
    (one,) = found(node("x", TextTemplate), OUT, links="x.text > out.value")

    assert one.message == 'Node "x" (Text template) needs "template": set it in input_default, or link an output to it.'


def test_the_number_and_the_length_of_problems_is_bounded() -> None:
    long = "n" * 64
    many = graph(*(node(f"{number}{long}"[:64], "b" * 100) for number in range(300)), OUT)

    told = problems(many)

    assert len(told) == MOST_PROBLEMS + 1
    assert told[-1] == Problem("too_many_problems", "", "There are 201 more; repair these first.")
    assert max(len(one.message) for one in told) <= 600


# -- what is no graph --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code", "node_id"),
    [
        (None, "malformed", ""),
        ([], "malformed", ""),
        ({"nodes": 5, "name": "x"}, "malformed", ""),
        ({"nodes": [{"id": "a"}], "name": "x"}, "malformed", "a"),
        ({"nodes": [{"id": 5, "block_id": "b"}], "name": "x"}, "malformed", ""),
        ({"nodes": [None], "name": "x"}, "malformed", ""),
        ({"name": "x", "colour": 1}, "malformed", ""),
        ({"name": "x", "nodes": [{"id": str(n), "block_id": "b"} for n in range(MAX_NODES + 1)]}, "malformed", ""),
        ({"name": "x" * 1_000_001}, "too_large", ""),
        ({"name": nested(MAX_DEPTH + 2)}, "too_deep", ""),
        ({"name": nested(100_000)}, "too_deep", ""),
        ({"name": float("nan")}, "not_json", ""),
        ({"name": "\ud800"}, "not_json", ""),
        ({"name": b"bytes"}, "not_json", ""),
        ({"name": {1, 2}}, "not_json", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_graph_is_told_too(raw: Any, code: str, node_id: str) -> None:
    told = read_graph(raw)

    assert isinstance(told, list)
    assert {(one.code, one.node_id) for one in told} == {(code, node_id)}


def test_a_graph_is_read() -> None:
    assert read_graph(greeting().model_dump()) == greeting()


@pytest.mark.parametrize(
    "value", [nested(MAX_DEPTH), float("inf"), "\ud800", "x" * 1_000_000], ids=lambda v: str(v)[:10]
)
def test_defaults_that_nobody_could_store_are_told(value: Any) -> None:
    (one,) = found(node("x", TextTemplate, template="x", values={"v": value}), OUT, links="x.text > out.value")

    assert one.code in {"too_deep", "not_json", "too_large"}


# -- time --------------------------------------------------------------------------------------


def wide_input(number: int) -> Node:
    """An agent input whose default fits the last of many choices, again and again."""
    schema = {"items": {"anyOf": [*({"const": 1} for _ in range(80)), {"const": 2}]}}
    return node(f"w{number}", AgentInput, name=f"w{number}", value_schema=schema, default=[2] * 200)


def hostile_graphs() -> dict[str, Graph]:
    chain = [node(str(n), TextTemplate, template="x") for n in range(MAX_NODES)]
    dense = random.Random(5)  # noqa: S311 - the same ones each time
    pairs = [(dense.randrange(MAX_NODES), dense.randrange(MAX_NODES)) for _ in range(MAX_LINKS)]
    loops = [node(str(n), LoopOverList) for n in range(MAX_NODES)]
    return {
        "a chain": graph(*chain, links="\n".join(f"{n}.text > {n + 1}.values.x" for n in range(MAX_NODES - 1))),
        "a ring": graph(
            *chain, links="\n".join(f"{n}.text > {(n + 1) % MAX_NODES}.values.x" for n in range(MAX_NODES))
        ),
        "knots": graph(*chain, links="\n".join(f"{a}.text > {b}.values.x{a}" for a, b in pairs)),
        "loops": graph(*loops, links="\n".join(f"{a}.item > {b}.items" for a, b in pairs)),
        "one input": graph(*chain, links="\n".join(f"{a}.text > 0.values.x" for a, _ in pairs)),
        "fields": graph(*chain, links="\n".join(f"1.text > 0.values.x{n}" for n in range(MAX_LINKS))),
        "one large schema": graph(
            node(
                "a", AgentInput, name="a", value_schema={"items": {"enum": list(range(60_000))}}, default=[-1] * 60_000
            ),
            OUT,
        ),
        "many schemas": graph(*(wide_input(number) for number in range(MAX_NODES))),
        "many wrong values": graph(node("h", HttpRequest, url="x", headers={str(n): n for n in range(70_000)}), OUT),
    }


@pytest.mark.parametrize("name", hostile_graphs())
def test_hostile_graphs_take_no_long_time(name: str) -> None:
    hostile = hostile_graphs()[name]
    problems(hostile)  # schemas of blocks are made once
    start = time.process_time()

    problems(hostile)

    assert time.process_time() - start < 3.0


# -- compared with a plain oracle ----------------------------------------------------------------


def random_graph(seed: int) -> Graph:
    """Few nodes, many cycles."""
    pick = random.Random(seed)  # noqa: S311 - the same ones each time
    size = pick.randint(1, 7)
    kinds = [pick.choice(["plain", "plain", "loop", "merge", "output"]) for _ in range(size)]
    made = {
        "plain": lambda n: node(str(n), TextTemplate, template="x"),
        "loop": lambda n: node(str(n), LoopOverList, **({"items": []} if pick.random() < 0.2 else {})),
        "merge": lambda n: node(str(n), Gather, query="@", document=[]),
        "output": lambda n: node(str(n), AgentOutput, name=f"o{n}", value=1),
    }
    emits = {"plain": "error", "loop": "item", "merge": "result", "output": "value"}
    takes = {"plain": "values.x{}", "loop": "items", "merge": "document", "output": "value"}
    links: dict[tuple[str, str, int], Link] = {}
    for number in range(pick.randint(0, 10)):
        a, b = pick.randrange(size), pick.randrange(size)
        one = link(f"{a}.{emits[kinds[a]]} > {b}.{takes[kinds[b]].format(a)}")
        links[(one.sink_id, one.sink_name, number if kinds[b] in {"loop", "merge"} else 0)] = one
    return Graph(name="Random", nodes=[made[kind](n) for n, kind in enumerate(kinds)], links=list(links.values()))


def block_of(made: Graph, node_id: str) -> str:
    found_node = made.node(node_id)
    assert found_node is not None
    return found_node.block_id


def oracle_cycles(made: Graph) -> set[frozenset[str]]:
    """Groups of nodes of which each reaches each, but not through a loop's items; by trying all pairs."""
    edges = {(one.source_id, one.sink_id) for one in made.links if block_of(made, one.sink_id) != LoopOverList.id}
    ids = [one.id for one in made.nodes]
    reach = set(edges)
    for _ in ids:
        reach |= {(a, d) for a, b in reach for c, d in edges if b == c}
    return {frozenset({b for b in ids if (a, b) in reach and (b, a) in reach}) for a in ids if (a, a) in reach}


def oracle_merges(made: Graph) -> set[str]:
    """Merges that get something from what follows them, by whatever way."""
    edges = {(one.source_id, one.sink_id) for one in made.links}
    reach = set(edges)
    for _ in made.nodes:
        reach |= {(a, d) for a, b in reach for c, d in edges if b == c}
    merges = {one.id for one in made.nodes if one.block_id == Gather.id}
    return {sink for source, sink in edges if sink in merges and (source == sink or (sink, source) in reach)}


def oracle_running(made: Graph, cyclic: set[str]) -> set[str]:
    """The nodes that can run, found by asking each again until nothing changes."""
    running: set[str] = set(cyclic)
    while True:
        more = {one.id for one in made.nodes if one.id not in running and oracle_can_run(made, one.id, running)}
        if not more:
            return running
        running |= more


def oracle_can_run(made: Graph, node_id: str, running: set[str]) -> bool:
    links = [one for one in made.links if one.sink_id == node_id]
    if block_of(made, node_id) == Gather.id or not links:
        return True
    fed = [one.source_id in running for one in links]
    return any(fed) if block_of(made, node_id) == LoopOverList.id else all(fed)


@pytest.mark.parametrize("chunk", range(10))
def test_cycles_and_unreachable_outputs_are_those_that_trying_everything_finds(chunk: int) -> None:
    """2,000 random graphs."""
    for seed in range(chunk * 200, chunk * 200 + 200):
        made = random_graph(seed)
        told = problems(made, BLOCKS)
        cycles = oracle_cycles(made)
        knotted = set().union(*cycles)
        merges = oracle_merges(made) - knotted
        blamed = {min(group, key=int) for group in cycles} | merges
        assert sorted(one.node_id for one in told if one.code == "cycle") == sorted(blamed), seed
        running = oracle_running(made, knotted | merges)
        outputs = {one.id for one in made.nodes if one.block_id == AgentOutput.id}
        unreachable = {one.node_id for one in told if one.code == "unreachable_output"}
        assert unreachable == outputs - running, seed
