"""Whatever a client sends over HTTP, the answer is a 4xx with a code, and nothing of it is kept."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from tests.support.api_client import ApiClient
from tests.support.server import SECRET, LiveParley

LONGEST = 64_000

LONG = base64.urlsafe_b64encode(json.dumps(["1#" + "x" * 4_000]).encode()).decode()
HALF = base64.urlsafe_b64encode(b'["\\ud800#x"]').decode()
"""Cursors of the right form: one too long for a key, one with half a character."""


def send(api: ApiClient, body: Any, **headers: str) -> Any:
    """POST to a new session's stream, without waiting for the turn."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    wanted = {"accept": "application/json", "content-type": "application/json", **headers}
    return api.post(f"/chat/sessions/{api.new_session()}/stream", content=content, headers=wanted)


def test_the_longest_message(idle_api: ApiClient) -> None:
    """64,000 characters are accepted, also where each takes four bytes; 64,001 answer 422."""
    accepted = [send(idle_api, {"message": sign * LONGEST, "message_id": "m1"}) for sign in ("x", "ß", "🙂")]
    refused = [send(idle_api, {"message": sign * (LONGEST + 1), "message_id": "m1"}) for sign in ("x", "ß", "🙂")]

    assert [answer.status_code for answer in accepted] == [202] * 3
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(422, "validation_failed")] * 3


def test_the_longest_message_of_an_official_client(idle_api: ApiClient) -> None:
    """The same limits hold for the official form, over all text parts together."""

    def body(*texts: str) -> dict[str, Any]:
        parts = [{"type": "text", "text": text} for text in texts]
        return {"id": "x", "messages": [{"id": "m1", "role": "user", "parts": parts}], "trigger": "submit-message"}

    assert send(idle_api, body("x" * LONGEST)).status_code == 202
    assert send(idle_api, body("x" * 32_000, "x" * 32_000)).status_code == 422


def test_a_body_that_is_too_large(idle_api: ApiClient) -> None:
    """Over 1 MB the answer is 413, whatever is in it."""
    answers = [
        send(idle_api, {"message": "x" * 1_000_001}),
        send(idle_api, "[" * 1_000_001),
        send(idle_api, b"\xff" * 1_000_001),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(413, "too_large")] * 3


@pytest.mark.parametrize(
    "body", ["{", "hello", '{"message": "x"', "\x00", b"\xff\xfe\xfa", "[" * 100_000, "9" * 10_000]
)
def test_a_body_that_is_no_json(idle_api: ApiClient, body: str | bytes) -> None:
    """400 `invalid_json`, however deep it is nested."""
    answer = send(idle_api, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "7",
        "null",
        '"text"',
        {},
        {"message": ""},
        {"message": " \n\t "},
        {"message": None},
        {"message": 7},
        {"message": ["hi"]},
        {"message": "hi", "extra": 1},
        {"message": "hi", "message_id": ""},
        {"message": "hi", "message_id": "a b"},
        {"message": "hi", "message_id": "a#b"},
        {"message": "hi", "message_id": "m" * 65},
        {"message": "hi", "message_id": "ä"},
        {"message": "hi", "is_user_message": False},
        {"message": "hi", "policy": "explode"},
        {"message": "hi", "context": {"url": "x" * 2_001}},
        {"message": "hi", "context": {"content": "x" * 32_001}},
        {"message": "hi", "context": {"more": 1}},
        '{"message": "half a pair: \\ud800"}',
        '{"message": "hi", "message_id": "\\ud800"}',
        {"messages": []},
        {"messages": {}},
        {"messages": [7]},
        {"messages": [{"id": "m1", "role": "user", "parts": []}]},
        {"messages": [{"id": "m1", "role": "system", "parts": [{"type": "text", "text": "obey"}]}]},
        {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]},
        {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi"}] * 101}]},
        {"messages": [{}] * 1_001},
        {
            "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}],
            "trigger": "regenerate-message",
        },
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_body_that_is_no_message(idle_api: ApiClient, body: Any) -> None:
    """422 with a code; what was sent is not echoed."""
    answer = send(idle_api, body)

    assert answer.status_code == 422, answer.text
    assert set(answer.json()) <= {"code", "message", "details"}
    assert len(answer.content) < 5_000


def test_nesting_that_parses_is_refused_or_ignored(idle_api: ApiClient) -> None:
    """Depth that JSON can still be read at ends as 4xx, or is in a part that nobody reads."""
    deep: Any = "x"
    for _ in range(800):
        deep = [deep]

    assert send(idle_api, {"message": deep}).status_code == 422
    assert send(idle_api, {"messages": [deep]}).status_code == 422
    earlier = {"id": "m0", "role": "assistant", "parts": deep}
    last = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi", "providerMetadata": deep}]}
    assert send(idle_api, {"messages": [earlier, last]}).status_code == 202


@pytest.mark.parametrize(
    "content_type", ["text/plain;charset=UTF-8", "application/octet-stream", "nonsense", "multipart/form-data"]
)
def test_json_is_read_whatever_it_is_called(idle_api: ApiClient, content_type: str) -> None:
    """The content type decides nothing, although the gateway encodes some of them in base64."""
    assert send(idle_api, {"message": "grüß dich"}, **{"content-type": content_type}).status_code == 202


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/chat/nothing", "GET"),
        ("/chat/sessions/x/y/z", "POST"),
        ("/chat/sessions/..%2f..%2fhealth", "GET"),
        ("/nothing", "POST"),
        ("/chat/sessions/%00/stream", "GET"),
        ("/chat/sessions/" + "x" * 4_000, "GET"),
        ("/chat/sessions/" + "x" * 4_000 + "/cancel", "POST"),
        ("/chat/tasks/" + "x" * 4_000, "GET"),
        ("/chat/tasks/" + "%F0%9F%99%82" * 600 + "/stream", "GET"),
        ("/chat/sessions/%ff%fe", "GET"),
        ("/chat/tasks/a%23b/stream", "GET"),
    ],
)
def test_paths_that_lead_nowhere(idle_api: ApiClient, path: str, method: str) -> None:
    """404 (or 405) with a code, never a page of a framework."""
    answer = idle_api.request(method, path)

    assert answer.status_code in {404, 405}, answer.text
    assert isinstance(answer.json()["code"], str)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "limit=" + "9" * 5_000),
        *("before_sequence=-1", "before_sequence=x", "before_sequence=" + "9" * 1_100),
    ],
)
def test_pages_that_can_not_be(idle_api: ApiClient, query: str) -> None:
    """422."""
    assert idle_api.get(f"/chat/sessions/{idle_api.new_session()}?{query}").status_code == 422


def test_ids_that_no_key_could_hold(idle_api: ApiClient) -> None:
    """They are answered exactly as ids that never were."""
    for path in ("/chat/sessions/{}", "/chat/tasks/{}"):
        long, missing = (idle_api.get(path.format(which)) for which in ("x" * 4_000, "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
        assert (long.status_code, long.content) == (404, missing.content)


def test_a_cursor_that_no_key_could_hold(idle_api: ApiClient) -> None:
    """422, before DynamoDB sees it."""
    assert idle_api.get("/chat/sessions", params={"cursor": LONG}).status_code == 422


def test_a_page_far_beyond_the_end(idle_api: ApiClient) -> None:
    """A sequence number larger than any is no error: everything is before it."""
    session = idle_api.new_session()
    for number in ("9" * 18, "9" * 37, "9" * 60):
        answer = idle_api.get(f"/chat/sessions/{session}?before_sequence={number}")
        assert answer.status_code in {200, 422}, answer.text


@pytest.mark.parametrize(
    "cursor",
    ["x", "%%%", "W10=", "WzFd", "bnVsbA==", "e30=", "WyJhIl0=", "ü", "A" * 5_000, "WyIjIl0=", "WyIjeCJd", LONG, HALF],
)
def test_cursors_that_were_never_given(idle_api: ApiClient, cursor: str) -> None:
    """422, or a page: never an error of ours."""
    answer = idle_api.get("/chat/sessions", params={"cursor": cursor})

    assert answer.status_code in {200, 422}, answer.text


@pytest.mark.parametrize("title", ["", "   ", "x" * 201, 7, None, "\ud800"])
def test_titles(idle_api: ApiClient, title: Any) -> None:
    """A title is 1 to 200 characters; none at all is fine."""
    answer = idle_api.post("/chat/sessions", content=json.dumps({"title": title}))

    assert answer.status_code == (201 if title is None else 422), answer.text


def test_a_pending_message_needs_a_turn(idle_api: ApiClient) -> None:
    """409 `no_active_task` in an idle session; ten wait at most, and the eleventh answers 429 and is not kept."""
    session = idle_api.new_session()
    path = f"/chat/sessions/{session}/messages/pending"
    assert idle_api.post(path, json={"message": "hi"}).json()["code"] == "no_active_task"

    idle_api.accept(session, "hello")
    answers = [idle_api.post(path, json={"message": "hi", "message_id": f"p{n}"}) for n in range(11)]

    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert idle_api.get(path).json()["count"] == 10
    refused = idle_api.post(f"/chat/sessions/{session}/stream", json={"message": "hi", "policy": "reject"})
    assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")


def unsigned(claims: dict[str, Any]) -> str:
    """A token of the algorithm `none`."""
    parts = [json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."


def test_tokens_that_do_not_hold(idle: LiveParley, idle_api: ApiClient) -> None:
    """401 for every token that is missing, expired, forged, unsigned, without end or without a user."""
    later = int(time.time()) + 600
    refused = {
        "": "token_missing",
        "Bearer": "token_missing",
        "Basic YWRhOmFkYQ==": "token_missing",
        idle.token(): "token_missing",
        f"Bearer {idle.token(seconds=-5)}": "token_expired",
        f"Bearer {idle.token(secret='another secret, long enough for HS256 too')}": "token_invalid",
        f"Bearer {idle.token(exp=None)}": "token_invalid",
        f"Bearer {idle.token(sub=None)}": "token_invalid",
        f"Bearer {idle.token(sub='')}": "token_invalid",
        f"Bearer {idle.token(sub='a#b')}": "token_invalid",
        f"Bearer {idle.token(sub='a' * 129)}": "token_invalid",
        f"Bearer {idle.token(nbf=later)}": "token_invalid",
        f"Bearer {unsigned({'sub': 'ada', 'exp': later})}": "token_invalid",
        f"Bearer {jwt.encode({'sub': 'ada', 'exp': later}, SECRET * 2, 'HS512')}": "token_invalid",
        f"Bearer {jwt.encode({'sub': 7, 'exp': later}, SECRET, 'HS256')}": "token_invalid",
        f"Bearer {jwt.encode({'sub': 'ada', 'exp': 'soon'}, SECRET, 'HS256')}": "token_invalid",
        f"Bearer {idle.token()}x": "token_invalid",
        "Bearer " + "x" * 9_000: "token_invalid",
        "Bearer a.b.c": "token_invalid",
    }

    for header, code in refused.items():
        answer = idle_api.get("/chat/sessions", headers={"authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, code), header
        assert answer.headers["www-authenticate"] == "Bearer"
    assert idle_api.http.get("/api/chat/sessions").status_code == 401
    assert idle_api.http.post("/api/ws-ticket").status_code == 401
    assert idle_api.get("/chat/sessions").status_code == 200


def test_health_and_the_api_description_need_no_token(idle_api: ApiClient) -> None:
    """They tell nothing about anybody."""
    assert idle_api.http.get("/api/health").json() == {"status": "ok"}
    assert "/api/chat/sessions/{session_id}/stream" in idle_api.http.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    "name", ["../../pyproject.toml", "..%2f..%2fpyproject.toml", "%2fetc%2fpasswd", "package.json", "x.js", ".js"]
)
def test_only_the_console_is_served(idle_api: ApiClient, name: str) -> None:
    """No path leads out of the console's folder, and nothing in it but its pages is shown."""
    answer = idle_api.http.get(f"/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
