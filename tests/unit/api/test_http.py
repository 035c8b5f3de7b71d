"""The HTTP API's answers, without a network: what is accepted, refused and shown."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

from shared.accounts.identity import Identity
from shared.api.application import build_application
from shared.kernel.settings import IdentitySettings
from tests.support.description import held_to_description
from tests.support.model import says
from tests.support.region import Parley

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
CONSOLE = Path(__file__).parents[3] / "clients" / "web"


def bearer(user: str) -> dict[str, str]:
    token = jwt.encode({"sub": user, "exp": time.time() + 600}, SECRET, algorithm="HS256")
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def ada(parley: Parley) -> TestClient:
    """Ada's client; every answer it gets is held to the API's description."""
    identity = Identity(IdentitySettings(jwt_secret_parameter="/jwt"), lambda: SECRET, parley.clock)
    app = build_application(parley.services, identity, "wss://socket.example/local", CONSOLE)
    return held_to_description(TestClient(app, headers=bearer("ada"), raise_server_exceptions=False))


def new_session(client: TestClient) -> str:
    session_id = client.post("/api/chat/sessions", json={}).json()["id"]
    assert isinstance(session_id, str)
    return session_id


def send(client: TestClient, session_id: str, **body: Any) -> Any:
    sent = {"message": "Hello", "message_id": "m1", **body}
    return client.post(f"/api/chat/sessions/{session_id}/stream", json=sent, headers={"accept": "application/json"})


def test_without_a_token_everything_but_health_and_the_console_is_closed(ada: TestClient) -> None:
    """401 with a stable code, and the scheme that is wanted."""
    for method, path in [("GET", "sessions"), ("POST", "sessions"), ("GET", "tasks/x"), ("POST", "sessions/x/cancel")]:
        answer = ada.request(method, f"/api/chat/{path}", headers={"authorization": ""})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert ada.post("/api/ws-ticket", headers={"authorization": ""}).status_code == 401
    assert ada.get("/api/health", headers={"authorization": ""}).json() == {"status": "ok"}


def test_sessions_are_listed_newest_accept_first_and_paged(ada: TestClient, parley: Parley) -> None:
    """A page names the cursor of the next one; each session is shown once."""
    ids = []
    for _ in range(5):
        ids.append(new_session(ada))
        parley.clock.advance(1)
    send(ada, ids[0])

    first = ada.get("/api/chat/sessions?limit=3").json()
    second = ada.get(f"/api/chat/sessions?limit=3&cursor={first['next_cursor']}").json()

    assert [row["id"] for row in first["sessions"] + second["sessions"]] == [ids[0], ids[4], ids[3], ids[2], ids[1]]
    assert second["next_cursor"] is None
    assert [row["is_processing"] for row in first["sessions"]] == [True, False, False]


def test_sessions_are_searched_by_title(ada: TestClient) -> None:
    """In whatever case, with blanks around the words left out; a blank search is none."""
    for title in ("Rivers", "Lakes"):
        ada.post("/api/chat/sessions", json={"title": title})

    def found(search: str) -> list[str]:
        rows = ada.get("/api/chat/sessions", params={"search": search}).json()["sessions"]
        return sorted(row["title"] for row in rows)

    assert (found("rIVER"), found(" lakes "), found("  "), found("s")) == (
        ["Rivers"],
        ["Lakes"],
        *[["Lakes", "Rivers"]] * 2,
    )
    answer = ada.get("/api/chat/sessions", params={"search": "x" * 201})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


def test_a_session_is_renamed(ada: TestClient) -> None:
    """The answer is the session as a list shows it; blanks around the title are left out."""
    session_id = new_session(ada)
    answer = ada.patch(f"/api/chat/sessions/{session_id}", json={"title": "  Rivers \n"})
    assert (answer.status_code, answer.json()["title"]) == (200, "Rivers")
    assert ada.get("/api/chat/sessions").json()["sessions"] == [answer.json()]


@pytest.mark.parametrize("body", [{}, {"title": " "}, {"title": None}, {"title": "x" * 201}, {"title": "x", "id": "y"}])
def test_a_title_that_is_none_is_refused(ada: TestClient, body: dict[str, Any]) -> None:
    """422, and the old one stays."""
    session_id = new_session(ada)
    answer = ada.patch(f"/api/chat/sessions/{session_id}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert ada.get(f"/api/chat/sessions/{session_id}").json()["title"] is None


def test_a_deleted_session_is_gone_on_every_route(ada: TestClient) -> None:
    """204 once; from then on it, its turn and that turn's stream are answered as what never was."""
    session_id = new_session(ada)
    task_id = send(ada, session_id).json()["task_id"]
    session, task = f"/api/chat/sessions/{session_id}", f"/api/chat/tasks/{task_id}"

    answer = ada.delete(session)
    assert (answer.status_code, answer.content) == (204, b"")

    gone = [("DELETE", session), ("GET", session), ("GET", f"{session}/stream"), ("POST", f"{session}/cancel")]
    gone += [("GET", f"{session}/messages/pending"), ("GET", task), ("GET", f"{task}/stream")]
    assert [ada.request(method, path).status_code for method, path in gone] == [404] * len(gone)
    assert ada.patch(session, json={"title": "Back"}).json()["code"] == "SESSION_NOT_FOUND"
    assert ada.post(f"{session}/messages/pending", json={"message": "x"}).json()["code"] == "SESSION_NOT_FOUND"
    assert send(ada, session_id).json()["code"] == "SESSION_NOT_FOUND"
    assert ada.get("/api/chat/sessions").json()["sessions"] == []


@pytest.mark.parametrize("cursor", ["x", "W10=", "e30=", "WyJ4Il0=", "%00"])
def test_a_made_up_cursor_is_refused(ada: TestClient, cursor: str) -> None:
    """422, not an error of ours."""
    answer = ada.get(f"/api/chat/sessions?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def test_what_belongs_to_somebody_else_does_not_exist(ada: TestClient, parley: Parley) -> None:
    """A foreign session or task answers exactly as a missing one, on every route."""
    session_id = new_session(ada)
    task_id = send(ada, session_id).json()["task_id"]
    grace = bearer("grace")
    routes = [
        ("GET", "/api/chat/sessions/{s}", None),
        ("GET", "/api/chat/sessions/{s}/stream", None),
        ("POST", "/api/chat/sessions/{s}/stream", {"message": "x", "message_id": "m1"}),
        ("PATCH", "/api/chat/sessions/{s}", {"title": "Mine"}),
        ("DELETE", "/api/chat/sessions/{s}", None),
        ("POST", "/api/chat/sessions/{s}/cancel", None),
        ("GET", "/api/chat/sessions/{s}/messages/pending", None),
        ("POST", "/api/chat/sessions/{s}/messages/pending", {"message": "x"}),
        ("GET", "/api/chat/tasks/{t}", None),
        ("GET", "/api/chat/tasks/{t}/stream", None),
    ]
    for method, route, body in routes:
        foreign = ada.request(method, route.format(s=session_id, t=task_id), json=body, headers=grace)
        missing = ada.request(method, route.format(s="missing", t="missing"), json=body, headers=grace)
        assert foreign.status_code == missing.status_code == 404, route
        assert foreign.json() == missing.json(), route


def test_a_message_of_64000_characters_is_accepted_and_one_more_is_not(ada: TestClient) -> None:
    """The limit is in characters, whatever they weigh."""
    session_id = new_session(ada)
    assert send(ada, session_id, message="\U0001f600" * 64_000).status_code == 202
    answer = send(ada, session_id, message="x" * 64_001, message_id="m2")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 422),
        (b"null", 422),
        (b"[" * 100_000, 400),
        (b'{"message": "\\ud800", "message_id": "m"}', 422),
        (b'{"message": "  ", "message_id": "m"}', 422),
        (b'{"message": "x", "message_id": "a#b"}', 422),
        (b'{"message": "x", "message_id": "' + b"a" * 65 + b'"}', 422),
        (b'{"message": "x", "is_user_message": false}', 422),
        (b'{"message": "x", "surprise": 1}', 422),
        (b'{"message": "x", "policy": "explode"}', 422),
        (b'{"messages": []}', 422),
        (b'{"messages": [{"id": "m", "role": "assistant", "parts": [{"type": "text", "text": "x"}]}]}', 422),
        (b'{"messages": [1], "trigger": "regenerate-message"}', 422),
        (b"x" * 1_000_001, 413),
    ],
)
def test_a_send_that_is_not_one_is_refused_with_a_code(ada: TestClient, body: bytes, status: int) -> None:
    """4xx, `{code, message}`, and nothing is stored."""
    session_id = new_session(ada)
    answer = ada.post(f"/api/chat/sessions/{session_id}/stream", content=body)
    assert answer.status_code == status
    assert set(answer.json()) <= {"code", "message", "details"}
    assert ada.get(f"/api/chat/sessions/{session_id}").json()["messages"] == []


def test_a_send_is_json_whatever_its_content_type_says(ada: TestClient) -> None:
    """The official transports don't all name it."""
    session_id = new_session(ada)
    answer = ada.post(
        f"/api/chat/sessions/{session_id}/stream",
        content=b'{"message": "Hi", "message_id": "m1"}',
        headers={"accept": "application/json", "content-type": "text/plain"},
    )
    assert answer.status_code == 202
    assert set(answer.json()) == {"task_id", "session_id", "status"}


def test_the_rows_of_the_running_turn_are_left_to_its_stream(ada: TestClient, parley: Parley) -> None:
    """While a turn runs its user row is shown and `active_stream` names it; afterwards all rows are."""
    session_id = new_session(ada)
    parley.scripted(says("Hello!"))
    task_id = send(ada, session_id).json()["task_id"]

    running = ada.get(f"/api/chat/sessions/{session_id}").json()
    parley.drain_queue()
    ended = ada.get(f"/api/chat/sessions/{session_id}").json()

    assert [row["role"] for row in running["messages"]] == ["user"]
    assert running["active_stream"]["task_id"] == task_id
    assert running["active_stream"]["last_message_id"] == "0-0"
    assert [(row["role"], row["content"]) for row in ended["messages"]] == [("user", "Hello"), ("assistant", "Hello!")]
    assert ended["active_stream"] is None


def test_a_task_tells_where_it_is(ada: TestClient, parley: Parley) -> None:
    """From queued to completed, with the fields that clients rely on."""
    parley.scripted(says("Hello!"))
    task_id = send(ada, new_session(ada)).json()["task_id"]
    assert ada.get(f"/api/chat/tasks/{task_id}").json()["status"] == "queued"
    parley.drain_queue()
    task = ada.get(f"/api/chat/tasks/{task_id}").json()
    assert set(task) == {
        "task_id", "session_id", "kind", "status", "tool_name", "operation_id", "created_at", "ended_at", "error",
    }  # fmt: skip
    assert (task["status"], task["kind"], task["error"]) == ("completed", "turn", None)


def test_the_stream_of_a_task_is_read_from_any_cursor(ada: TestClient, parley: Parley) -> None:
    """By index, from the end, by event id; `[DONE]` follows `finish` and nothing else."""
    parley.scripted(says("Hello!"))
    task_id = send(ada, new_session(ada)).json()["task_id"]
    url = f"/api/chat/tasks/{task_id}/stream"
    waiting = ada.get(url)
    parley.drain_queue()

    assert "[DONE]" not in waiting.text
    assert "data:" not in waiting.text
    whole = ada.get(url)
    assert whole.text.count("data: {") == 7
    assert whole.text.rstrip().endswith("data: [DONE]")
    assert whole.headers["x-workflow-run-id"] == task_id
    assert ada.get(f"{url}?startIndex=5").text.count("data: {") == 2
    assert ada.get(f"{url}?startIndex=-1").text.count("data: {") == 1
    assert ada.get(f"{url}?startIndex=7").text.count("data: {") == 0
    assert ada.get(url, headers={"last-event-id": "5"}).text.count("data: {") == 1
    assert ada.get(f"{url}?last_message_id=0-0").text == whole.text
    assert ada.get(f"{url}?startIndex=8").json()["code"] == "cursor_beyond_head"
    assert ada.get(f"{url}?last_message_id=x").status_code == 422


def test_an_expired_stream_is_gone_and_its_messages_are_not(ada: TestClient, parley: Parley) -> None:
    """410 with a code; the session still has it all."""
    parley.scripted(says("Hello!"))
    session_id = new_session(ada)
    task_id = send(ada, session_id).json()["task_id"]
    parley.drain_queue()
    parley.clock.advance(8 * 86_400)
    answer = ada.get(f"/api/chat/tasks/{task_id}/stream")
    assert (answer.status_code, answer.json()["code"]) == (410, "TASK_EXPIRED")
    assert len(ada.get(f"/api/chat/sessions/{session_id}").json()["messages"]) == 2


def test_a_turn_that_ended_five_minutes_ago_is_not_resumed(ada: TestClient, parley: Parley) -> None:
    """Until then it is replayed whole, so that a client which missed the end gets it."""
    parley.scripted(says("Hello!"))
    session_id = new_session(ada)
    assert ada.get(f"/api/chat/sessions/{session_id}/stream").status_code == 204
    send(ada, session_id)
    parley.drain_queue()
    assert ada.get(f"/api/chat/sessions/{session_id}/stream").text.rstrip().endswith("[DONE]")
    parley.clock.advance(301)
    assert ada.get(f"/api/chat/sessions/{session_id}/stream").status_code == 204


def test_a_resume_that_is_cut_off_does_not_look_like_success(ada: TestClient) -> None:
    """While the turn still runs after the hold, an error part says so."""
    session_id = new_session(ada)
    send(ada, session_id)
    answer = ada.get(f"/api/chat/sessions/{session_id}/stream")
    assert '"still_running"' in answer.text
    assert "[DONE]" not in answer.text


def test_pending_needs_a_running_turn(ada: TestClient) -> None:
    """409 when there is none; otherwise the message waits and can be seen."""
    session_id = new_session(ada)
    url = f"/api/chat/sessions/{session_id}/messages/pending"
    assert ada.post(url, json={"message": "more"}).json()["code"] == "no_active_task"
    send(ada, session_id)
    assert ada.post(url, json={"message": "more", "message_id": "m2"}).status_code == 202
    peek = ada.get(url).json()
    assert (peek["count"], peek["messages"][0]["content"]) == (1, "more")


def test_reject_answers_409_while_a_turn_runs(ada: TestClient) -> None:
    """The policy belongs to the request."""
    session_id = new_session(ada)
    send(ada, session_id)
    answer = send(ada, session_id, message_id="m2", policy="reject")
    assert (answer.status_code, answer.json()["code"]) == (409, "turn_running")


def test_the_console_is_served_and_nothing_beside_it(ada: TestClient) -> None:
    """Files of the console only, with a policy that lets them talk to this deployment alone."""
    page = ada.get("/", headers={"authorization": ""})
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    assert "connect-src 'self' wss://socket.example" in page.headers["content-security-policy"]
    assert ada.get("/app.js").status_code == 200
    for path in ("/missing.js", "/../README.md", "/%2e%2e/%2e%2e/README.md", "/package.json", "/api/nothing"):
        answer = ada.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_an_error_of_ours_shows_no_insides(ada: TestClient, parley: Parley) -> None:
    """500 with a code, and the trace stays in the log."""
    parley.database._client.delete_table(TableName="state")
    answer = ada.get("/api/chat/sessions")
    assert answer.status_code == 503
    assert answer.json() == {"code": "storage_unavailable", "message": "DynamoDB refused: ResourceNotFoundException"}


@pytest.mark.parametrize("compat", ["5", "6", "7"])
def test_the_version_of_a_client_changes_nothing_for_most_streams(ada: TestClient, parley: Parley, compat: str) -> None:
    """Only a turn with a withdrawn step looks different to an old client."""
    parley.scripted(says("Hello!"))
    session_id = new_session(ada)
    task_id = send(ada, session_id).json()["task_id"]
    parley.drain_queue()
    plain, told = (ada.get(f"/api/chat/tasks/{task_id}/stream{query}") for query in ("", f"?compat={compat}"))
    assert plain.text == told.text


def test_a_version_that_nobody_has_is_refused(ada: TestClient) -> None:
    """422, before anything is stored."""
    session_id = new_session(ada)
    url = f"/api/chat/sessions/{session_id}/stream?compat=4"
    assert ada.post(url, json={"message": "Hello"}).json()["code"] == "validation_failed"
    assert ada.get(f"/api/chat/sessions/{session_id}").json()["messages"] == []


def test_an_event_source_is_told_when_to_come_back(ada: TestClient, parley: Parley) -> None:
    """Left to itself it would rest for seconds between two segments."""
    parley.scripted(says("Hello!"))
    task_id = send(ada, new_session(ada)).json()["task_id"]
    assert "retry: 250\n" in ada.get(f"/api/chat/tasks/{task_id}/stream").text


def test_an_answer_is_waited_for_without_a_stream(ada: TestClient, parley: Parley) -> None:
    """It comes when the turn has ended, with its tokens; the same message id asks for the same turn."""
    session_id = new_session(ada)
    parley.scripted(says("Seven", tokens=(30, 7)))
    parley.clock.at(1.0, parley.drain_queue)
    began = parley.clock.now()
    body = {"message": "Count rivers", "message_id": "m1"}
    answer = ada.post(f"/api/chat/sessions/{session_id}/run", json=body).json()

    assert 1 <= parley.clock.now() - began < 2
    assert (answer["status"], answer["response"], answer["usage"]["total_tokens"]) == ("completed", "Seven", 37)
    assert ada.post(f"/api/chat/sessions/{session_id}/run", json=body).json() == answer


def test_a_wait_that_is_too_short_says_what_there_is(ada: TestClient, parley: Parley) -> None:
    """`running`, and `queued` for a message that waits for another turn."""
    session_id = new_session(ada)
    first = ada.post(f"/api/chat/sessions/{session_id}/run", json={"message": "Hm", "wait_seconds": 0}).json()
    second = ada.post(f"/api/chat/sessions/{session_id}/run", json={"message": "Hey", "wait_seconds": 2}).json()
    assert [first["status"], second["status"]] == ["running", "queued"]
    assert (
        ada.post(f"/api/chat/sessions/{session_id}/run", json={"message": "Hm", "wait_seconds": 26}).status_code == 422
    )
    assert ada.post("/api/chat/sessions/nope/run", json={"message": "Hm"}).status_code == 404


def test_the_sub_sessions_of_a_foreign_session_are_not_listed(ada: TestClient, parley: Parley) -> None:
    """404, as for everything else of it."""
    foreign = parley.new_session("grace").id
    assert ada.get("/api/chat/sessions", params={"parent_session": foreign}).json()["code"] == "SESSION_NOT_FOUND"
    assert ada.get("/api/chat/sessions", params={"parent_session": new_session(ada)}).json()["sessions"] == []
