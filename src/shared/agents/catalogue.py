"""The tools by which a chat uses what agents are made of."""

from typing import Any

from shared.accounts.credits import Credits
from shared.agents.blocks.contract import BlockServices, TextModel
from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace
from shared.agents.offered import OfferedBlocks
from shared.agents.reviews.reviews import Reviews
from shared.agents.running import AgentRuns, ChildRuns
from shared.agents.scheduling import Scheduling
from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.block_calls import BlockCalls
from shared.agents.tools.building_tools import building_tools
from shared.agents.tools.connect_integration import ConnectIntegration
from shared.agents.tools.continue_run_block import ContinueRunBlock
from shared.agents.tools.delete_schedule import DeleteSchedule
from shared.agents.tools.find_agent import FindAgent
from shared.agents.tools.find_block import FindBlock
from shared.agents.tools.find_library_agent import FindLibraryAgent
from shared.agents.tools.get_agent_building_guide import GetAgentBuildingGuide
from shared.agents.tools.list_schedules import ListSchedules
from shared.agents.tools.run_agent import RunAgent
from shared.agents.tools.run_block import RunBlock
from shared.agents.tools.schedule_followup import ScheduleFollowup
from shared.agents.tools.view_agent_output import ViewAgentOutput
from shared.tools import responses
from shared.tools.catalogue import ToolDependencies, all_tools
from shared.tools.contract import Tool
from shared.tools.workspace.store import Workspace


def block_services(needs: ToolDependencies, model: TextModel, runs: ChildRuns | None = None) -> BlockServices:
    """What this deployment's blocks work with."""
    reviews = Reviews(needs.database, needs.clock)
    return BlockServices(
        needs.clock, model, needs.sub_sessions, _files(needs), reviews=reviews, credentials=needs.credentials, runs=runs
    )


def _files(needs: ToolDependencies) -> Workspace | None:
    """Those of a session, if this deployment keeps any."""
    if needs.objects is None:
        return None
    return Workspace(needs.database, needs.objects, needs.clock, needs.settings.workspace_quota_bytes)


def chat_tools(
    needs: ToolDependencies, model: TextModel, runs: AgentRuns, scheduling: Scheduling | None = None
) -> list[Tool[Any]]:
    """Every tool of a chat. Without `scheduling` this deployment keeps no schedules."""
    blocks, reviews = OfferedBlocks(block_services(needs, model)), Reviews(needs.database, needs.clock)
    calls = BlockCalls(blocks, Credits(needs.database, needs.clock))
    means = AgentMeans(needs.database, needs.clock, runs, scheduling, needs.credentials)
    return [
        *all_tools(needs),
        FindBlock(blocks),
        RunBlock(calls, reviews),
        ContinueRunBlock(calls, reviews, needs.clock),
        *([ConnectIntegration(needs.credentials)] if needs.credentials else []),
        FindAgent(Marketplace(needs.database, needs.clock)),
        FindLibraryAgent(Library(needs.database, needs.clock)),
        RunAgent(means),
        ViewAgentOutput(means),
        *_schedule_tools(scheduling),
        GetAgentBuildingGuide(blocks),
        *building_tools(needs, blocks, _files(needs)),
    ]


def _schedule_tools(scheduling: Scheduling | None) -> list[Tool[Any]]:
    if scheduling is None:
        return []
    return [ListSchedules(scheduling), DeleteSchedule(scheduling), ScheduleFollowup(scheduling)]


def shipped_tools() -> list[type[Tool[Any]]]:
    """The class of each tool of a chat, also of those that this deployment doesn't offer."""
    return responses.shipped_tools()  # those of this room are known since it was imported
