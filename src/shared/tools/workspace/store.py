"""The files of a session: what they are is in rows, their bytes in objects that are never changed.

A write puts its object first and then, in one transaction, the row that points to it, the owner's usage and the note
that this call has made its change. So a reader sees the old file or the new one, usage can't be exceeded by writes
side by side, and a call that is repeated after a kill changes nothing more. What a kill leaves over is an object
without a row: it goes with the session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.aws.database import Database, TransactionFailed
from shared.aws.objects import NewObject, Objects
from shared.aws.writes import Delete, Item, Put, Update, Write
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Retryable, ToolError
from shared.kernel.events import Event
from shared.kernel.telemetry import log_event, log_problem
from shared.tools.contract import ToolContext
from shared.tools.workspace import paths
from shared.tools.workspace.records import (
    CHANGE_SECONDS,
    LEAST_CHARGE,
    RECORD_VERSION,
    Change,
    FileRecord,
    change_row,
    file_row,
    usage_row,
    workspace,
)

_ATTEMPTS = 5
"""Writers of one and the same file that may be quicker, one after the other."""


@dataclass(frozen=True)
class Listing:
    """Some of the files, in the order of their paths; `next_path` is where the next page begins after."""

    files: Sequence[FileRecord]
    next_path: str | None


class Workspace:
    """All sessions' files; each method reaches those of the session that it is told, and of no other."""

    def __init__(self, database: Database, objects: Objects, clock: Clock, quota_bytes: int) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock
        self._quota_bytes = quota_bytes

    def list_files(self, session_id: str, prefix: str, limit: int, after: str | None = None) -> Listing:
        """`limit` files at most whose paths begin with `prefix`, beginning behind `after`."""
        values = {"pk": workspace(session_id), "sk": f"FILE#{prefix}"}
        start = file_row(session_id, after) if after is not None else None
        rows = self._database.query(
            "#pk = :pk AND begins_with(#sk, :sk)", values, limit=limit + 1, start=dict(start) if start else None
        )
        files = [FileRecord.from_item(row) for row in rows]
        return Listing(files[:limit], files[limit - 1].path if len(files) > limit else None)

    def find(self, session_id: str, path: str) -> FileRecord | None:
        """The file, or None."""
        row = self._database.get(file_row(session_id, path))
        return FileRecord.from_item(row) if row else None

    def read(self, session_id: str, file: FileRecord, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of the file as it was found; if it was written anew meanwhile, of the new one."""
        found = self._objects.get(file.object_key, offset, length)
        if found is None and (newer := self.find(session_id, file.path)) and newer.object_key != file.object_key:
            found = self._objects.get(newer.object_key, offset, length)
        if found is None:
            raise no_such_file(file.path)
        return found

    def write(self, context: ToolContext, path: str, body: bytes, content_type: str, *, overwrite: bool) -> Change:
        """Keep `body` as the file `path`, once for each call.

        Raises:
            ToolError: `file_exists`, `quota_exceeded`, or `workspace_busy`.
            Retryable: it may or may not have been kept.
        """
        if done := self._made_before(context):
            return done
        key = paths.file_key(context.user_id, context.session_id, path, f"{context.task_id}#{context.tool_call_id}")
        new = FileRecord(path, len(body), content_type, to_millis(self._clock.now()), key)
        for attempt in range(_ATTEMPTS):
            old = self.find(context.session_id, path)
            if old and old.object_key != key and not overwrite:
                raise ToolError(
                    f"There is a file {path} of {old.size} bytes already; set overwrite to replace it.",
                    code="file_exists",
                )
            if attempt == 0:
                self._require_room(context.user_id, new.charge - (old.charge if old else 0))
                self._objects.put(NewObject(key, body, content_type))
            if change := self._commit(context, old, new):
                return change
        raise _busy(path)

    def delete(self, context: ToolContext, path: str) -> Change:
        """Remove the file, once for each call.

        Raises:
            ToolError: `file_not_found` or `workspace_busy`.
            Retryable: it may or may not have been removed.
        """
        if done := self._made_before(context):
            return done
        for _ in range(_ATTEMPTS):
            old = self.find(context.session_id, path)
            if old is None:
                raise no_such_file(path)
            if change := self._commit(context, old, None):
                return change
        raise _busy(path)

    def forget_session(self, user_ids: Sequence[str], session_id: str, may_go_on: Callable[[], bool]) -> bool:
        """Remove a session's files, kept outputs and rows; False if it had to stop before the end: call it again.

        The session must have no turn any more. `user_ids` are its owner and whoever it belonged to before.
        """
        for row in self._database.query("#pk = :pk", {"pk": workspace(session_id)}):
            if not may_go_on():
                return False
            self._forget(_payer(row, user_ids, session_id), row)
        for user_id in user_ids:
            for found in self._objects.list(paths.session_prefix(user_id, session_id)):
                if not may_go_on():
                    return False
                self._objects.delete(found.key)
        return True

    def _commit(self, context: ToolContext, old: FileRecord | None, new: FileRecord | None) -> Change | None:
        """Replace the row `old` by `new`; None if somebody else was quicker."""
        file = new or old
        assert file is not None
        removed = old.object_key if old and (new is None or old.object_key != new.object_key) else ""
        change = Change(file.path, new.size if new else 0, removed)
        difference = (new.charge if new else 0) - (old.charge if old else 0)
        writes = [
            self._note(context, change),
            _replace(context.session_id, old, new),
            _count(context.user_id, difference, self._quota_bytes),
        ]
        try:
            self._database.transact(writes)
        except TransactionFailed as failure:
            if 0 in failure.failed:
                return self._made_before(context)
            if 1 in failure.failed:
                return None
            if new:
                self._remove(new.object_key)
            raise self._no_room(context.user_id) from failure
        name: Event = "workspace.file_written" if new else "workspace.file_deleted"
        log_event(name, **context.ids, tool_call_id=context.tool_call_id, size_bytes=change.size)
        self._remove(removed)
        return change

    def _note(self, context: ToolContext, change: Change) -> Put:
        key = change_row(context.session_id, context.task_id, context.tool_call_id)
        expires = int(self._clock.now()) + CHANGE_SECONDS
        item = {**key, "v": RECORD_VERSION, **vars(change), "expires_at": expires}
        return Put(item, condition="attribute_not_exists(#pk)")

    def _made_before(self, context: ToolContext) -> Change | None:
        """What this very call did before it was interrupted, if it got so far."""
        row = self._database.get(change_row(context.session_id, context.task_id, context.tool_call_id))
        if row is None:
            return None
        self._remove(row["removed_key"])
        return Change(row["path"], row["size"], row["removed_key"])

    def _remove(self, key: str) -> None:
        """Delete an object that nothing points to; if that fails, it goes with the session."""
        if not key:
            return
        try:
            self._objects.delete(key)
        except Retryable as error:
            log_problem("workspace.object_left", code=error.code)

    def _require_room(self, user_id: str, difference: int) -> None:
        """Refuse early, before the upload; the transaction has the last word."""
        if difference > 0 and self._used(user_id) + difference > self._quota_bytes:
            raise self._no_room(user_id)

    def _used(self, user_id: str) -> int:
        row = self._database.get(usage_row(user_id))
        return int(row["bytes"]) if row else 0

    def _no_room(self, user_id: str) -> ToolError:
        return ToolError(
            f"The user's workspace is full: {self._used(user_id):,} of {self._quota_bytes:,} bytes are used, and a "
            "file counts 1,024 at least. Delete files that are not needed any more.",
            code="quota_exceeded",
        )

    def _forget(self, user_id: str, row: Item) -> None:
        key = {"pk": row["pk"], "sk": row["sk"]}
        if not row["sk"].startswith("FILE#"):
            self._database.write(Delete(key))
            return
        charge = max(int(row["size"]), LEAST_CHARGE)
        gone = Delete(key, condition="attribute_exists(#pk)")
        try:
            self._database.transact([gone, _count(user_id, -charge, self._quota_bytes)])
        except TransactionFailed:
            return  # somebody else has removed and counted it


def _payer(row: Item, user_ids: Sequence[str], session_id: str) -> str:
    """Whose quota the file counts against: its object is below whoever wrote it."""
    key: str = row.get("object_key", "")
    return next((u for u in user_ids if key.startswith(paths.session_prefix(u, session_id))), user_ids[0])


def no_such_file(path: str) -> ToolError:
    """There is none in this session; that others may have one is nobody's business."""
    return ToolError(f"There is no file {path} in this workspace.", code="file_not_found")


def _busy(path: str) -> ToolError:
    return ToolError(f"Others keep changing {path}; try again.", code="workspace_busy")


def _replace(session_id: str, old: FileRecord | None, new: FileRecord | None) -> Write:
    condition = "#object_key = :old" if old else "attribute_not_exists(#pk)"
    values = {"old": old.object_key} if old else {}
    if new is None:
        assert old is not None
        return Delete(file_row(session_id, old.path), condition=condition, values=values)
    return Put(new.to_item(session_id), condition=condition, values=values)


def _count(user_id: str, difference: int, quota: int) -> Update:
    values = {"difference": difference, "version": RECORD_VERSION}
    expression = "SET #v = :version ADD #bytes :difference"
    if difference <= 0:
        return Update(usage_row(user_id), expression, values=values)
    condition = "#bytes <= :room" if difference > quota else "attribute_not_exists(#bytes) OR #bytes <= :room"
    return Update(usage_row(user_id), expression, condition=condition, values={**values, "room": quota - difference})
