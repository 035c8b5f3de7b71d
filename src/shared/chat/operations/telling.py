"""Telling a user that an operation has ended, on all their sockets."""

from shared.chat.services import Services
from shared.chat.sessions import session_key
from shared.stream import frames
from shared.stream.notices import notify_user
from shared.tasks.store import get_task


def tell_operation_ended(services: Services, task_id: str) -> None:
    """Tell the session's owner; of a task that is no operation, or whose session is gone, nobody is told."""
    task = get_task(services.database, task_id)
    if task is None or task.operation_id is None or not task.status.ended:
        return
    session = services.database.get(session_key(task.session_id))
    if session is None or "deleted_at" in session:
        return
    frame = frames.notify(
        "operation-finished",
        session_id=task.session_id,
        task_id=task.id,
        operation_id=task.operation_id,
        tool_name=task.tool_name,
        status=task.status.value,
    )
    notify_user(services.database, services.sockets, session["owner"], frame)
