"""The demo model builds agents and changes them through chat, from the phrase to the library."""

import json

from local.demo_phrases import Request, plan_reply
from shared.chat.model import ModelRequest
from tests.support.building import builder
from tests.support.model import Script, calls, says
from tests.support.region import Parley


def demo(request: ModelRequest) -> Script:
    """What the demo model says."""
    reply = plan_reply(Request.parse({"messages": list(request.messages), "tools": list(request.tools)}))
    wanted = [(f"c{len(request.messages)}-{n}", call.name, call.arguments) for n, call in enumerate(reply.calls)]
    return calls(*wanted) if wanted else says(reply.text)


def test_a_phrase_builds_an_agent(parley: Parley) -> None:
    """The guide is read, the model plans and drafts, the agent is saved, and the chat is told."""
    ada = builder(parley, has_read=False)
    parley.model.choose = demo
    parley.send(ada.session, "Please build an agent that greets people.")
    parley.drain_all()
    rows = parley.transcript(ada.session)
    answers = [json.loads(row.content)["type"] for row in rows if row.role == "tool"]
    assert answers == ["agent_building_guide", "agent_saved"]
    assert [agent.name for agent in ada.library.page("ada", 10).agents] == ["Greets people"]
    assert "Greets people is saved" in rows[-1].content


def test_a_phrase_changes_an_agent(parley: Parley) -> None:
    """An own one has a further version, and of a published one there is a copy; the rest of the graph stays."""
    ada = builder(parley, has_read=False)
    parley.model.choose = demo
    said = (
        "build an agent that greets people",
        "change Greets people so that it sings",
        "change parley/compare-two-texts so that it is short",
    )
    for number, text in enumerate(said):
        parley.send(ada.session, text, f"m{number}")
        parley.drain_all()
    copy, own = ada.library.page("ada", 10).agents
    assert [(one.name, one.version, one.description) for one in (own, copy)] == [
        ("Greets people", 2, "Changed: sings"),
        ("Compare two texts", 1, "Changed: is short"),
    ]
    assert len(ada.library.graph(own).nodes) == 3
