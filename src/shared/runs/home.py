"""Where the runs of an agent keep their files."""

from shared.agents.library.records import LibraryAgent
from shared.kernel.ids import derived_id


def home_session(agent: LibraryAgent) -> str:
    """The session of the agent; one that was deleted and added again has another."""
    return derived_id("agent-home", agent.user_id, agent.id, str(agent.created_at))
