"""The tools that check and make agents, and what they work with in this deployment."""

from functools import partial
from typing import Any

from shared.agents.building.agent_json import AgentJsonReader
from shared.agents.building.external import ExternalGenerator
from shared.agents.building.generator import Generator
from shared.agents.building.keeping import Keeper
from shared.agents.building.own_model import OwnModel
from shared.agents.building.parts import Parts
from shared.agents.building.workshop import Workshop
from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace
from shared.agents.offered import OfferedBlocks
from shared.agents.tools.create_agent import CreateAgent
from shared.agents.tools.customize_agent import CustomizeAgent
from shared.agents.tools.edit_agent import EditAgent
from shared.agents.tools.fix_agent_graph import FixAgentGraph
from shared.agents.tools.validate_agent_graph import ValidateAgentGraph
from shared.tools.catalogue import ToolDependencies
from shared.tools.contract import Tool, ToolContext
from shared.tools.workspace.outputs import ToolOutputs
from shared.tools.workspace.store import Workspace


def building_tools(needs: ToolDependencies, blocks: OfferedBlocks, files: Workspace | None) -> list[Tool[Any]]:
    """One of each; `files` are those of a session."""
    library, marketplace = Library(needs.database, needs.clock), Marketplace(needs.database, needs.clock)
    reader = AgentJsonReader(files, ToolOutputs(needs.objects) if needs.objects else None)
    keeper, parts = Keeper(library, marketplace), Parts(library, marketplace)
    workshop = Workshop(blocks, keeper, parts, _generator(needs, blocks), reader)
    checks: list[Tool[Any]] = [ValidateAgentGraph(blocks, reader), FixAgentGraph(blocks, reader)]
    return [*checks, CreateAgent(workshop), EditAgent(workshop), CustomizeAgent(workshop)]


def _generator(needs: ToolDependencies, blocks: OfferedBlocks) -> Generator:
    """The service that the deployer has named, or else the deployment's own model."""
    settings = needs.settings
    if not settings.agent_generator_url:
        return OwnModel(partial(_guide, blocks))
    parameter = settings.agent_generator_key_parameter
    key = partial(needs.read_secret, parameter) if parameter else lambda: None
    return ExternalGenerator(settings.agent_generator_url, key, needs.clock)


def _guide(blocks: OfferedBlocks, context: ToolContext) -> str:
    from shared.agents.building.guide import building_guide  # knows blocks, which no cold start should pay for

    return building_guide(blocks.for_agents(context))
