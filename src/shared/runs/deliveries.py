"""Telling how a run stands to the address that its user has named: signed, tried again for a day, each a task.

| record   | pk                | sk             | notes                                                   |
|----------|-------------------|----------------|---------------------------------------------------------|
| delivery | `TASK#{delivery}` | `DELIVERY`     | one message: put with the change that it tells of       |

A delivery's id follows from the run and the status, or the review, so that each is told once; and `webhook-id` from
the delivery's, so that a receiver knows a message that comes twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.agents.blocks.contract import BlockContext, BlockServices
from shared.agents.blocks.library.send_webhook import SendWebhook, SendWebhookInput
from shared.agents.running import RunStatus
from shared.aws.database import TransactionFailed
from shared.aws.writes import Key, Put, Update, Write
from shared.chat.opening import watched_task_writes
from shared.chat.services import Services
from shared.kernel.clock import iso, to_millis
from shared.kernel.errors import Retryable, Terminal, ToolError
from shared.kernel.ids import derived_id
from shared.kernel.telemetry import log_event, log_problem
from shared.runs.hooks import load_hook
from shared.runs.records import Run
from shared.tasks.lease import Lease
from shared.tasks.records import Task, TaskStatus, task_key
from shared.tasks.store import get_task
from shared.tasks.waits import MAX_MESSAGE_DELAY_SECONDS
from shared.tools.contract import ToolContext

RECORD_VERSION = 1
_KIND = "delivery"
_PAUSES = (10, 60, 300, 1_800, 7_200, 28_800, 43_200)
"""Seconds behind each attempt that has failed; the last one is a day after the first."""
_ATTEMPT_SECONDS = 10.0
"""Less than a lease lasts, so that nobody else tries meanwhile."""
_KEPT_SECONDS = 8 * 86_400
"""The day of its attempts, and a week."""


@dataclass(frozen=True)
class News:
    """What is told of a run."""

    status: RunStatus
    error_code: str = ""
    review_id: str = ""
    """What its user is asked, if that is what is told."""

    @property
    def names(self) -> list[str]:
        """What tells it from other news of the run."""
        return [self.status, *([self.review_id] if self.review_id else [])]

    def payload(self, run: Run, now: int) -> dict[str, Any]:
        """The message: no inputs and no outputs, which whoever may can read."""
        data = {
            "run_id": run.id,
            "library_agent_id": run.library_agent_id,
            "agent_name": run.agent_name,
            "status": self.status,
            "error_code": self.error_code,
            **({"review_id": self.review_id} if self.review_id else {}),
        }
        return {"type": f"run.{self.status}", "timestamp": iso(now), "data": data}


def delivery_of(
    services: Services, task: Task, run: Run, news: News, *, may_be_told: bool = False
) -> tuple[Task, list[Write]] | None:
    """A message to where the user wants to be told of the run, and the writes that create it; None: nobody is told.

    The writes join those of the change that is told of, once for each; `may_be_told` of what an earlier change may have
    told. Whoever has made them has `slots` begin it.
    """
    url = None if run.dry_run else load_hook(services.database, run.user_id, run.library_agent_id)
    if url is None:
        return None
    delivery_id = derived_id("delivery", run.id, *news.names)
    if may_be_told and get_task(services.database, delivery_id):
        return None
    now = to_millis(services.clock.now())
    new = task.fresh(
        id=delivery_id,
        kind=_KIND,
        created_at=now,
        expires_at=now // 1000 + _KEPT_SECONDS,
        context_from=0,
        parent="",
        root="",
        depth=0,
    )
    delivery = services.slots.queued(new)
    record = {
        **_delivery_key(delivery.id),
        **delivery.expiry,
        "v": RECORD_VERSION,
        "url": url,
        "agent_id": run.library_agent_id,
        "payload": json.dumps(news.payload(run, now)),
        "attempts": 0,
    }
    return delivery, [*watched_task_writes(delivery), Put(record, condition="attribute_not_exists(#pk)")]


def advance_delivery(services: Services, blocks: BlockServices, task_id: str, invocation: str) -> None:
    """Try to tell it; what the receiver doesn't take is tried again later. Any exception means: not now."""
    taken = services.leases.take(task_id, invocation)
    if taken is None:
        waiting = get_task(services.database, task_id)
        if waiting is not None and not waiting.status.ended and waiting.awaits_slot:
            services.slots.admit(waiting)
        log_event("turn.message_dropped", task_id=task_id)
        return
    lease, task = taken
    record = services.database.get(_delivery_key(task_id))
    assert record is not None, "it is put with its task"
    if load_hook(services.database, task.user_id, record["agent_id"]) != record["url"]:
        _end(services, lease, task, TaskStatus.CANCELLED)
        return
    try:
        _post(blocks, task, record)
    except ToolError as failure:
        _failed(services, lease, task, record["attempts"] + 1, failure)
        return
    _end(services, lease, task, TaskStatus.COMPLETED)


def fail_delivery(services: Services, task_id: str, error: Terminal, caller: str) -> bool:
    """End it from outside; False if it had ended already."""
    taken = services.leases.seize(task_id, caller)
    if taken is None:
        return False
    _end(services, *taken, TaskStatus.FAILED, error.code)
    return True


def _post(blocks: BlockServices, task: Task, record: Mapping[str, Any]) -> None:
    call = ToolContext(task.user_id, task.session_id, task.id, "webhook", _ATTEMPT_SECONDS)
    inputs = SendWebhookInput(url=record["url"], payload=json.loads(record["payload"]))
    SendWebhook().run(BlockContext(call, blocks), inputs)


def _failed(services: Services, lease: Lease, task: Task, attempts: int, failure: ToolError) -> None:
    log_problem("webhook.refused", **task.ids, code=failure.code, attempt=attempts)
    if attempts > len(_PAUSES):
        _end(services, lease, task, TaskStatus.FAILED, failure.code)
        return
    pause = _PAUSES[attempts - 1]
    services.database.write(Update(_delivery_key(task.id), "SET #attempts = :attempts", values={"attempts": attempts}))
    until = to_millis(services.clock.now()) + pause * 1000
    if not services.leases.release_to_wait(lease, task.inbox, until, services.slots.suspend(task)):
        raise Retryable("Somebody has looked at the delivery meanwhile.", code="delivery_busy")
    services.slots.promote_after(task)
    if pause <= MAX_MESSAGE_DELAY_SECONDS:
        try:
            services.queue.send(task.id, task.user_id, delay_seconds=pause, kind=_KIND)
        except Retryable as error:  # its timer sends it within a minute
            log_problem("turn.send_failed", **task.ids, code=error.code)


def _end(services: Services, lease: Lease, task: Task, status: TaskStatus, code: str = "") -> None:
    ended = Update(
        task_key(task.id),
        "SET #status = :status, #ended_at = :now, #lease_expires = :zero",
        condition=lease.condition,
        values={**lease.values, "status": status.value, "now": to_millis(services.clock.now()), "zero": 0},
    )
    try:
        services.database.transact([ended, *services.slots.leave(task)])
    except TransactionFailed:  # somebody else goes on with it
        return
    services.slots.promote_after(task)
    log_event("webhook.finished", **task.ids, outcome=code or status.value)


def _delivery_key(task_id: str) -> Key:
    return {"pk": f"TASK#{task_id}", "sk": "DELIVERY"}
