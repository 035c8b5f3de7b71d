"""The guide gate: who builds an agent has read how, in this session, before the step in which it builds.

| record | pk             | sk      | notes                                                        |
|--------|----------------|---------|--------------------------------------------------------------|
| guide  | `SESSION#{id}` | `GUIDE` | `seq`: the row in which the guide was answered for the first time |

It is written with that row, so it holds for all later turns, whatever compaction leaves of the transcript. Calls of one
step were asked for together: one that stands beside the guide's was made by a model that hasn't read it.
"""

from collections.abc import Sequence

from shared.aws.database import Database
from shared.aws.writes import Key, Update, Write
from shared.chat.transcript import OpenStep
from shared.tools.contract import GUIDE_TOOL, ErrorResponse, NeedLogin, ToolResponse
from shared.tools.registry import Toolbox

RECORD_VERSION = 1


def guide_was_read(database: Database, session_id: str, step: OpenStep, toolbox: Toolbox) -> bool:
    """Whether the guide was answered before the step; not looked up if none of its calls needs to know."""
    tools = [toolbox.get(call.name) for call in step.missing.values()]
    if not any(tool is not None and tool.needs_guide for tool in tools):
        return False
    item = database.get(_key(session_id))
    return item is not None and int(item["seq"]) < step.assistant.seq


def guide_writes(session_id: str, answers: Sequence[tuple[int, str, ToolResponse]]) -> list[Write]:
    """What goes with the rows of `answers` (each its row's seq, the tool's name, its response)."""
    read = [
        seq
        for seq, tool, response in answers
        if tool == GUIDE_TOOL and not isinstance(response, ErrorResponse | NeedLogin)
    ]
    if not read:
        return []
    first = {"seq": min(read), "version": RECORD_VERSION}
    return [Update(_key(session_id), "SET #seq = if_not_exists(#seq, :seq), #v = :version", values=first)]


def _key(session_id: str) -> Key:
    return {"pk": f"SESSION#{session_id}", "sk": "GUIDE"}
