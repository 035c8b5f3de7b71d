"""What each block must be, and where it is found."""

import importlib
import sys
from pathlib import Path
from uuid import UUID

import pytest

from shared.agents.blocks import library, registry
from shared.agents.blocks.contract import Example
from shared.agents.blocks.registry import AnyBlock, blocks_in, find, search, shipped_blocks
from tests.support.blocks import Bench, block_named

BLOCKS = shipped_blocks()
EXAMPLES = [
    pytest.param(block, example, id=f"{block.name}-{number}")
    for block in BLOCKS
    for number, example in enumerate(block.examples)
]
NEW_BLOCK = """
from shared.agents.blocks.contract import Block, BlockInput, BlockOutput


class Shout(Block[BlockInput, BlockOutput]):
    id = "{id}"
    name = "{name}"
    description = "Says it louder."
    category = "text"
    disabled = {disabled}
    input_model = BlockInput
    output_model = BlockOutput
    examples = ()

    def run(self, context, inputs):
        return BlockOutput()
"""


@pytest.mark.parametrize(("block", "example"), EXAMPLES)
def test_an_example_holds(bench: Bench, block: AnyBlock, example: Example) -> None:
    """The inputs bring exactly those outputs, in the world that it is given."""
    bench.holds(example)
    assert bench.run(block.name, example.inputs) == {name: list(values) for name, values in example.outputs.items()}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_a_block_says_what_it_is(block: AnyBlock) -> None:
    """An id for good, words for people, examples, and a schema of every input and output."""
    assert str(UUID(block.id)) == block.id
    assert block.description
    assert block.examples
    assert block.price_credits >= 0
    assert block.input_model.model_config["extra"] == block.output_model.model_config["extra"] == "forbid"
    for example in block.examples:
        block.input_model.model_validate(example.inputs)
        assert example.outputs.keys() <= block.output_model.model_fields.keys()


@pytest.mark.parametrize(("block", "example"), EXAMPLES)
def test_a_dry_run_touches_nothing(bench: Bench, block: AnyBlock, example: Example) -> None:
    """It has outputs of the same names, asks no model, begins no session, keeps no file and sends nothing."""
    bench.holds(example)
    before = bench.desk.paths()
    bench.dry_run = True
    outputs = bench.run(block.name, example.inputs)

    assert outputs.keys() <= block.output_model.model_fields.keys()
    assert (bench.model.asked, bench.sub_sessions.begun, bench.desk.paths()) == ([], [], before)
    assert all(b"GET" in request or b"HEAD" in request for request in bench.web.server.requests)


def test_no_two_blocks_are_called_the_same() -> None:
    """Neither by id, nor by the beginning of it, nor by name: permissions may use each of them."""
    forms = [form for block in BLOCKS for form in block.named().forms]
    assert len(forms) == len(set(forms)) == 3 * len(BLOCKS)


def test_each_module_of_the_library_is_one_block() -> None:
    """So whoever looks for a block knows where it is."""
    modules = [block.__module__ for block in blocks_in(library)]
    files = sorted(path.stem for path in Path(library.__path__[0]).glob("*.py") if path.stem != "__init__")
    assert sorted(module.rpartition(".")[2] for module in modules) == files


def test_a_new_block_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No list names it. One that is disabled is found, and shipped nowhere."""
    package = tmp_path / "more_blocks"
    package.mkdir()
    (package / "__init__.py").write_text("")
    ids = {"shout": "11111111-1111-4111-8111-111111111111", "whisper": "22222222-2222-4222-8222-222222222222"}
    for name, block_id in ids.items():
        text = NEW_BLOCK.format(id=block_id, name=name, disabled=name == "whisper")
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = list(blocks_in(importlib.import_module("more_blocks")))
    for module in [name for name in sys.modules if name.startswith("more_blocks")]:
        monkeypatch.delitem(sys.modules, module)

    assert [block.name for block in found] == ["shout", "whisper"]
    assert [block.name for block in registry.usable(found)] == ["shout"]


def test_a_block_is_found_by_id_and_name() -> None:
    """In any spelling of either."""
    block = block_named("HTTP request")
    for written in (block.id, block.id.upper(), block.id.replace("-", ""), " http REQUEST "):
        assert find(BLOCKS, written) is block
    assert find(BLOCKS, "no such block") is None


def test_the_best_match_is_first() -> None:
    """By words of the name and the description; what is named exactly stands before all."""
    assert search(BLOCKS, "fill a template with values", 3)[0].name == "Text template"
    assert search(BLOCKS, block_named("Wait").id, 5) == [block_named("Wait")]
    assert search(BLOCKS, "wait", 5)[0].name == "Wait"
    assert search(BLOCKS, "zebra", 5) == []
