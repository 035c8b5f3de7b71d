"""What the routes about libraries and the marketplace answer; see `answers`."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.agents.graphs.model import Graph


class ShownAgent(BaseModel):
    """An agent of a library. Times are ISO 8601 in UTC."""

    id: str
    graph_id: str
    version: int = Field(description="the one that runs")
    name: str
    description: str
    slug: str | None = Field(description="`username/agent-slug` of the published agent that it came from")
    owns_graph: bool = Field(description="false: it runs a published graph, which is copied when it is changed")
    link: str
    created_at: str
    updated_at: str


class AgentList(BaseModel):
    """A page of a library, the last updated first; the result of a search is one page, the best first."""

    agents: list[ShownAgent]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")


class _Described(BaseModel):
    input_schema: dict[str, Any] = Field(description="JSON Schema of what it asks for")
    output_schema: dict[str, Any] = Field(description="JSON Schema: each output is a list of values")
    credentials: list[str] = Field(description="providers of which an account must be connected")
    execution_modes: list[str] = Field(description="`manual`, `scheduled`, `webhook`")


class ShownAgentDetails(ShownAgent, _Described):
    """An agent with what it asks for, answers and needs."""

    graph: dict[str, Any] | None = Field(description="only with `include_graph`")


class ImportedAgent(ShownAgentDetails):
    """An agent that was imported."""

    fixes_applied: list[str] = Field(description="what was repaired, one sentence each")


class ShownVersion(BaseModel):
    """A version of an agent's graph."""

    version: int
    name: str
    created_at: str
    nodes: int
    runs: bool = Field(description="it is the one that runs")


class VersionList(BaseModel):
    """A page of versions, the newest first."""

    versions: list[ShownVersion]
    next_cursor: str | None


class ShownGraph(Graph):
    """A graph; what is as it is by default is left out."""


class AgentDocument(BaseModel):
    """An agent as it is given away."""

    format: Literal["parley.agent"]
    version: Literal[1]
    graph: ShownGraph
    removed: list[str] = Field(description="what was taken out, because it is secret; one sentence each")


class PublishedAgent(BaseModel):
    """A published agent as a list shows it."""

    id: str
    slug: str = Field(description="`username/agent-slug`")
    name: str
    description: str = Field(description="how it begins")
    updated_at: str


class PublishedList(BaseModel):
    """A page of the marketplace; the result of a search is one page, the best first."""

    agents: list[PublishedAgent]
    next_cursor: str | None


class PublishedDetails(_Described):
    """A published agent with what it asks for, answers and needs."""

    id: str
    slug: str
    name: str
    description: str
    version: int = Field(description="counts what was published under this slug")
    link: str
    created_at: str
    updated_at: str


class ShownStoreProfile(BaseModel):
    """Under which name the caller publishes; null: none is claimed yet."""

    username: str | None
