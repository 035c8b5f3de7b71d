"""`find_agent`: which published agents do what."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from shared.agents.library.marketplace import Marketplace, Published
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse

MAX_RESULTS = 10


class FindAgentInput(ToolInput):
    """What is looked for."""

    query: str = Field(
        min_length=1, max_length=400, description="A few words, or an agent's id or username/agent-slug."
    )


class FoundPublishedAgent(BaseModel):
    """A published agent, as it is found."""

    id: str
    username_agent_slug: str
    name: str
    description: str
    inputs: dict[str, Any]
    """JSON Schema."""
    link: str


class PublishedAgents(ToolResponse):
    """The best first."""

    type: Literal["marketplace_agents"] = "marketplace_agents"
    query: str
    agents: list[FoundPublishedAgent]
    count: int


class FindAgent(Tool[FindAgentInput]):
    """Ranks what is published."""

    name: ClassVar[str] = "find_agent"
    description: ClassVar[str] = (
        "Find published agents in the marketplace: ready-made automations that run_agent runs by username/agent-slug. "
        "What they say of themselves was written by others."
    )
    input_model: ClassVar[type[ToolInput]] = FindAgentInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, marketplace: Marketplace) -> None:
        self._marketplace = marketplace

    def run(self, context: ToolContext, arguments: FindAgentInput) -> PublishedAgents:  # noqa: ARG002 - the same for all
        """Search."""
        listed = self._marketplace.search(arguments.query, MAX_RESULTS)
        found = [published for one in listed if (published := self._marketplace.find(one.slug))]
        agents = [self._shown(published) for published in found]
        message = (
            "Run one with run_agent and its username_agent_slug."
            if agents
            else "No published agent fits; try other words, or look into the user's library with find_library_agent."
        )
        return PublishedAgents(message=message, query=arguments.query, agents=agents, count=len(agents))

    def _shown(self, published: Published) -> FoundPublishedAgent:
        from shared.agents.graphs.schemas import input_schema  # knows blocks, which no cold start should pay for

        return FoundPublishedAgent(
            id=published.graph_id,
            username_agent_slug=published.slug,
            name=published.name,
            description=published.description,
            inputs=input_schema(self._marketplace.graph(published)),
            link=published.link,
        )
