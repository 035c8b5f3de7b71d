"""Permissions and approvals over HTTP; every answer is held to the API's description."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Asking
from tests.unit.api.test_http import ada, new_session, send

__all__ = ["ada"]

DAY = 86_400


def paused(client: TestClient, parley: Parley) -> tuple[str, str, Asking]:
    """A session whose turn asks the user: its id, the request's, and the tool."""
    tool = Asking()
    parley.with_tools(tool)
    parley.scripted(calls(("c1", "send_mail", '{"text":"x"}')), says("Done"))
    session = new_session(client)
    send(client, session)
    parley.drain_queue()
    (asked,) = client.get(f"/api/chat/sessions/{session}/approvals").json()["approvals"]
    return session, asked["approval_id"], tool


def test_a_session_with_permissions(ada: TestClient, parley: Parley) -> None:
    """They are kept as they are given, and so is the dry run."""
    lists = {"tools": ["web_fetch"], "tools_exclude": False, "blocks": ["Wait"], "needs_approval": ["web_fetch"]}
    answer = ada.post("/api/chat/sessions", json={"permissions": lists, "dry_run": True})
    assert answer.status_code == 201
    session = parley.session(answer.json()["id"])
    assert session.dry_run is True
    assert session.permissions["needs_approval"] == ["web_fetch"]
    assert session.permissions["levels"] == [
        {"tools": ["web_fetch"], "tools_exclude": False, "blocks": ["Wait"], "blocks_exclude": True}
    ]


@pytest.mark.parametrize("field", ["tools", "needs_approval"])
def test_an_unknown_tool_is_refused(ada: TestClient, field: str) -> None:
    """With its name, before there is a session."""
    answer = ada.post("/api/chat/sessions", json={"permissions": {field: ["web_fetch", "web_fech"]}})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_tools")
    assert answer.json()["details"] == {"tools": ["web_fech"]}
    assert ada.get("/api/chat/sessions").json()["sessions"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"permissions": {"tool": []}},
        {"permissions": {"tools": "web_fetch"}},
        {"permissions": None},
        {"metadata": {"dry_run": True}},
        {"dry_run": "maybe"},
    ],
)
def test_unknown_and_wrong_fields_are_refused(ada: TestClient, body: dict[str, Any]) -> None:
    """A typing error must not leave a session without limits."""
    assert ada.post("/api/chat/sessions", json=body).status_code == 422


def test_an_approval_over_http(ada: TestClient, parley: Parley) -> None:
    """Listed, answered, answered again, contradicted, and then gone from the list."""
    session, approval, tool = paused(ada, parley)
    first = ada.post(f"/api/chat/approvals/{approval}", json={"approved": True}).json()
    assert (first["status"], first["approved"]) == ("started", True)
    again = ada.post(f"/api/chat/approvals/{approval}", json={"approved": True}).json()
    assert again == {**first, "status": "repeated"}
    other = ada.post(f"/api/chat/approvals/{approval}", json={"approved": False})
    assert (other.status_code, other.json()["details"]) == (409, {"status": "approved"})
    parley.drain_queue()
    assert tool.calls == ["x"]
    assert ada.get(f"/api/chat/sessions/{session}/approvals").json() == {"approvals": []}
    assert ada.get(f"/api/chat/tasks/{first['task_id']}").json()["status"] == "completed"


def test_answers_that_do_not_count(ada: TestClient, parley: Parley) -> None:
    """Unknown, foreign, too long, malformed, closed and late ones."""
    session, approval, tool = paused(ada, parley)
    for unknown in ("x", f"{session}_x", "x" * 500):
        assert ada.post(f"/api/chat/approvals/{unknown}", json={"approved": True}).status_code == 404
    for body in ({}, {"approved": "perhaps"}, {"approved": True, "more": 1}, {"approved": True, "reason": "x" * 2_001}):
        assert ada.post(f"/api/chat/approvals/{approval}", json=body).status_code == 422
    parley.clock.advance(31 * DAY)
    late = ada.post(f"/api/chat/approvals/{approval}", json={"approved": True})
    assert (late.status_code, late.json()["code"]) == (410, "approval_expired")
    send(ada, session, message_id="m2")
    closed = ada.post(f"/api/chat/approvals/{approval}", json={"approved": True})
    assert (closed.status_code, closed.json()["code"]) == (409, "approval_closed")
    assert tool.calls == []


def test_answers_as_the_official_client_sends_them(ada: TestClient, parley: Parley) -> None:
    """The assistant's message comes last; one that answers nothing is refused, and so is another session's request."""
    session, approval, tool = paused(ada, parley)
    part = {"type": "tool-send_mail", "state": "approval-responded", "approval": {"id": approval, "approved": True}}
    message = {"id": "msg_x", "role": "assistant", "parts": [{"type": "text", "text": "Well"}, part]}
    headers = {"accept": "application/json"}

    def post(to: str, **change: Any) -> Any:
        body = {"messages": [{**message, **change}], "trigger": "submit-message"}
        return ada.post(f"/api/chat/sessions/{to}/stream", json=body, headers=headers)

    assert post(session, parts=[{"type": "text", "text": "Well"}]).status_code == 422
    assert post(session, parts=[{**part, "approval": {"id": approval}}]).status_code == 422
    assert post(new_session(ada)).status_code == 404
    first, again = post(session), post(session)
    assert (first.status_code, first.json()["status"]) == (202, "queued")
    assert again.json() == first.json()
    parley.drain_queue()
    assert tool.calls == ["x"]


def test_half_an_answer_is_recorded(ada: TestClient, parley: Parley) -> None:
    """While another request of the step is open, there is no turn to watch."""
    parley.with_tools(Asking())
    wanted = [("c1", "send_mail", '{"text":"x"}'), ("c2", "send_mail", '{"text":"y"}')]
    parley.scripted(calls(*wanted), says("Done"))
    session = new_session(ada)
    send(ada, session)
    parley.drain_queue()
    first, second = ada.get(f"/api/chat/sessions/{session}/approvals").json()["approvals"]

    part = {"type": "tool-send_mail", "state": "approval-responded"}
    answered = {**part, "approval": {"id": first["approval_id"], "approved": True}}
    body = {"messages": [{"id": "a", "role": "assistant", "parts": [answered]}], "trigger": "submit-message"}
    stream = ada.post(f"/api/chat/sessions/{session}/stream", json=body).text
    assert "data-approval-recorded" in stream
    json_answer = ada.post(f"/api/chat/sessions/{session}/stream", json=body, headers={"accept": "application/json"})
    assert json_answer.json()["status"] == "recorded"
    last = ada.post(f"/api/chat/approvals/{second['approval_id']}", json={"approved": False}).json()
    assert (last["status"], last["approved"]) == ("started", False)


def test_the_page_of_a_turn_that_goes_on(ada: TestClient, parley: Parley) -> None:
    """While it runs, the whole message is left to the stream, which brings all of it."""
    session, approval, _ = paused(ada, parley)
    page = ada.get(f"/api/chat/sessions/{session}").json()
    assert [row["role"] for row in page["messages"]] == ["user", "assistant", "tool"]
    assert '"approval_pending"' in page["messages"][2]["content"]

    ada.post(f"/api/chat/approvals/{approval}", json={"approved": True})
    page = ada.get(f"/api/chat/sessions/{session}").json()
    assert [row["role"] for row in page["messages"]] == ["user"]
    assert page["active_stream"] is not None
    parley.drain_queue()
    page = ada.get(f"/api/chat/sessions/{session}").json()
    assert [row["role"] for row in page["messages"]] == ["user", "assistant", "tool", "assistant"]
