"""Queries of strangers: what they find, and what they can't do to us."""

from typing import Any

import pytest

from shared.agents.blocks.rules.json_query import query
from shared.kernel.errors import ToolError

SHOP = {"items": [{"name": "pen", "price": 9}, {"name": "cup", "price": 4}], "words": ["x"] * 2_000}


def code_of(expression: str, document: Any = SHOP) -> str:
    with pytest.raises(ToolError) as caught:
        query(expression, document)
    return caught.value.code


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("items[?price > `5`].name", ["pen"]),
        ("items[*].{n: name, p: price} | [0]", {"n": "pen", "p": 9}),
        ("sort_by(items, &price)[].name", ["cup", "pen"]),
        ("join(', ', items[].name)", "pen, cup"),
        ("length(words)", 2_000),
        ("sum(items[].price)", 13),
        ("nothing.at.all", None),
        ("keys(@)", ["items", "words"]),
    ],
)
def test_what_queries_are_for(expression: str, found: Any) -> None:
    """Parts, filters, functions: JMESPath as it is."""
    assert query(expression, SHOP) == found


@pytest.mark.parametrize(
    "expression", ["items[", "nope(@)", "&items", "to_number('1e999')", "sum(words)", "sort(items)"]
)
def test_a_query_that_makes_no_sense_is_an_error(expression: str) -> None:
    """The message says what is wrong with it; what is no JSON value is wrong too."""
    assert code_of(expression) == "query_invalid"


@pytest.mark.parametrize(
    "expression",
    [
        "@" + "|[@,@]" * 60,
        "words" + "|[@,@][]" * 60,
        "@" + "|{a:@,b:@}" * 60,
        "@" + "|[@,@]" * 40 + "|to_string(@)",
        "join('" + "x" * 1_900 + "', words)",
        "words" + "|join(@, [@,@,@,@])" * 30,
        "[" * 950 + "@" + "]" * 950,
        "(" * 950 + "@" + ")" * 950,
        "words[*].[@,@]" + "|[@[],@[]]" * 20,
        "map(&map(&map(&@, $), $), words)",
        "words" + "|map(&[@,@,@,@,@,@,@,@],@)" * 20,
        "[" + ",".join(["words == words"] * 100) + "]" + "|[@,@][]" * 40,
    ],
)
def test_a_bomb_does_not_go_off(expression: str) -> None:
    """What would take too much time or memory is refused before it is done."""
    assert code_of(expression) in {"value_too_large", "query_invalid"}


def test_work_is_bounded_as_a_whole() -> None:
    """Not only the size of one result: a thousand looks at a large document are too many."""
    document = {"a": ["x" * 90] * 1_000}
    assert code_of("[" + ",".join(["a"] * 300) + "] | [0]", document) == "value_too_large"
