"""A plain HTTP client of one user."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.server import LiveParley
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Events:
    """A parsed event stream."""

    ids: list[int]
    parts: list[dict[str, Any]]
    done: bool


class ApiClient:
    """Requests under /api, signed in as `user`."""

    def __init__(self, parley: LiveParley, user: str, http: httpx.Client) -> None:
        self._parley = parley
        self._user = user
        self.http = http

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; `headers` are added to the token."""
        headers = {"authorization": f"Bearer {self._parley.token(self._user)}", **options.pop("headers", {})}
        return self.http.request(method, f"/api{path}", headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **options)

    def new_session(self) -> str:
        """Create a session; its id."""
        return str(self.post("/chat/sessions", json={}).json()["id"])

    def accept(self, session_id: str, text: str, message_id: str = "m1") -> str:
        """Send a message without watching; its task."""
        body = {"message": text, "message_id": message_id}
        answer = self.post(f"/chat/sessions/{session_id}/stream", json=body, headers={"accept": "application/json"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def answered(self, session_id: str, text: str, message_id: str = "m1") -> str:
        """Send a message and read its stream to the end; its task."""
        return self.heard(session_id, text, message_id)[0]

    def heard(self, session_id: str, text: str, message_id: str = "m1") -> tuple[str, list[dict[str, Any]]]:
        """The same; its task and the parts of its stream."""
        answer = self.post(f"/chat/sessions/{session_id}/stream", json={"message": text, "message_id": message_id})
        task_id, first = str(answer.headers["x-workflow-run-id"]), events_of(answer)
        parts = first.parts if first.done else self.stream_of(task_id, first.parts)
        assert parts[-1]["type"] == "finish", answer.text
        return task_id, parts

    def stream_of(self, task_id: str, parts: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
        """A task's stream to its end; `parts` of it are known. An answer is held for 20 s at most."""
        known, done = list(parts), False
        while not done:
            segment = events_of(self.get(f"/chat/tasks/{task_id}/stream", params={"startIndex": len(known)}))
            known += segment.parts
            done = segment.done
        return known

    def status(self, task_id: str) -> str:
        """Where a task is."""
        return str(self.get(f"/chat/tasks/{task_id}").json()["status"])

    def ticket(self) -> str:
        """A WebSocket ticket."""
        return str(self.post("/ws-ticket").json()["ticket"])


@contextmanager
def api_client(parley: LiveParley, user: str = "ada") -> Iterator[ApiClient]:
    """A client for the length of a block."""
    with httpx.Client(base_url=parley.http.url, timeout=PATIENCE) as http:
        yield ApiClient(parley, user, http)


def events_of(answer: httpx.Response) -> Events:
    """The events of an answer."""
    ids, parts, done = [], [], False
    for block in answer.text.split("\n\n"):
        for line in block.split("\n"):
            if line.startswith("id: "):
                ids.append(int(line[4:]))
            elif line == "data: [DONE]":
                done = True
            elif line.startswith("data: "):
                assert not done, "something follows [DONE]"
                parts.append(json.loads(line[6:]))
    return Events(ids, parts, done)
