"""`find_library_agent`: which of the user's own agents do what."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.kernel.errors import NotFound
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse

MAX_RESULTS = 10


class FindLibraryAgentInput(ToolInput):
    """What is looked for."""

    query: str = Field(default="", max_length=400, description="A few words, a name or an id. Empty: the latest.")
    include_graph: bool = Field(default=False, description="Also the graphs, to change or reuse them.")


class FoundLibraryAgent(BaseModel):
    """One of the user's agents, as it is found."""

    id: str
    graph_id: str
    version: int
    name: str
    description: str
    inputs: dict[str, Any] | None
    """JSON Schema; null if the graph is gone."""
    graph: dict[str, Any] | None
    link: str


class LibraryAgents(ToolResponse):
    """The best first, or the last updated."""

    type: Literal["library_agents"] = "library_agents"
    query: str
    agents: list[FoundLibraryAgent]
    count: int


class FindLibraryAgent(Tool[FindLibraryAgentInput]):
    """Ranks the user's agents."""

    name: ClassVar[str] = "find_library_agent"
    description: ClassVar[str] = "Find agents in the user's own library, to run, view or change them."
    input_model: ClassVar[type[ToolInput]] = FindLibraryAgentInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, library: Library) -> None:
        self._library = library

    def run(self, context: ToolContext, arguments: FindLibraryAgentInput) -> LibraryAgents:
        """Search."""
        query = arguments.query.strip()
        found = (
            self._library.search(context.user_id, query, MAX_RESULTS)
            if query
            else self._library.page(context.user_id, MAX_RESULTS).agents
        )
        agents = [self._shown(agent, arguments.include_graph) for agent in found]
        message = (
            "Run one with run_agent and its id as library_agent_id."
            if agents
            else "No agent in the library fits; try other words, or look for published ones with find_agent."
        )
        return LibraryAgents(message=message, query=query, agents=agents, count=len(agents))

    def _shown(self, agent: LibraryAgent, include_graph: bool) -> FoundLibraryAgent:
        from shared.agents.graphs.schemas import input_schema  # know blocks, which no cold start should pay for
        from shared.agents.graphs.secrets import without_secrets

        try:
            graph = self._library.exported(agent)
        except NotFound:
            graph = None
        return FoundLibraryAgent(
            id=agent.id,
            graph_id=agent.graph_id,
            version=agent.version,
            name=agent.name,
            description=agent.description,
            inputs=input_schema(graph) if graph else None,
            graph=without_secrets(graph)[0].to_json() if graph and include_graph else None,
            link=agent.link,
        )
