"""What the tools answer that make agents."""

from typing import Any, Literal

from shared.agents.building.generator import Question
from shared.tools.contract import ToolResponse


class AgentSaved(ToolResponse):
    """It is in the user's library."""

    type: Literal["agent_saved"] = "agent_saved"
    agent_id: str
    """Of its graph."""
    agent_name: str
    version: int
    library_agent_id: str
    library_agent_link: str
    agent_page_link: str
    fixes_applied: list[str]
    """What was repaired before."""


class AgentPreview(ToolResponse):
    """What would be saved."""

    type: Literal["agent_preview"] = "agent_preview"
    agent_name: str
    description: str
    agent_json: dict[str, Any]
    node_count: int
    link_count: int
    fixes_applied: list[str]


class ClarificationNeeded(ToolResponse):
    """It can't be built without what only the user knows."""

    type: Literal["clarification_needed"] = "clarification_needed"
    questions: list[Question]


class SuggestedGoal(ToolResponse):
    """The goal is vague, or can't be reached; this one could."""

    type: Literal["suggested_goal"] = "suggested_goal"
    goal_type: Literal["vague", "unachievable"]
    original_goal: str
    suggested_goal: str
    reason: str
