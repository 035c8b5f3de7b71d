"""What agents ask for and answer, as the API tells it; knows blocks, so it is imported when it is needed."""

from typing import Any

from shared.agents.graphs import validation
from shared.agents.graphs.model import Graph
from shared.agents.graphs.problem import Problem
from shared.agents.graphs.schemas import execution_modes, input_schema, output_schema, providers_of
from shared.kernel.errors import Invalid


def details_of(graph: Graph) -> dict[str, Any]:
    """Inputs and outputs as JSON Schemas, the accounts that must be connected, and how it may be started."""
    return {
        "input_schema": input_schema(graph),
        "output_schema": output_schema(graph),
        "credentials": providers_of(graph),
        "execution_modes": execution_modes(graph),
    }


def sound_graph(raw: Any) -> Graph:
    """The graph that a JSON value is.

    Raises:
        Invalid: it could not run; `details` has each problem.
    """
    read = validation.read_graph(raw)
    if not isinstance(read, Graph):
        raise unsound(read)
    require_sound(read)
    return read


def require_sound(graph: Graph) -> None:
    """Refuse what could not run.

    Raises:
        Invalid: `details` has each problem.
    """
    found = validation.problems(graph)
    if found:
        raise unsound(found)


def unsound(found: list[Problem]) -> Invalid:
    """The error that says what is wrong with a graph."""
    problems = [{"code": one.code, "node_id": one.node_id, "message": one.message} for one in found]
    return Invalid("The graph can't run as it is.", code="GRAPH_INVALID", details={"problems": problems})
