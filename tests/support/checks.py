"""What must hold of a turn when it is over, however it ended."""

from typing import Any

from shared.chat.sessions import Session
from shared.chat.transcript import Message
from shared.tasks.records import Task
from tests.support.grammar import check_request, check_stream, check_transcript
from tests.support.region import Parley


def check_over(parley: Parley, session: Session, task_id: str, status: str | None = None) -> Task:
    """One legal stream with one finish, a legal transcript, a free session, nothing left to do."""
    task = parley.task(task_id)
    assert task.status.ended
    assert status is None or task.status == status
    check_stream(whole_message(parley, task_id))
    check_dense_rows(parley, task_id)
    check_transcript(parley.transcript(session))
    for request in parley.model.requests:
        check_request(request.messages)
    assert parley.session(session.id, session.owner).active_task != task_id
    assert task.lease_expires == 0
    return task


def whole_message(parley: Parley, task_id: str) -> list[dict[str, Any]]:
    """The stream of a turn behind those of the turns that it goes on with."""
    task, parts = parley.task(task_id), parley.parts(task_id)
    if not task.resumes:
        return parts
    earlier = whole_message(parley, task.resumes)
    assert (earlier[-1]["type"], parts[0]) == ("finish", earlier[0]), parts[0]
    return [*earlier[:-1], *parts[1:]]


def check_dense_rows(parley: Parley, task_id: str) -> None:
    """The rows of the stream follow each other without a gap."""
    head = 0
    for row in parley.services.log.rows(task_id):
        assert row.seq == head
        head = row.end


def roles(rows: list[Message]) -> list[str]:
    """Who speaks, row by row."""
    return [row.role for row in rows]


def said(rows: list[Message]) -> list[tuple[str, str]]:
    """Who says what, row by row."""
    return [(row.role, row.content) for row in rows]


def kinds(parts: list[dict[str, object]]) -> list[object]:
    """The types of the parts."""
    return [part["type"] for part in parts]
