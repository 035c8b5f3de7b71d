"""Large tool outputs: the whole goes to the bucket, the transcript keeps its beginning and a reference."""

from typing import Protocol

from shared.aws.objects import NewObject, Objects, StoredObject
from shared.kernel.errors import ParleyError
from shared.kernel.telemetry import log_event, log_problem
from shared.tools.contract import ToolContext
from shared.tools.workspace.paths import SCHEME, output_key, output_path

MAX_KEPT_BYTES = 10_000_000


class Spill(Protocol):
    """Where an output goes that no row could hold."""

    def keep(self, context: ToolContext, output: bytes) -> str | None:
        """Keep a call's output (JSON in UTF-8); its reference, or None if it was not kept. Never raises."""


class NoSpill:
    """Keeps nothing: a deployment without a bucket."""

    def keep(self, context: ToolContext, output: bytes) -> str | None:  # noqa: ARG002 - there is nowhere to put it
        """Not kept."""
        return None


class ToolOutputs:
    """Outputs in the workspace bucket, for as long as its lifecycle rule lets them."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def keep(self, context: ToolContext, output: bytes) -> str | None:
        """Keep it under the call's id; the turn goes on if that fails."""
        if len(output) > MAX_KEPT_BYTES:
            return None
        try:
            path = self._put(context, output)
        except ParleyError as error:
            log_problem("tool.output_not_kept", **context.ids, code=error.code, size_bytes=len(output))
            return None
        log_event("tool.output_kept", **context.ids, tool_call_id=context.tool_call_id, size_bytes=len(output))
        return SCHEME + path

    def find(self, user_id: str, session_id: str, path: str) -> StoredObject | None:
        """What is known of the output `path`, or None."""
        return self._objects.head(output_key(user_id, session_id, path))

    def read(self, user_id: str, session_id: str, path: str, offset: int, length: int | None) -> bytes | None:
        """Bytes of the output, or None."""
        return self._objects.get(output_key(user_id, session_id, path), offset, length)

    def _put(self, context: ToolContext, output: bytes) -> str:
        """Call ids are unique within a turn; a provider that counts them from 0 repeats them in the next one."""
        path = output_path(context.tool_call_id)
        if self._objects.put(self._new(context, path, output), only_if_absent=True):
            return path
        there = self.find(context.user_id, context.session_id, path)
        if there and there.labels.get("task") != context.task_id:
            path = output_path(context.tool_call_id, context.task_id)
        self._objects.put(self._new(context, path, output))
        return path

    def _new(self, context: ToolContext, path: str, output: bytes) -> NewObject:
        return NewObject(
            output_key(context.user_id, context.session_id, path),
            output,
            "application/json",
            labels={"task": context.task_id},
            tags={"kind": "tool-output"},
        )
