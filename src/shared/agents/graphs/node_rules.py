"""What must hold for each node: its block, its defaults, and that every input it needs has a value."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.registry import AnyBlock
from shared.agents.blocks.rules.json_schemas import MOST_WORK, require_schema, work
from shared.agents.blocks.rules.json_schemas import problems as misfits
from shared.agents.graphs.layout import Layout
from shared.agents.graphs.model import Node
from shared.agents.graphs.pins import pins_of
from shared.agents.graphs.problem import Problem, listed, quoted
from shared.kernel.errors import ToolError
from shared.kernel.validating import problem_of


def node_problems(layout: Layout) -> Iterator[Problem]:
    """What is wrong with each node, in the order of the nodes."""
    seen: set[str] = set()
    names: dict[tuple[str, str], str] = {}
    worked = 0
    for node in layout.graph.nodes:
        if node.id in seen:
            message = f"Two nodes have the id {quoted(node.id)}; give each its own, and correct the links."
            yield Problem.at(node.id, "duplicate_node_id", message)
            continue
        seen.add(node.id)
        block = layout.block(node)
        if block is None:
            yield _no_block(layout, node)
            continue
        yield from _defaults(layout, node, block)
        yield from _missing(layout, node, block)
        if node.block_id in {AgentInput.id, AgentOutput.id}:
            yield from _interface(layout, node, names)
        if node.block_id == AgentInput.id:
            worked += _work(node)
            yield from _value_schema(layout, node, judged=worked <= MOST_WORK)


def wrong_defaults(block: AnyBlock, defaults: Mapping[str, Any], *, alone: bool) -> dict[str, str]:
    """What is wrong with the values of each input; under "" what is wrong with them together.

    `alone`: nothing else will come; else only what is given is judged.
    """
    found: dict[str, str] = {}
    try:
        block.input_model.model_validate(dict(defaults))
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(one["loc"][0]) if one["loc"] else ""
            judged = name in defaults or (not name and alone)
            if judged and one["type"] != "extra_forbidden":
                inside = ".".join(str(part) for part in one["loc"][1:4])
                found.setdefault(name, f"{inside}: {problem_of(one)}" if inside else problem_of(one))
    return {**found, **block.wrong_texts({name: value for name, value in defaults.items() if name not in found})}


def _no_block(layout: Layout, node: Node) -> Problem:
    if layout.is_disabled(node):
        message = f"{layout.told(node)} has a block that is disabled; use another one (find_block)."
        return Problem.at(node.id, "disabled_block", message)
    message = (
        f"{layout.told(node)}: there is no block {quoted(node.block_id)}; set block_id to the id of one (find_block)."
    )
    return Problem.at(node.id, "unknown_block", message)


def _defaults(layout: Layout, node: Node, block: AnyBlock) -> Iterator[Problem]:
    pins = pins_of(block)
    for name in node.input_default:
        if name not in pins.inputs:
            message = f"{layout.told(node)} has no input {quoted(name)}; remove it from input_default. Its inputs: "
            yield Problem.at(node.id, "unknown_input", message + listed(pins.inputs))
    brought = {name for name in layout.links_to(node.id) if "." not in name}
    given = {name: value for name, value in node.input_default.items() if name in pins.inputs and name not in brought}
    alone = not layout.links_to(node.id)
    for name, wrong in wrong_defaults(block, given, alone=alone).items():
        what = f"input_default.{name}" if name else "input_default"
        yield Problem.at(node.id, "wrong_default", f"{layout.told(node)}: change {what}. {wrong[:300]}")


def _missing(layout: Layout, node: Node, block: AnyBlock) -> Iterator[Problem]:
    there = layout.linked_inputs(node.id) | node.input_default.keys()
    pins = pins_of(block)
    for name in pins.inputs:
        if name in pins.required and name not in there:
            message = f"{layout.told(node)} needs {quoted(name)}: set it in input_default, or link an output to it."
            yield Problem.at(node.id, "missing_input", message)


def _interface(layout: Layout, node: Node, names: dict[tuple[str, str], str]) -> Iterator[Problem]:
    """An agent's inputs and outputs are known before it runs, and each by a name of its own."""
    is_input = node.block_id == AgentInput.id
    linked = layout.linked_inputs(node.id)
    fixed = linked if is_input else linked & {"name", "description"}
    if fixed:
        what = "nothing can be linked to an Agent input" if is_input else f"{listed(sorted(fixed))} can't be linked"
        message = f"{layout.told(node)}: {what}, because it must be known before the agent runs. Set input_default."
        yield Problem.at(node.id, "constant_linked", message)
    name = node.input_default.get("name")
    if isinstance(name, str):
        other = names.setdefault((node.block_id, name), node.id)
        if other != node.id:
            kind = "input" if is_input else "output"
            message = (
                f"{layout.told(node)}: node {quoted(other)} has the name {quoted(name)}, too. Give each {kind} its own."
            )
            yield Problem.at(node.id, "duplicate_name", message)


def _work(node: Node) -> int:
    """How much there is to compare of the node's defaults with its schema."""
    given = node.input_default
    return work(given.get("value_schema", {}), [given.get("default"), given.get("value")])


def _value_schema(layout: Layout, node: Node, *, judged: bool) -> Iterator[Problem]:
    """`judged`: there is time to compare the defaults with it."""
    schema = node.input_default.get("value_schema", {})
    if not isinstance(schema, dict):
        return  # a wrong default, and said so
    try:
        require_schema(schema)
    except ToolError as error:
        yield Problem.at(node.id, "wrong_schema", f"{layout.told(node)}: correct value_schema. {error.message}")
        return
    if not judged:
        message = f"{layout.told(node)}: schemas and defaults of the agent's inputs are too large; make them smaller."
        yield Problem.at(node.id, "wrong_schema", message)
        return
    for name in ("default", "value"):
        value = node.input_default.get(name)
        wrong = [] if value is None else misfits(schema, value)
        if wrong:
            message = f"{layout.told(node)}: {name} doesn't fit value_schema; change one of them. {wrong[0]}"
            yield Problem.at(node.id, "wrong_default", message)
