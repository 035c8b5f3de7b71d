"""Whether an agent can be run with what was given, and if not, what a tool answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from shared.agents.library.records import LibraryAgent
from shared.agents.running import RunView
from shared.agents.setup import SetupRequirements, SetupSubject, setup_needed
from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.refused_inputs import InputValidationError
from shared.kernel.errors import NotFound, ToolError
from shared.tools.contract import ToolResponse

if TYPE_CHECKING:
    from shared.agents.graphs.schemas import CheckedInputs

_NO_INPUTS = "The agent takes inputs. Ask the user for them, or run it with use_defaults if they want what it has."


class ExecutionOptions(BaseModel):
    """How an agent may be started."""

    manual: bool
    scheduled: bool
    webhook: bool


class AgentShown(BaseModel):
    """What somebody who wants to run it must know."""

    id: str
    """Of its graph."""
    name: str
    description: str
    inputs: dict[str, Any]
    """JSON schema."""
    credentials: list[str]
    execution_options: ExecutionOptions
    trigger_info: str | None


class AgentDetails(ToolResponse):
    """Nothing was run: it is not said yet with what."""

    type: Literal["agent_details"] = "agent_details"
    agent: AgentShown
    missing_inputs: list[str]
    """Required ones that were not given."""
    user_authenticated: bool = True
    graph_id: str
    graph_version: int
    library_agent_id: str
    library_agent_link: str


Refusal = SetupRequirements | InputValidationError | AgentDetails


@dataclass(frozen=True)
class _Facts:
    """What an agent's graph tells about it."""

    inputs: Mapping[str, Any]
    """JSON schema."""
    providers: list[str]
    modes: list[str]


class AgentChecks:
    """Looks at agents for their users."""

    def __init__(self, means: AgentMeans) -> None:
        self._means = means

    def refusal(self, agent: LibraryAgent, inputs: Mapping[str, Any], *, use_defaults: bool) -> Refusal | None:
        """What stands in the way of a run, the first of: accounts to connect, inputs that it doesn't know or that
        don't fit, inputs that nobody has given; None if it can begin.

        Raises:
            ToolError: the agent's graph is gone.
        """
        facts = self._facts(agent)
        if missing := self._missing(agent.user_id, facts.providers):
            return _setup(agent, facts, missing)
        from shared.agents.graphs.schemas import check_inputs

        checked = check_inputs(facts.inputs, inputs)
        if checked.unknown or checked.problems:
            return _invalid(agent, facts, checked)
        none_given = all(value is None for value in inputs.values())
        if facts.inputs["properties"] and none_given and not use_defaults:
            return _details(agent, facts, checked.missing, _NO_INPUTS)
        if checked.missing:
            message = f"Nothing was run: these required inputs are missing: {', '.join(checked.missing)}."
            return _details(agent, facts, checked.missing, message)
        if facts.modes == ["webhook"]:
            message = "Nothing was run: requests from outside start this agent, neither chats nor schedules."
            return _details(agent, facts, [], message)
        return None

    def schema_of(self, user_id: str, run: RunView) -> Mapping[str, Any] | None:
        """JSON schema of what the run was given; None if the agent or its graph is gone."""
        from shared.agents.graphs.schemas import input_schema

        library = self._means.library
        try:
            agent = library.get(user_id, run.library_agent_id)
            return input_schema(library.graph(replace(agent, graph_id=run.graph_id, version=run.version)))
        except NotFound:
            return None

    def _facts(self, agent: LibraryAgent) -> _Facts:
        from shared.agents.blocks.registry import shipped_block  # reads all blocks, which no cold start should pay for
        from shared.agents.graphs.schemas import execution_modes, input_schema
        from shared.agents.library.accounts import providers_needed

        find_block, library = self._means.find_block or shipped_block, self._means.library
        try:
            graph = library.graph(agent)
        except NotFound as error:
            raise ToolError(error.message, code=error.code.lower()) from error
        providers = providers_needed(library, agent.user_id, graph, find_block)
        return _Facts(input_schema(graph), providers, execution_modes(graph, find_block))

    def _missing(self, user_id: str, providers: list[str]) -> list[str]:
        if not providers:
            return []
        credentials = self._means.credentials
        return credentials.missing(user_id, providers) if credentials else providers


def _setup(agent: LibraryAgent, facts: _Facts, missing: list[str]) -> SetupRequirements:
    subject = SetupSubject(agent.graph_id, agent.name, facts.providers, facts.inputs, facts.modes)
    answer = setup_needed(subject, missing)
    return answer.model_copy(update={"library_agent_id": agent.id, "library_agent_link": agent.link})


def _invalid(agent: LibraryAgent, facts: _Facts, checked: "CheckedInputs") -> InputValidationError:
    return InputValidationError(
        message="Nothing was run: the inputs don't fit the agent. `inputs` says how they look.",
        unrecognized_fields=checked.unknown,
        problems=checked.problems,
        inputs=dict(facts.inputs),
        graph_id=agent.graph_id,
        graph_version=agent.version,
        library_agent_id=agent.id,
        library_agent_link=agent.link,
    )


def _details(agent: LibraryAgent, facts: _Facts, missing: list[str], message: str) -> AgentDetails:
    webhook = "webhook" in facts.modes
    return AgentDetails(
        message=message,
        agent=AgentShown(
            id=agent.graph_id,
            name=agent.name,
            description=agent.description,
            inputs=dict(facts.inputs),
            credentials=facts.providers,
            execution_options=ExecutionOptions(
                manual="manual" in facts.modes, scheduled="scheduled" in facts.modes, webhook=webhook
            ),
            trigger_info="A request from outside starts it." if webhook else None,
        ),
        missing_inputs=missing,
        graph_id=agent.graph_id,
        graph_version=agent.version,
        library_agent_id=agent.id,
        library_agent_link=agent.link,
    )
