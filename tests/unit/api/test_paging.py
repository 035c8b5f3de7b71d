"""Pages of a session that was compacted."""

import json

from shared.api.paging import session_page
from shared.chat.compaction import TOOL_NAME
from shared.chat.model import ModelRequest
from tests.support.model import Script, calls, says, summarizes
from tests.support.region import Parley
from tests.support.tools import Echo


def test_a_compaction_is_never_cut_in_two(parley: Parley) -> None:
    """Wherever a page begins, a result has its call on the page; page by page all rows come, and no summary."""
    parley.with_tools(Echo())
    parley.with_window(2_000)
    long = json.dumps({"text": "page " * 200})

    def choose(request: ModelRequest) -> Script:
        if summarizes(request):
            return says("Nobody has said this.")
        done = sum(1 for row in parley.transcript(session) if row.tool_name == "echo")
        return calls((f"c{done}", "echo", long)) if done < 8 else says("Done")

    session = parley.new_session()
    parley.model.choose = choose
    parley.send(session, "Read")
    parley.drain_queue()
    total = len(parley.transcript(session))

    for limit in (1, 2, 3, 5, 50):
        seen: list[int] = []
        before = None
        while before is None or before > 0:
            page = session_page(parley.services, parley.session(session.id), limit, before)
            rows = page["messages"]
            assert rows[0]["role"] != "tool"
            assert "Nobody" not in json.dumps(page)
            assert "tokens" not in rows[0]
            seen = [row["sequence"] for row in rows] + seen
            before = page["oldest_sequence"]
        assert seen == list(range(total))
        assert not page["has_more_messages"]
    assert any(row.tool_name == TOOL_NAME for row in parley.transcript(session))
