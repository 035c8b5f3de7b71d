"""Requests for the user's approval: what a paused turn waits for.

| record   | pk             | sk              |
|----------|----------------|-----------------|
| approval | `SESSION#{id}` | `APPROVAL#{id}` |

The request's id begins with its session's, so that it is found without an index, and goes with its session.
While it is open, a tool row keeps the call's place in the transcript: each call has one result at every moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from shared.aws.database import Database
from shared.aws.writes import Item, Key, Put, Update, Write
from shared.chat.sessions import Session, session_key
from shared.chat.transcript import Message, fill_place, load_messages
from shared.kernel.clock import iso
from shared.stream.parts import encode
from shared.tools.contract import ErrorResponse, ToolResponse

RECORD_VERSION = 1
NOT_APPROVED = "not_approved"
STOPPED = "The user stopped it."
WENT_ON = "The user went on without answering."
_KEPT_SECONDS = 7 * 86_400
"""Beyond its expiry: until then a late answer hears that it is late."""


class ApprovalState(StrEnum):
    """What became of a request; all but the first are final."""

    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"
    CLOSED = "closed"


class ApprovalPending(ToolResponse):
    """Keeps the place of a call's result until the user has answered."""

    type: Literal["approval_pending"] = "approval_pending"
    approval_id: str


class BudgetRaised(ToolResponse):
    """The user lets the turn spend more."""

    type: Literal["budget_raised"] = "budget_raised"
    bound: str


@dataclass(frozen=True)
class Approval:
    """One request about one call. Times are in milliseconds."""

    id: str
    session_id: str
    task_id: str
    """The turn that paused."""
    next_task: str
    """The turn that goes on once everything that was asked at the same time is answered."""
    tool_call_id: str
    tool_name: str
    arguments: str
    """As JSON text."""
    seq: int
    """The call's place in the transcript."""
    created_at: int
    expires: int
    state: ApprovalState = ApprovalState.OPEN
    reason: str = ""
    bound: str = ""
    """It is about spending more: which budget would be raised (`turn` or `tree`)."""
    more_tokens: int = 0
    more_micros: int = 0
    """By how much; in millionths of a US dollar."""
    code: str = ""
    """How a turn fails that may not spend more."""

    def is_expired(self, now: int) -> bool:
        """Whether an answer comes too late."""
        return self.state is ApprovalState.OPEN and now > self.expires

    def to_item(self) -> Item:
        """The stored form."""
        named = {name: value for name, value in vars(self).items() if name not in {"id", "session_id"} and value != ""}
        return {
            **named,
            **approval_key(self.id),
            "v": RECORD_VERSION,
            "state": self.state.value,
            "expires_at": self.expires // 1000 + _KEPT_SECONDS,
        }

    @classmethod
    def from_item(cls, item: Item) -> "Approval":
        """The record from its stored form."""
        named = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        named |= {"state": ApprovalState(item["state"])}
        return cls(id=item["sk"].removeprefix("APPROVAL#"), session_id=item["pk"].removeprefix("SESSION#"), **named)

    def place(self, now: int) -> Message:
        """The row that keeps the call's place."""
        waiting = ApprovalPending(message="It waits for the user's approval.", approval_id=self.id)
        return self._row(waiting, now, approval=self.id)

    def denial(self, why: str) -> ErrorResponse:
        """What the model is told of a call that was not approved."""
        return ErrorResponse(code=NOT_APPROVED, message=f"The call was not approved and not made. {why}".strip())

    @property
    def answer(self) -> ToolResponse | None:
        """The result that the answer is by itself; None if the call is to be made."""
        if self.state is ApprovalState.APPROVED:
            return BudgetRaised(message="The user has raised the bound once.", bound=self.bound) if self.bound else None
        return self.denial(f"The user said: {self.reason}" if self.reason else "The user said no.")

    def closing_row(self, why: str, now: int) -> Message:
        """The call's result when nobody asks any more."""
        if self.state is ApprovalState.DENIED:
            return self._row(self.answer or self.denial(why), now)
        if self.state is ApprovalState.APPROVED:
            why = f"It was approved, but others of the same step were not answered. {why}"
        elif self.is_expired(now):
            why = "The request expired before it was answered."
        return self._row(self.denial(why), now)

    def _row(self, response: ToolResponse, now: int, approval: str = "") -> Message:
        return Message(
            self.seq,
            "tool",
            encode(response.model_dump(mode="json")),
            self.task_id,
            now,
            tool_call_id=self.tool_call_id,
            tool_name=self.tool_name,
            is_error=isinstance(response, ErrorResponse),
            approval=approval,
        )

    def public(self, now: int) -> dict[str, Any]:
        """What the API shows."""
        return {
            "approval_id": self.id,
            "session_id": self.session_id,
            "task_id": self.task_id,
            "tool_call_id": self.tool_call_id,
            "tool_name": self.tool_name,
            "arguments": self.arguments,
            "status": "expired" if self.is_expired(now) else self.state.value,
            "reason": self.reason or None,
            "created_at": iso(self.created_at),
            "expires_at": iso(self.expires),
        }


def new_approval_id(session_id: str, unique: str) -> str:
    """An id that says where the record is."""
    return f"{session_id}_{unique}"


def session_of(approval_id: str) -> str:
    """The session that a request belongs to, if there is such a request."""
    return approval_id.rpartition("_")[0]


def approval_key(approval_id: str) -> Key:
    """Where a request's record is."""
    return {"pk": f"SESSION#{session_of(approval_id)}", "sk": f"APPROVAL#{approval_id}"}


def put_approval(approval: Approval) -> Put:
    """The write that asks."""
    return Put(approval.to_item(), condition="attribute_not_exists(#pk)")


def settle(approval: Approval, state: ApprovalState, reason: str = "") -> Update:
    """The write that answers or closes an open request, once."""
    return Update(
        approval_key(approval.id),
        "SET #state = :state, #reason = :reason",
        condition="#state = :open",
        values={"state": state.value, "reason": reason, "open": ApprovalState.OPEN.value},
    )


def get_approval(database: Database, approval_id: str) -> Approval | None:
    """The request, or None."""
    item = database.get(approval_key(approval_id)) if session_of(approval_id) else None
    return Approval.from_item(item) if item else None


def approvals_of(database: Database, session_id: str, task_id: str | None = None) -> list[Approval]:
    """What a session's turns (or one of them) have asked, in order, whatever became of it."""
    condition = "#pk = :pk AND begins_with(#sk, :prefix)"
    found = database.query(condition, {"pk": f"SESSION#{session_id}", "prefix": "APPROVAL#"})
    approvals = [Approval.from_item(item) for item in found]
    return [approval for approval in approvals if task_id in {None, approval.task_id}]


def answers_to(database: Database, session_id: str, task_id: str) -> Mapping[str, Approval]:
    """What the user has answered to a paused turn: call id -> request."""
    return {approval.tool_call_id: approval for approval in approvals_of(database, session_id, task_id)}


def still_asks(database: Database, session: Session, now: int) -> bool:
    """Whether the session's user can still answer what its paused turn asks."""
    if session.awaiting is None:
        return False
    asked = approvals_of(database, session.id, session.awaiting.task)
    return any(one.state is ApprovalState.OPEN and not one.is_expired(now) for one in asked)


def awaiting_is(session: Session) -> str:
    """The condition that nobody has answered since the session was read, and no notice came; see `awaiting_values`."""
    unheard = "(attribute_not_exists(#notices) OR #notices = :notices)"
    return f"#awaiting.#task = :awaited AND #awaiting.#left = :left AND {unheard}" if session.awaiting else ""


def awaiting_values(session: Session) -> dict[str, Any]:
    """The values of `awaiting_is`."""
    if session.awaiting is None:
        return {}
    return {"awaited": session.awaiting.task, "left": session.awaiting.left, "notices": session.notices}


def closing_writes(database: Database, session: Session, why: str, now: int) -> Sequence[Write]:
    """The writes that close what the session's paused turn asks, and give its calls their results.

    Whoever makes them also takes `awaiting` from the session, on the condition that `awaiting_is` as it was.
    """
    if session.awaiting is None:
        return []
    asked = {approval.id: approval for approval in approvals_of(database, session.id, session.awaiting.task)}
    writes: list[Write] = [
        settle(approval, ApprovalState.CLOSED) for approval in asked.values() if approval.state is ApprovalState.OPEN
    ]
    rows = load_messages(database, session.id, session.awaiting.seq + 1)
    return writes + [
        fill_place(session.id, _result(row, asked.get(row.approval), why, now), row.approval)
        for row in rows
        if row.approval
    ]


def _result(place: Message, approval: Approval | None, why: str, now: int) -> Message:
    if approval is not None:
        return approval.closing_row(why, now)
    # Its record has expired long ago.
    gone = Approval(
        place.approval, "", place.task_id, "", place.tool_call_id, place.tool_name, "", place.seq, now, expires=0
    )
    return gone.closing_row(why, now)


def close_approvals(database: Database, session: Session, why: str, now: int, discarded: Sequence[Write] = ()) -> None:
    """Nobody asks any more; the session stays idle. `discarded` takes out messages that wait, one a write.

    Raises:
        TransactionFailed: somebody was quicker with an answer, or a turn has begun.
    """
    stop_waiting = Update(
        session_key(session.id),
        "SET #pending_count = #pending_count - :gone REMOVE #awaiting",
        condition=f"#owner = :owner AND attribute_not_exists(#active_task) AND {awaiting_is(session)}",
        values={"owner": session.owner, "gone": len(discarded), **awaiting_values(session)},
    )
    database.transact([stop_waiting, *discarded, *closing_writes(database, session, why, now)])
