"""What another user has made begins turns for the user, but changes nothing that later acts without asking."""

from dataclasses import replace

import pytest

from shared.chat.sessions import Session, create_sub_session
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo


class Keep(Echo):
    """Changes what acts later."""

    name = "keep"
    description = "Keep something for later."
    trusted_only = True


def child_of(parley: Parley, *, is_foreign: bool) -> Session:
    """A sub-session that the user, or somebody else's agent, has begun."""
    parent = parley.send(parley.new_session()).task
    parley.drain_queue()
    return create_sub_session(parley.database, parley.clock, replace(parent, is_foreign=is_foreign), "child")


@pytest.mark.parametrize("is_foreign", [False, True])
def test_what_is_for_the_trusted_alone_is_hidden_and_refused(parley: Parley, is_foreign: bool) -> None:
    """In the turn of a sub-session; the user's own has it."""
    keep = Keep()
    parley.with_tools(Echo(), keep)
    parley.scripted(says("Hello"))
    child = child_of(parley, is_foreign=is_foreign)
    parley.scripted(calls(("k1", "keep", '{"text":"this"}')), says("Done"))
    parley.send(child, "Go", "m1")
    parley.drain_queue()
    told = next(row.content for row in parley.transcript(child) if row.role == "tool")
    offered = [tool["function"]["name"] for tool in parley.model.requests[-1].tools]
    assert ("keep" in offered, '"foreign_agent"' in told) == (not is_foreign, is_foreign)
    assert keep.calls == ([] if is_foreign else ["this"])
