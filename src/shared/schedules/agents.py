"""Whether an agent can run on a schedule with the inputs that it was given."""

import json
from collections.abc import Mapping
from typing import Any

from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.kernel.errors import Invalid, NotFound, TooLarge
from shared.kernel.nesting import MAX_VALUE_DEPTH, nests_within
from shared.schedules.records import Schedule
from shared.schedules.requests import MAX_INPUT_BYTES

_MOST_PROBLEMS = 5


class Unfit(Exception):
    """The schedule's agent can't run any more: `reason` is a code, the words are for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check_fit(library: Library, agent: LibraryAgent, inputs: Mapping[str, Any]) -> None:
    """Return if the agent can be scheduled with these inputs.

    Raises:
        Invalid: it can't, and the words say why.
        NotFound: its graph is gone.
    """
    from shared.agents.graphs.schemas import check_inputs, execution_modes, input_schema  # brings every block
    from shared.agents.graphs.validation import problems

    graph = library.graph(agent)
    if wrong := problems(graph):
        message = f"The agent can't run: {wrong[0].message}"
        raise Invalid(
            message, code="invalid_agent", details={"problems": [vars(one) for one in wrong[:_MOST_PROBLEMS]]}
        )
    if "scheduled" not in execution_modes(graph):
        raise Invalid("The agent is started by requests from outside, not on a schedule.", code="not_schedulable")
    found = check_inputs(input_schema(graph), inputs)
    if not found.fit:
        message = "The inputs don't fit the agent; give what it asks for."
        raise Invalid(message, code="invalid_inputs", details=vars(found))


def stored_inputs(inputs: Mapping[str, Any]) -> str:
    """The inputs as they are stored.

    Raises:
        Invalid: they are no JSON, or nest too deeply.
        TooLarge: there are too many of them.
    """
    try:
        text = json.dumps(inputs, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except ValueError as error:
        raise Invalid("The inputs are no JSON.", code="invalid_inputs") from error
    if not nests_within(inputs, MAX_VALUE_DEPTH):
        raise Invalid(f"The inputs nest more than {MAX_VALUE_DEPTH} deep.", code="invalid_inputs")
    if size > MAX_INPUT_BYTES:
        raise TooLarge(f"The inputs of a schedule have {MAX_INPUT_BYTES} bytes at most.", code="inputs_too_large")
    return text


def agent_of(library: Library, schedule: Schedule) -> tuple[LibraryAgent, dict[str, Any]]:
    """The agent that a schedule runs, as it is now, and its inputs; an agent that has changed is looked at again.

    Raises:
        Unfit: it is gone, or has been changed so that it can't run with these inputs.
    """
    inputs: dict[str, Any] = json.loads(schedule.inputs)
    try:
        agent = library.get(schedule.user_id, schedule.library_agent_id)
        if (agent.graph_id, agent.version) != (schedule.graph_id, schedule.checked_version):
            check_fit(library, agent, inputs)
    except NotFound as error:
        raise Unfit("agent_deleted", "The agent was deleted.") from error
    except Invalid as error:
        raise Unfit("agent_invalid", f"The agent was changed. {error.message}") from error
    return agent, inputs
