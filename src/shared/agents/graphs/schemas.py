"""What an agent asks for, answers and needs, as told by its graph."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.blocks.registry import AnyBlock, shipped_block
from shared.agents.blocks.rules.json_schemas import problems, require_schema
from shared.agents.graphs.model import Graph, Node
from shared.agents.graphs.secret_schemas import is_secret, without_values
from shared.kernel.errors import Invalid, ToolError

FindBlock = Callable[[str], AnyBlock | None]
"""The block of that id, or None."""
_MOST_NAMES = 20
_MOST_CHARACTERS = 100
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class CheckedInputs:
    """What is wrong with the inputs that an agent was given; nothing, if all three are empty."""

    unknown: list[str]
    """Names that the agent doesn't know, the first twenty, cut to 100 characters."""
    missing: list[str]
    """Required inputs that were not given."""
    problems: list[str]
    """Values that don't fit, each with its name; the first twenty."""

    @property
    def fit(self) -> bool:
        """Whether the agent can run with them."""
        return not (self.unknown or self.missing or self.problems)


def input_schema(graph: Graph) -> dict[str, Any]:
    """JSON schema of the agent's inputs. Required is what has no default.

    `format: password` marks a secret; what one has as its default stays in the graph.
    """
    properties = {name: _input(node) for name, node in _named(graph, AgentInput.id)}
    required = [name for name, node in _named(graph, AgentInput.id) if not _has_default(node)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def output_schema(graph: Graph) -> dict[str, Any]:
    """JSON schema of the outputs of a run: name to the list of its values."""
    properties = {
        name: {"type": "array", "items": {}, **_described(node)} for name, node in _named(graph, AgentOutput.id)
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def providers_of(graph: Graph, find_block: FindBlock = shipped_block) -> list[str]:
    """The providers of which a user must have connected an account, in alphabetical order."""
    used = [(find_block(node.block_id), node.input_default) for node in graph.nodes]
    return sorted({provider for block, given in used if block for provider in block.credentials_for(given)})


def execution_modes(graph: Graph, find_block: FindBlock = shipped_block) -> list[str]:
    """How the agent may be started: by hand and on a schedule, or by requests from outside."""
    triggered = any(block.is_trigger for block in _blocks(graph, find_block))
    return ["webhook"] if triggered else ["manual", "scheduled"]


def check_inputs(schema: Mapping[str, Any], given: Mapping[str, Any]) -> CheckedInputs:
    """Compare what was given with an `input_schema`; null counts as not given."""
    known: Mapping[str, Any] = schema["properties"]
    unknown = [str(name)[:_MOST_CHARACTERS] for name in given if name not in known]
    missing = [name for name in schema["required"] if given.get(name) is None]
    wrong = [
        f"{name}: {problem.replace('$', 'the value', 1)}"
        for name, value in given.items()
        if name in known and value is not None
        for problem in problems(known[name], value)
    ]
    return CheckedInputs(unknown[:_MOST_NAMES], missing, wrong[:_MOST_PROBLEMS])


def require_fit(graph: Graph, given: Mapping[str, Any]) -> None:
    """That the agent can run with these inputs.

    Raises:
        Invalid: it can't; the message and the details say why, and what it asks for.
    """
    schema = input_schema(graph)
    checked = check_inputs(schema, given)
    if checked.fit:
        return
    unknown = [f"{name} is unknown" for name in checked.unknown]
    missing = [f"{name} is missing" for name in checked.missing]
    message = f"The inputs don't fit the agent: {'; '.join([*unknown, *missing, *checked.problems])}"
    raise Invalid(message, code="invalid_inputs", details={**vars(checked), "inputs": schema})


def _named(graph: Graph, block_id: str) -> Iterator[tuple[str, Node]]:
    """The nodes of that block by the names that they give; of two with one name, the first."""
    seen: set[str] = set()
    for node in graph.nodes:
        name = node.input_default.get("name")
        if node.block_id == block_id and isinstance(name, str) and name and name not in seen:
            seen.add(name)
            yield name, node


def _blocks(graph: Graph, find_block: FindBlock) -> list[AnyBlock]:
    found = [find_block(block_id) for block_id in sorted({node.block_id for node in graph.nodes})]
    return [block for block in found if block is not None]


def _input(node: Node) -> dict[str, Any]:
    schema = _value_schema(node)
    if is_secret(schema):
        return {**without_values(schema), **_described(node)}
    return {**schema, **_described(node), **({"default": _default(node)} if _has_default(node) else {})}


def _value_schema(node: Node) -> dict[str, Any]:
    """Empty (anything fits) if the node has none that can be used."""
    schema = node.input_default.get("value_schema", {})
    try:
        require_schema(schema)
    except ToolError:
        return {}
    return dict(schema)


def _described(node: Node) -> dict[str, Any]:
    description = node.input_default.get("description")
    return {"description": description} if isinstance(description, str) and description else {}


def _has_default(node: Node) -> bool:
    """Also one that is null: the agent then goes on with null."""
    return "default" in node.input_default or node.input_default.get("value") is not None


def _default(node: Node) -> Any:
    value = node.input_default.get("value")
    return node.input_default.get("default") if value is None else value
