"""The guide for whoever builds agents, a model: written from the blocks that there are."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.agents.blocks.registry import AnyBlock
from shared.agents.graphs.model import ERROR_PIN, MAX_LINKS, MAX_NODES
from shared.agents.graphs.pins import ANY, Pins, Types, pins_of, types_of

_FORM = f"""# How to build an agent

An agent is a graph: nodes, each a block with default inputs, and links that carry values between them.

## JSON

- `name` (1 to 100 characters), `description`, `nodes` ({MAX_NODES} at most), `links` ({MAX_LINKS} at most).
- Node: `id` (yours; letters, digits, `_ . -`), `block_id` (the UUID from the list below), `input_default` (name to
  value, for inputs that no link brings), optionally `title` and `position {{x, y}}`.
- Link: `source_id`, `source_name` (an output), `sink_id`, `sink_name` (an input), optionally `is_static`.
- `sink_name` may be a field of an object, one level deep: `values.topic` sets `topic` in `values`.
- An Agent input for everything that changes from run to run: `name`, `description`, `value_schema` (JSON Schema, such
  as `{{"type": "string"}}`), and `default` if it may be left out. Nothing is linked to it; link its output `value`.
- An Agent output for each result, with a `name` of its own; link the result to its `value`. There must be one at least.
- A block that asks the user first shows them its inputs, to approve, edit or reject. Put no Human review in front of
  it: they would be asked twice. Human review is for everything else.
- Never put keys, passwords or tokens into a graph. Blocks that need an account say so, or name its provider in
  `credential`; the user connects it (connect_integration).

## How values flow

- A node without linked inputs runs once. One with linked inputs runs once for each complete set of values: its n-th
  execution takes the n-th value of each link.
- Outputs may have no value, one or several. What follows an output without a value doesn't run: so Condition chooses
  a way (`yes` or `no`), and a loop repeats what follows it.
- `is_static: true` on a link keeps the first value for every execution. Use it wherever something that exists once (an
  Agent input, say) meets the items of a loop; without it only the first item finds a partner.
- An input takes one link, or one for each of its fields. Inputs marked `[all]` take any number and get the list of all
  values, once, when no more can come: so the results of a loop are collected. Those marked `[each]` run for each value.
- Every node has an output `{ERROR_PIN}`. Link it, and a failure is a value there; else it ends the run.
- A cycle must go through an input marked `[each]`, and through none marked `[all]`.
- Linked types must fit: a number is no text. Put a Text template or a JSON query between.
"""
_STEPS = """## Steps

1. Say what the agent asks for, does and answers. Ask the user about what is unclear and matters.
2. Choose blocks. find_block with include_schemas tells more; find_agent and find_library_agent find agents to build on.
3. Write the JSON. fix_agent_graph repairs its form, validate_agent_graph tells what is wrong and what to do.
4. Save it with create_agent (agent_json), change a saved one with edit_agent. Both validate and repair first.
5. Try it with run_agent, at first with dry_run, and tell the user what came out.
"""
EXAMPLE: Mapping[str, Any] = {
    "name": "Limericks",
    "description": "Writes a limerick about each of some topics.",
    "nodes": [
        {
            "id": "topics",
            "block_id": "1983e0a3-2039-4c14-8101-681e09432f9e",
            "input_default": {
                "name": "topics",
                "description": "One limerick each.",
                "value_schema": {"type": "array", "items": {"type": "string"}},
            },
        },
        {
            "id": "tone",
            "block_id": "1983e0a3-2039-4c14-8101-681e09432f9e",
            "input_default": {"name": "tone", "value_schema": {"type": "string"}, "default": "cheerful"},
        },
        {"id": "each", "block_id": "9b71ff9f-aa89-4978-9898-c8f041c42a12"},
        {
            "id": "prompt",
            "block_id": "b08fc3a1-5286-4e07-b08c-0f4d93ad6d6c",
            "input_default": {"template": "Write a {{ tone }} limerick about {{ topic }}."},
        },
        {"id": "model", "block_id": "89269428-8d69-4f35-a588-e0572b958ab6"},
        {
            "id": "limerick",
            "block_id": "a8548793-4063-4560-b1fd-49c6900fd30c",
            "input_default": {"name": "limerick", "description": "One for each topic."},
        },
    ],
    "links": [
        {"source_id": "topics", "source_name": "value", "sink_id": "each", "sink_name": "items"},
        {"source_id": "each", "source_name": "item", "sink_id": "prompt", "sink_name": "values.topic"},
        {
            "source_id": "tone",
            "source_name": "value",
            "sink_id": "prompt",
            "sink_name": "values.tone",
            "is_static": True,
        },
        {"source_id": "prompt", "source_name": "text", "sink_id": "model", "sink_name": "prompt"},
        {"source_id": "model", "source_name": "response", "sink_id": "limerick", "sink_name": "value"},
    ],
}
"""A graph that validates: its link from `tone` is static, because `tone` has one value and `each` has many."""


_REMARK = "The tone exists once and the topics many times, so its link is static.\n"


def building_guide(blocks: Iterable[AnyBlock]) -> str:
    """Markdown: the form, how values flow, an example, the steps and the blocks."""
    example = f"## Example\n\n```json\n{_compact(EXAMPLE)}\n```\n\n{_REMARK}"
    listed = "\n".join(_block(block) for block in blocks)
    legend = "Inputs with * are required; a name without a type takes or gives any JSON value."
    return f"{_FORM}\n{example}\n{_STEPS}\n## Blocks\n\n{legend}\n\n{listed}\n"


def _block(block: AnyBlock) -> str:
    pins = pins_of(block)
    inputs = ", ".join(_input(name, pins) for name in pins.inputs)
    outputs = ", ".join(_typed(name, pins.output_types(name) or ANY) for name in pins.outputs if name != ERROR_PIN)
    asks = " Asks the user first." if block.needs_review else ""
    accounts = f" Needs an account: {', '.join(block.credentials)}." if block.credentials else ""
    price = f" {block.price_credits} credits." if block.price_credits else ""
    return (
        f"- **{block.name}** `{block.id}`: {block.description}{asks}{accounts}{price}\n"
        f"  in: {inputs or 'nothing'}\n  out: {outputs or 'nothing'}"
    )


def _input(name: str, pins: Pins) -> str:
    schema = pins.inputs[name]
    choices = schema.get("enum")
    shown = f"{name} ({'|'.join(map(str, choices))})" if choices else _typed(name, types_of(schema, pins.definitions))
    gathers = f" [{pins.gathers[name]}]" if name in pins.gathers else ""
    return f"{shown}{'*' if name in pins.required else ''}{gathers}"


def _typed(name: str, types: Types) -> str:
    return name if types == ANY else f"{name}: {'|'.join(sorted(types - {'null'}) or ['null'])}"


def _compact(graph: Mapping[str, Any]) -> str:
    """JSON, one node or link a line."""
    lines = {part: ",\n".join(f"    {json.dumps(one)}" for one in graph[part]) for part in ("nodes", "links")}
    head = ", ".join(f"{json.dumps(name)}: {json.dumps(graph[name])}" for name in ("name", "description"))
    return f'{{{head},\n  "nodes": [\n{lines["nodes"]}\n  ],\n  "links": [\n{lines["links"]}\n  ]}}'
