"""What values may take, before and after they are made."""

import json
import tracemalloc

import pytest

from shared.agents.blocks.rules.json_text import MOST_PARTS, parts_in, read_json
from shared.agents.blocks.rules.sizes import Sizes
from shared.kernel.errors import ToolError


@pytest.mark.parametrize("value", [1, [], [[]], {"a": 1}, {"a": [1, 2], "b": {}}, "[{,", ['",\\"', {'"[,': ","}]])
def test_values_of_a_text_are_counted_as_they_are_made(value: object) -> None:
    """Not fewer; what is within strings counts only where nothing depends on it."""

    def parts(of: object) -> int:
        within = of.values() if isinstance(of, dict) else of if isinstance(of, list) else ()
        return 1 + sum(map(parts, within))

    assert parts_in(json.dumps(value)) >= parts(value)
    texts = json.dumps([[value] * 9, "," * MOST_PARTS])
    assert parts_in(texts) < 300


def test_many_small_values_are_no_value() -> None:
    """A page of 2 MB could fill a worker's memory. A long text is one value."""
    with pytest.raises(ValueError, match="too many values"):
        read_json(f"[{'{},' * MOST_PARTS}0]")
    assert read_json(json.dumps(["," * MOST_PARTS])) == ["," * MOST_PARTS]


def test_measuring_takes_no_memory_for_what_is_small() -> None:
    """It would be as much again as the values take."""
    value: list[list[dict[str, int]]] = [[{}] for _ in range(20_000)]
    tracemalloc.start()
    assert Sizes("It").check(value) == 40_001
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_what_is_large_is_measured_once() -> None:
    """A program of few characters may refer to it very often."""
    row, sizes = [0] * 1_000, Sizes("It")
    assert sizes.check([row] * 100) == 100_101
    with pytest.raises(ToolError):
        sizes.check([row] * 200)
