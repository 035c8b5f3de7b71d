"""Showing a turn to somebody who comes later: the past at once, then what is still to come.

Over a socket, this handler posts the stored parts `[0, S)`, joined, and then registers the viewer
from S on; the turn's owner does the rest. Should the turn end before the registration, the handler
finds that out from the registration itself, and posts the rest.
"""

import json
from dataclasses import dataclass

from shared.accounts.users import is_guest
from shared.aws.sockets import ConnectionGone, ConnectionSlow
from shared.chat.accept import Requester
from shared.chat.approvals import approvals_of
from shared.chat.services import Services
from shared.chat.sessions import Session, owned_session, session_key
from shared.kernel.clock import to_millis
from shared.kernel.errors import Gone, NotFound, UserInputError
from shared.kernel.telemetry import log_event
from shared.stream import frames
from shared.stream import parts as wire
from shared.stream.parts import Part
from shared.stream.replay import replay
from shared.stream.viewers import Viewer, register
from shared.tasks.records import Task
from shared.tasks.store import get_task

RESUMABLE_MILLIS = 5 * 60_000
"""A turn that ended so recently is replayed, so that a client which missed the end gets it."""
_SLOW_ATTEMPTS = 8
_SLOW_PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class HeldParts:
    """Some consecutive parts of a task; `finished` if the last one is its `finish`."""

    first_seq: int
    parts: list[Part]

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.parts) and self.parts[-1]["type"] == "finish"


def owned_task(services: Services, task_id: str, user_id: str) -> Task:
    """The user's task.

    Raises:
        NotFound: it does not exist, or belongs to somebody else: the answer is the same.
    """
    task = get_task(services.database, task_id)
    if task is None or task.has_expired(services.clock.now()) or not _owns(services, task, user_id):
        raise NotFound("There is no such task.", code="TASK_NOT_FOUND")
    return task


def _owns(services: Services, task: Task, user_id: str) -> bool:
    """A task goes with its session, which may change hands, or be deleted; a stranger costs no second read."""
    if not is_guest(task.user_id) and task.user_id != user_id:
        return False
    item = services.database.get(session_key(task.session_id))
    return item is not None and item["owner"] == user_id


def resumable_task(services: Services, user_id: str, session_id: str) -> Task | None:
    """The session's turn that runs, or that ended a moment ago; None if there is nothing to resume."""
    session = owned_session(services.database, session_id, user_id)
    return _resumable(services, session)


def _resumable(services: Services, session: Session) -> Task | None:
    task_id = session.active_task or session.last_task
    task = get_task(services.database, task_id) if task_id else None
    if task is None:
        return None
    recent = to_millis(services.clock.now()) - RESUMABLE_MILLIS
    return None if task.ended_at is not None and task.ended_at < recent else task


def earlier_turns(services: Services, task: Task) -> list[Task]:
    """The turns that have written the same message before this one, the first one first."""
    turns: list[Task] = []
    while task.resumes and (before := get_task(services.database, task.resumes)) is not None:
        turns.insert(0, before)
        task = before
    return turns


def earlier_parts(services: Services, task: Task) -> list[Part]:
    """What those turns have shown, with its `start` and without a `finish`; of expired ones the calls that go on."""
    parts: list[Part] = []
    for turn in earlier_turns(services, task):
        shown = [part for part in services.log.parts(turn.id) if part["type"] != "finish"]
        parts = behind(parts, shown or _calls_of(services, turn))
    return parts


def behind(earlier: list[Part], parts: list[Part]) -> list[Part]:
    """One stream of both: it starts once."""
    repeated = bool(earlier) and bool(parts) and parts[0]["type"] == "start"
    return [*earlier, *(parts[1:] if repeated else parts)]


def _calls_of(services: Services, turn: Task) -> list[Part]:
    asked = approvals_of(services.database, turn.session_id, turn.id)
    calls = [wire.tool_input_available(one.tool_call_id, one.tool_name, json.loads(one.arguments)) for one in asked]
    return [wire.start(turn.message_id), *calls]


class SocketReplay:
    """Replays a task to one request of one connection, and registers it as a viewer."""

    def __init__(self, services: Services, requester: Requester) -> None:
        self._services = services
        self._requester = requester

    def show(self, task: Task, *, whole_message: bool = False) -> None:
        """Post the past and hand over to the task's owner; never raises for a client that has left.

        `whole_message` begins with the turns that this one goes on with: for a client that forgets what it has.
        """
        try:
            self._show(task, earlier_parts(self._services, task) if whole_message else [])
        except ConnectionGone:
            return
        except ConnectionSlow:
            # It takes nothing any more: closed, it comes back and resumes.
            self._services.sockets.close(self._requester.connection_id)

    def _show(self, task: Task, earlier: list[Part]) -> None:
        stored = self._services.log.parts(task.id)
        past = replay(behind(earlier, stored))
        self.post(frames.start(self._requester.request_id))
        sequence = self._post_parts(past, 0)
        viewer = Viewer(
            task.id, self._requester.connection_id, self._requester.request_id, len(stored), offset=sequence
        )
        if register(self._services.database, self._services.clock, viewer):
            log_event("viewer.registered", **task.ids, connection_id=viewer.connection_id)
            return
        self._post_parts(self._services.log.parts(task.id, len(stored)), sequence)
        self.post(frames.end(self._requester.request_id))

    def _post_parts(self, parts: list[Part], sequence: int) -> int:
        for part in parts:
            self.post(frames.chunk(self._requester.request_id, sequence, part))
            sequence += 1
        return sequence

    def post(self, frame: bytes) -> None:
        """Post one frame, with patience for a slow reader."""
        for _ in range(_SLOW_ATTEMPTS - 1):
            try:
                self._services.sockets.post(self._requester.connection_id, frame)
            except ConnectionSlow:
                self._services.clock.sleep(_SLOW_PAUSE_SECONDS)
            else:
                return
        self._services.sockets.post(self._requester.connection_id, frame)


class Holding:
    """Reads a task's parts over HTTP: what is there, or what comes within a bounded wait."""

    def __init__(self, services: Services, poll_seconds: float = 0.25) -> None:
        self._services = services
        self._poll_seconds = poll_seconds

    def first_news(self, task: Task, start: int, hold_seconds: float) -> HeldParts:
        """The parts from `start` on, as soon as there are any; empty after `hold_seconds` without.

        Raises:
            UserInputError: `start` is beyond the head (400).
            Gone: the parts have expired; the messages remain.
        """
        limit = self._services.clock.now() + hold_seconds
        head = self._checked_head(task, start)
        while True:
            parts = self._services.log.parts(task.id, start)
            if parts or self._over(task, start, head) or self._services.clock.now() >= limit:
                return HeldParts(start, parts)
            self._services.clock.sleep(self._poll_seconds)

    def until_end(self, task: Task, hold_seconds: float) -> HeldParts:
        """All parts, as soon as the turn has ended; those there are after `hold_seconds`."""
        limit = self._services.clock.now() + hold_seconds
        held = HeldParts(0, [])
        while True:
            held.parts.extend(self._services.log.parts(task.id, len(held.parts)))
            expired = task.status.ended and not held.parts
            if held.finished or expired or self._services.clock.now() >= limit:
                return held
            self._services.clock.sleep(self._poll_seconds)

    def head(self, task: Task) -> int:
        """How many parts are stored."""
        return self._services.log.head(task.id)

    def _checked_head(self, task: Task, start: int) -> int:
        head = self.head(task)
        if head == 0 and task.status.ended:
            raise Gone("The stream of this task has expired; its messages remain.", code="TASK_EXPIRED")
        if start > head:
            raise UserInputError(f"The stream has {head} parts so far.", code="cursor_beyond_head")
        return head

    def _over(self, task: Task, start: int, head: int) -> bool:
        """Whether the reader has had the `finish` already."""
        return task.status.ended and start >= head
