"""What tests of turns that start turns say, and where they look."""

import json
from collections.abc import Callable
from typing import Any

from shared.chat.model import ModelRequest
from shared.chat.sessions import Session, list_sessions
from shared.chat.sub_sessions import SubSessionTurns
from shared.tools.get_sub_session_result import GetSubSessionResult
from shared.tools.run_sub_session import RunSubSession
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.tools import Echo


def with_sub_sessions(parley: Parley) -> None:
    turns = SubSessionTurns(parley.services)
    parley.with_tools(RunSubSession(turns, parley.clock), GetSubSessionResult(turns, parley.clock), Echo())


def asked_of(request: ModelRequest) -> str:
    """The user's last words."""
    return str([message["content"] for message in request.messages if message["role"] == "user"][-1])


def results_in(request: ModelRequest) -> list[dict[str, Any]]:
    """What tools have answered since."""
    last = max(n for n, message in enumerate(request.messages) if message["role"] == "user")
    return [json.loads(m["content"]) for m in request.messages[last:] if m["role"] == "tool"]


def delegates(**arguments: Any) -> Script:
    return calls(("c0", "run_sub_session", json.dumps({"prompt": "Count rivers", **arguments})))


def asks(session_id: str, **arguments: Any) -> Script:
    return calls(("g0", "get_sub_session_result", json.dumps({"sub_session_id": session_id, **arguments})))


def answering(parley: Parley, parent: Script, child: Callable[[], Script]) -> None:
    """The parent's first step, what its sub-sessions say, and `done` when the parent has its results."""
    parley.model.choose = lambda request: (
        (says("done") if results_in(request) else parent) if asked_of(request) == "Go" else child()
    )


def parent_of(parley: Parley, *, user: str = "ada") -> tuple[Session, str]:
    """A session whose turn has been sent, but not worked on."""
    with_sub_sessions(parley)
    session = parley.new_session(user)
    return session, parley.send(session, "Go").task.id


def result_of(parley: Parley, session: Session, row: int = 2) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parley.transcript(session)[row].content)
    return found


def sub_session_of(parley: Parley, session: Session) -> Session:
    (row,), _ = list_sessions(parley.database, session.owner, 10, None, parent_session=session.id)
    return parley.session(row["id"], session.owner)
