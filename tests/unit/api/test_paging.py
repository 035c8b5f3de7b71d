"""Pages of a session that was compacted."""

import json

from shared.api.paging import session_page
from shared.chat.compaction import TOOL_NAME
from shared.chat.model import ModelRequest
from shared.tools.contract import ToolContext, ToolResponse
from tests.support.model import Script, calls, says, summarizes
from tests.support.region import Parley
from tests.support.tools import Echo, EchoInput, EchoResponse


class Quoting(Echo):
    """Answers with as many quotation marks as it is told."""

    def run(self, context: ToolContext, arguments: EchoInput) -> ToolResponse:
        return EchoResponse(text='"' * int(arguments.text))


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


def test_a_page_stays_below_what_a_function_may_answer(parley: Parley) -> None:
    """Steps with many large results: whole steps while they fit, and of one that never would, how its results begin."""

    parley.with_tools(Quoting())
    many = calls(*((f"m{n}", "echo", '{"text":"31500"}') for n in range(64)))
    few = calls(*((f"f{n}", "echo", '{"text":"3000"}') for n in range(3)))
    parley.scripted(few, many, few, says("Done"))
    session = parley.new_session()
    parley.send(session)
    parley.drain_queue()
    total = len(parley.transcript(session))

    pages, before = [], None
    while before is None or before > 0:
        pages.append(session_page(parley.services, parley.session(session.id), 200, before))
        before = pages[-1]["oldest_sequence"]

    assert all(len(json.dumps(page).encode()) < 6_000_000 for page in pages)
    assert [row["sequence"] for page in reversed(pages) for row in page["messages"]] == list(range(total))
    assert [page["messages"][0]["role"] for page in pages] == ["assistant", "assistant", "user"]
    assert [page["has_more_messages"] for page in pages] == [True, True, False]
    shown = [
        [json.loads(row["content"])["type"] for row in page["messages"] if row["role"] == "tool"] for page in pages
    ]
    assert shown == [["echo"] * 3, ["output_too_large"] * 64, ["echo"] * 3]
