"""How often a session has run and scheduled an agent.

| record | pk              | sk                     | notes                                               |
|--------|-----------------|------------------------|-----------------------------------------------------|
| usage  | `SESSION#{id}`  | `AGENT#{library agent}`| the ids of its runs and of its schedules, as sets   |
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Key, Update
from shared.kernel.errors import ParleyError, ToolError

RECORD_VERSION = 1
MAX_OF_ONE_AGENT = 30
"""Runs, and as many schedules, of one agent that a session may start."""

Kind = Literal["runs", "schedules"]


class AgentUsage:
    """Of all sessions; each call names one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def counting(self, session_id: str, agent_id: str, kind: Kind, new_id: str) -> Iterator[None]:
        """Count what the block starts under `new_id`, once; if it fails, nothing was counted.

        Raises:
            ToolError: `too_many_agent_runs` or `too_many_agent_schedules`.
        """
        key: Key = {"pk": f"SESSION#{session_id}", "sk": f"AGENT#{agent_id}"}
        self._count(key, kind, new_id)
        try:
            yield
        except ParleyError:
            self._database.write(Update(key, f"DELETE #{kind} :ids", values={"ids": {new_id}}))
            raise

    def _count(self, key: Key, kind: Kind, new_id: str) -> None:
        room = f"attribute_not_exists(#{kind}) OR (size(#{kind}) < :most AND NOT contains(#{kind}, :id))"
        values = {"v": RECORD_VERSION, "ids": {new_id}, "id": new_id, "most": MAX_OF_ONE_AGENT}
        try:
            self._database.write(Update(key, f"SET #v = :v ADD #{kind} :ids", condition=room, values=values))
        except ConditionFailed as failure:
            if failure.item and new_id in failure.item[kind]:
                return
            raise ToolError(
                f"This session has started {MAX_OF_ONE_AGENT} {kind} of this agent, which is as many as it may. "
                "Tell the user; a new chat may start more.",
                code=f"too_many_agent_{kind}",
            ) from failure
