"""The routes of operations: who may complete them, in which order that is asked, and what is shown of them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.accounts.identity import Identity
from shared.api.application import build_application
from shared.chat.operations.callbacks import Callbacks
from shared.kernel.settings import IdentitySettings
from shared.tools.long_running import HandedOff
from tests.support.description import held_to_description
from tests.support.model import calls, says
from tests.support.region import COMPLETION_KEY, Parley
from tests.support.tools import Survey
from tests.unit.api.test_http import CONSOLE, SECRET, bearer

Clients = Callable[[str | None], TestClient]
OUTCOME = {"success": True, "result": {"rows": 42}, "error": None}


@pytest.fixture
def client(parley: Parley) -> Clients:
    """Ada's client of a deployment whose completion key is the given one."""

    def build(key: str | None = COMPLETION_KEY) -> TestClient:
        identity = Identity(IdentitySettings(jwt_secret_parameter="/jwt"), lambda: SECRET, parley.clock)
        app = build_application(parley.services, identity, "wss://socket.example/local", CONSOLE, lambda: key)
        return held_to_description(TestClient(app, headers=bearer("ada"), raise_server_exceptions=False))

    return build


@pytest.fixture
def waiting(parley: Parley) -> str:
    """The id of an operation that somebody outside does."""
    parley.clock.advance_to(time.time())
    parley.with_tools(Survey(lambda *_: HandedOff()))
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}')), says("Soon."), says("Here it is."))
    parley.send(session)
    parley.drain_all()
    (task_id,) = parley.session(session.id).operations
    return f"op_{task_id}"


def complete(client: TestClient, operation_id: str, body: Any = OUTCOME, key: str | None = COMPLETION_KEY) -> Any:
    headers = {"authorization": "", **({"x-api-key": key} if key else {})}
    return client.post(f"/api/chat/operations/{operation_id}/complete", json=body, headers=headers)


def test_the_checks_come_in_their_order(client: Clients, waiting: str) -> None:
    """No key configured: 503; a wrong one: 401; an unknown operation: 404; then the body."""
    for operation_id in (waiting, "op_nothing"):
        answer = complete(client(None), operation_id, {"wrong": 1}, key="wrong")
        assert (answer.status_code, answer.json()["code"]) == (503, "completions_not_configured")
        for key in (None, "wrong", COMPLETION_KEY + "x", COMPLETION_KEY[:-1]):
            answer = complete(client(COMPLETION_KEY), operation_id, {"wrong": 1}, key=key)
            assert (answer.status_code, answer.json()["code"]) == (401, "api_key_invalid")
    for unknown in ("op_nothing", "op_" + "x" * 100, waiting.removeprefix("op_")):
        answer = complete(client(COMPLETION_KEY), unknown, {"wrong": 1})
        assert (answer.status_code, answer.json()["code"]) == (404, "OPERATION_NOT_FOUND")
    for wrong in ({"wrong": 1}, {"success": True, "result": 5}, {"success": True, "result": ["x"]}, {}):
        answer = complete(client(COMPLETION_KEY), waiting, wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


def test_a_completion_is_taken_and_taken_again(client: Clients, parley: Parley, waiting: str) -> None:
    """200 with the task each time; the first one counts."""
    ada = client(COMPLETION_KEY)
    for outcome in (OUTCOME, {"success": False, "error": "no"}, OUTCOME):
        assert complete(ada, waiting, outcome).json() == {"status": "ok", "task_id": waiting.removeprefix("op_")}
        parley.drain_all()
    task = parley.task(waiting.removeprefix("op_"))
    assert task.status == "completed"
    assert parley.parts(task.id)[-2]["output"] == {"rows": 42}


def test_a_completion_may_bring_a_whole_agent(client: Clients, waiting: str) -> None:
    """1 MB of it, and what is around; more is refused."""
    assert (
        complete(client(COMPLETION_KEY), waiting, {**OUTCOME, "result": {"agent_json": "x" * 2_000_000}}).status_code
        == 413
    )
    assert (
        complete(client(COMPLETION_KEY), waiting, {**OUTCOME, "result": {"agent_json": "x" * 1_000_000}}).status_code
        == 200
    )


def test_a_signed_address_needs_no_key(client: Clients, parley: Parley, waiting: str) -> None:
    """It is good for its operation, until its time."""
    ada, task = client(COMPLETION_KEY), parley.task(waiting.removeprefix("op_"))
    sign = Callbacks("https://parley.example", lambda: COMPLETION_KEY).address_of
    soon = int((parley.clock.now() + 60) * 1000)

    def post(url: str) -> Any:
        return ada.post(url.removeprefix("https://parley.example"), json=OUTCOME, headers={"authorization": ""})

    other = sign("op_other", soon).replace("op_other", waiting)
    assert post(other).json()["code"] == "api_key_invalid"
    assert post(sign(waiting, soon).replace("expires=", "expires=1")).json()["code"] == "api_key_invalid"
    late = sign(waiting, soon - 120_000)
    assert (post(late).status_code, post(late).json()["code"]) == (401, "signature_expired")
    assert post(sign(waiting, soon)).json() == {"status": "ok", "task_id": task.id}
    assert post(sign(waiting, soon)).status_code == 200
    parley.drain_all()
    assert parley.task(task.id).status == "completed"


def test_a_key_that_changes_ends_the_addresses_of_the_old_one() -> None:
    """They are signed with what is derived from it."""
    old = Callbacks("https://parley.example", lambda: "old").address_of("op_1", 1_000)
    new = Callbacks("https://parley.example", lambda: "new").address_of("op_1", 1_000)
    assert old != new
    assert Callbacks("https://parley.example", lambda: None).address_of("op_1", 1_000) == ""
    assert Callbacks("", lambda: "key").address_of("op_1", 1_000) == ""


def test_an_operation_is_shown_with_its_tool(client: Clients, parley: Parley, waiting: str) -> None:
    """As a task, as the stream of an idle session, and with a stream of its own."""
    ada, task_id = client(COMPLETION_KEY), waiting.removeprefix("op_")
    task = ada.get(f"/api/chat/tasks/{task_id}").json()
    assert (task["kind"], task["status"], task["tool_name"], task["operation_id"]) == (
        "operation",
        "waiting",
        "survey",
        waiting,
    )
    page = ada.get(f"/api/chat/sessions/{task['session_id']}").json()
    assert page["active_stream"] == {
        "task_id": task_id,
        "last_message_id": "0-0",
        "operation_id": waiting,
        "tool_name": "survey",
    }
    complete(ada, waiting)
    parley.drain_all()
    stream = ada.get(f"/api/chat/tasks/{task_id}/stream?startIndex=0").text
    assert 'id: 0\ndata: {"type":"start"' in stream
    assert '"type":"tool-output-available"' in stream
    assert stream.endswith("data: [DONE]\n\n")
    page = ada.get(f"/api/chat/sessions/{task['session_id']}").json()
    assert page["active_stream"] is None
    assert [row["role"] for row in page["messages"]][-2:] == ["system", "assistant"]


def test_pending_items_of_the_system_are_not_the_users(client: Clients, parley: Parley, waiting: str) -> None:
    """A notice that waits is not listed, and takes none of the ten places."""
    ada, session_id = client(COMPLETION_KEY), parley.task(waiting.removeprefix("op_")).session_id
    seen: list[Any] = []

    def during() -> None:
        complete(ada, waiting)
        parley.drain_runs()
        seen.append(ada.get(f"/api/chat/sessions/{session_id}/messages/pending").json())
        for n in range(10):
            body = {"message": "more", "message_id": f"p{n}"}
            seen.append(ada.post(f"/api/chat/sessions/{session_id}/messages/pending", json=body).status_code)

    parley.scripted([during, *says("Hm.")], says("All heard."))
    parley.send(parley.session(session_id), "And?", "m2")
    parley.drain_all()
    assert seen == [{"messages": [], "count": 0, "max": 10}, *[202] * 10]
    assert (parley.session(session_id).pending_count, parley.session(session_id).notices) == (0, 0)


def test_a_user_stops_their_operation(client: Clients, parley: Parley, waiting: str) -> None:
    """Once; others don't find it."""
    ada = client(COMPLETION_KEY)
    path = f"/api/chat/operations/{waiting}/cancel"
    assert ada.post(path, headers=bearer("grace")).status_code == 404
    assert ada.post(path, headers={"authorization": ""}).status_code == 401
    assert ada.post(path).json() == {"cancelled": True, "task_id": waiting.removeprefix("op_")}
    parley.drain_all()
    assert ada.post(path).json() == {"cancelled": False, "task_id": None}
    assert parley.task(waiting.removeprefix("op_")).status == "cancelled"
