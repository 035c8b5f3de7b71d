"""What tools answer when inputs don't fit what was to be run."""

from typing import Any, Literal

from shared.tools.contract import ToolResponse


class InputValidationError(ToolResponse):
    """Nothing was run."""

    type: Literal["input_validation_error"] = "input_validation_error"
    unrecognized_fields: list[str]
    problems: list[str]
    inputs: dict[str, Any]
    """JSON schema."""
    block_id: str | None = None
    """Of a block; an agent has the others."""
    graph_id: str | None = None
    graph_version: int | None = None
    library_agent_id: str | None = None
    library_agent_link: str | None = None
