"""What is on offer."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.agents.catalogue import chat_tools
from shared.agents.running import NodeView, RunFilter, RunRequest, RunView
from shared.kernel.errors import ConfigError
from shared.kernel.settings import ToolSettings
from shared.tasks.run_state import Followed, RunState
from shared.tools.catalogue import ToolDependencies
from shared.tools.contract import ToolContext
from shared.tools.registry import MAX_SCHEMA_CHARACTERS, Toolbox, schema_characters
from shared.tools.sub_sessions.contract import Assignment, Row
from tests.support.agent_calls import Schedules
from tests.support.blocks import Answers
from tests.support.credentials import open_safe
from tests.support.workspace import Desk

SERVERS = json.dumps([{"url": f"https://mcp{n}.example.com/{'x' * 60}", "name": f"server-{n}"} for n in range(20)])
FILE_TOOLS = {"list_workspace_files", "read_workspace_file", "write_workspace_file", "delete_workspace_file"}


def offered(desk: Desk, *, configured: bool = True, **environment: str) -> Toolbox:
    settings = ToolSettings.from_environment(environment)
    objects = desk.objects if configured else None
    vault = open_safe(desk.database, desk.clock).vault if configured else None
    needs = ToolDependencies(settings, desk.database, desk.clock, lambda _name: "{}", objects, NoTurns(), vault)
    return Toolbox(chat_tools(needs, Answers(), NoRuns(), Schedules()))


class NoRuns:
    """Runs no agents either."""

    def start(self, request: RunRequest) -> RunView:
        raise NotImplementedError

    def look(self, user_id: str, run_id: str) -> RunView | None:
        raise NotImplementedError

    def nodes(self, user_id: str, run_id: str) -> list[NodeView]:
        raise NotImplementedError

    def recent(self, user_id: str, wanted: RunFilter) -> list[RunView]:
        raise NotImplementedError

    def stop(self, user_id: str, run_id: str) -> RunView | None:
        raise NotImplementedError


class NoTurns:
    """Runs nothing: these tests only look at what is on offer."""

    def begin(self, context: ToolContext, assignment: Assignment) -> Followed:
        raise NotImplementedError

    def latest(self, context: ToolContext, session_id: str) -> Followed:
        raise NotImplementedError

    def look(self, context: ToolContext, followed: Followed) -> RunState:
        raise NotImplementedError

    def cancel(self, context: ToolContext, session_id: str) -> None:
        raise NotImplementedError

    def recent(self, context: ToolContext, session_id: str) -> list[Row]:
        raise NotImplementedError


def test_all_schemas_together_stay_short(desk: Desk) -> None:
    """They are sent with every call of the model, so there is a limit for all of them."""
    assert schema_characters(offered(desk, MCP_SERVERS=SERVERS)) < MAX_SCHEMA_CHARACTERS == 32_000


def test_who_makes_agents_schedules_and_memories_must_be_trusted(desk: Desk) -> None:
    """What another user has made may do the rest: agents that ask for accounts are run, and ask."""
    tools = offered(desk, MCP_SERVERS=SERVERS)
    assert {name for name in tools.names if (tool := tools.get(name)) and tool.trusted_only} == {
        *("add_understanding", "delete_schedule", "schedule_followup"),
        *("create_agent", "customize_agent", "edit_agent"),
    }


def test_what_cannot_work_is_not_offered(desk: Desk) -> None:
    """No file tools without a bucket, no run_mcp_tool without a server, no connect_integration without a key."""
    least = set(offered(desk, configured=False).names)

    assert least >= {"web_fetch", "get_current_time", "search_docs", "get_doc_page"}
    more = {*FILE_TOOLS, "run_mcp_tool", "connect_integration"}
    assert not least & more
    assert set(offered(desk, MCP_SERVERS=SERVERS).names) - least == more


def test_every_tool_is_documented(desk: Desk) -> None:
    """docs/tools.md has a section for each, which names each of its arguments."""
    page = (Path(__file__).parents[3] / "docs" / "tools.md").read_text()
    for schema in offered(desk, MCP_SERVERS=SERVERS).schemas():
        function: dict[str, Any] = schema["function"]
        _, found, rest = page.partition(f"\n### {function['name']}\n")
        assert found, function["name"]
        section = rest.partition("\n### ")[0]
        assert all(f"`{argument}`" in section for argument in function["parameters"]["properties"]), function["name"]


def test_the_model_is_told_which_servers_there_are(desk: Desk) -> None:
    """In the description, so that it need not guess."""
    tool = offered(desk, MCP_SERVERS='[{"url": "https://mcp.example.com/", "name": "tickets"}]').get("run_mcp_tool")

    assert tool is not None
    assert "tickets (https://mcp.example.com/)" in tool.description


@pytest.mark.parametrize(
    "servers",
    [
        "not json",
        '[{"url": "https://mcp.example.com"}]',
        '[{"url": "https://mcp.example.com", "name": "no spaces"}]',
        '[{"url": "https://mcp.example.com", "name": "a", "header": "x"}]',
        '[{"url": "ftp://mcp.example.com", "name": "a"}]',
        '[{"url": "http://localhost:9/mcp", "name": "a"}]',
        '[{"url": "https://user:pass@mcp.example.com", "name": "a"}]',
        '[{"url": "http://mcp.example.com", "name": "a", "headers_parameter": "/parley/mcp/a"}]',
        json.dumps([{"url": "https://mcp.example.com", "name": f"s{n}"} for n in range(21)]),
    ],
)
def test_a_list_of_servers_that_cannot_work_is_refused_at_start(desk: Desk, servers: str) -> None:
    """Not at the first call, when nobody looks; secret headers over plain http are such a mistake too."""
    with pytest.raises((ConfigError, ValidationError)):
        offered(desk, MCP_SERVERS=servers)
