"""The writes that open a turn: in an idle session, or right behind the turn that ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.accounts.permissions import Permissions
from shared.aws.writes import Put, Update, Write
from shared.chat.approvals import awaiting_is, awaiting_values
from shared.chat.sessions import Awaiting, Session, gsi_sort_key, session_key
from shared.chat.transcript import Message, Role
from shared.tasks.lineage import Lineage, child_row
from shared.tasks.records import Task, timer_item
from shared.tasks.store import put_task

_FIRST_TIMER_SECONDS = 30
_TITLE_CHARACTERS = 60


@dataclass(frozen=True)
class Submission:
    """What a client sends, or a task for itself."""

    message_id: str
    text: str
    context: str = ""
    lineage: Lineage = field(default_factory=Lineage)
    """Of the turn that answers it."""
    is_notice: bool = False
    """Whether these are the system's words, not the user's."""
    about: int | None = None
    """The row of the transcript that a notice tells of."""


def bound_by(lineage: Lineage, binding: Session | Task) -> Lineage:
    """The lineage, and what binds whoever speaks in the session, or follows the task, on top."""
    own, inherited = Permissions.from_item(binding.permissions), Permissions.from_item(lineage.permissions)
    return replace(
        lineage,
        dry_run=binding.dry_run or lineage.dry_run,
        is_foreign=binding.is_foreign or lineage.is_foreign,
        permissions=own.within(inherited).to_item(),
    )


def may_ride(lineage: Lineage, running: Task) -> bool:
    """Whether a message of this lineage may be heard by a task that runs already.

    It must not be let do more, and what it uses counts where it belongs: a budget of its own binds a turn of its tree,
    and what a schedule sends has its end in the schedule's history.
    """
    has_budget = lineage.tree_max_tokens or lineage.tree_max_micros
    if lineage.schedule_id or (has_budget and lineage.root != running.tree):
        return False
    binds = Permissions.from_item(running.permissions).is_within(Permissions.from_item(lineage.permissions))
    return binds and running.dry_run >= lineage.dry_run and running.is_foreign >= lineage.is_foreign


def user_row(seq: int, submission: Submission, task: Task, now: int) -> Message:
    """The user's words as a row; or a notice."""
    role: Role = "system" if submission.is_notice else "user"
    return Message(
        seq,
        role,
        submission.text,
        task.id,
        now,
        id=submission.message_id,
        context=submission.context,
        schedule_id=submission.lineage.schedule_id,
    )


def new_task_writes(task: Task) -> list[Write]:
    """Create a task as `watched_task_writes` do; its parent, if it has one, finds it from then on."""
    return [*watched_task_writes(task), *child_row(task)]


def watched_task_writes(task: Task) -> list[Write]:
    """Create a task and the timer that watches over it."""
    due = task.created_at + _FIRST_TIMER_SECONDS * 1000
    return [put_task(task), Put(timer_item(task.id, due))]


def activate(session: Session, task: Task, submission: Submission) -> Update:
    """Make `task` the session's turn, if none is, no row was added, and nobody claimed it meanwhile.

    What an earlier turn asks the user is asked no more.
    """
    asked = f" AND {awaiting_is(session)}" if session.awaiting else ""
    return Update(
        session_key(session.id),
        "SET #active_task = :task, #next_seq = :next, #updated_at = :now, #gsi1sk = :sort,"
        f" #title = if_not_exists(#title, :title){' REMOVE #awaiting' if asked else ''}",
        condition=f"#owner = :owner AND attribute_not_exists(#active_task) AND #next_seq = :seq{asked}",
        values={
            "owner": session.owner,
            "task": task.id,
            "next": session.next_seq + 1,
            "seq": session.next_seq,
            "now": task.created_at,
            "sort": gsi_sort_key(task.created_at, session.id),
            "title": title_from(submission.text),
            **awaiting_values(session),
        },
    )


def continue_session(
    session: Session, task: Task, clauses: str = "", values: Mapping[str, Any] | None = None
) -> Update:
    """Make `task` the idle session's turn that hears a notice, if no turn is, nobody is asked and no row was added.

    `clauses` follow the SET clause.
    """
    return Update(
        session_key(session.id),
        f"SET #active_task = :task, #next_seq = :next, #updated_at = :now, #gsi1sk = :sort{clauses}",
        condition="#owner = :owner AND attribute_not_exists(#active_task) AND attribute_not_exists(#awaiting)"
        " AND #next_seq = :seq",
        values={
            "owner": session.owner,
            "task": task.id,
            "next": session.next_seq + 1,
            "seq": session.next_seq,
            "now": task.created_at,
            "sort": gsi_sort_key(task.created_at, session.id),
            **(values or {}),
        },
    )


def free_session(
    ended: Task, next_seq: int, discarded: int, totals: dict[str, int], awaiting: Awaiting | None = None
) -> Update:
    """Leave the session idle behind a turn that ends, or pauses; `discarded` messages no longer wait."""
    asking = ", #awaiting = :awaiting" if awaiting else ""
    return Update(
        session_key(ended.session_id),
        f"SET #last_task = :task, #next_seq = :next, #pending_count = #pending_count - :gone{asking}"
        f" REMOVE #active_task {adding(totals)}",
        condition="#active_task = :task",
        values={
            "task": ended.id,
            "next": next_seq,
            "gone": discarded,
            **totals,
            **({"awaiting": vars(awaiting)} if awaiting else {}),
        },
    )


def hand_over(
    ended: Task, following: Task, next_seq: int, drained: int, totals: dict[str, int], notices: int = 0
) -> Update:
    """Give the session from a turn that ends to the one that answers what was pending.

    `drained` messages of the user no longer wait, and as many `notices`.
    """
    return Update(
        session_key(ended.session_id),
        "SET #active_task = :following, #last_task = :task, #next_seq = :next, #updated_at = :now, #gsi1sk = :sort,"
        f" #pending_count = #pending_count - :gone{fewer_notices(notices)} {adding(totals)}",
        condition="#active_task = :task",
        values={
            **({"heard": notices} if notices else {}),
            "following": following.id,
            "task": ended.id,
            "next": next_seq,
            "now": following.created_at,
            "sort": gsi_sort_key(following.created_at, ended.session_id),
            "gone": drained,
            **totals,
        },
    )


def title_from(text: str) -> str:
    """A first title: how the first message begins."""
    line = " ".join(text[: _TITLE_CHARACTERS * 4].split())
    return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1].rstrip() + "…"


def fewer_notices(notices: int) -> str:
    """What a SET clause needs when so many notices no longer wait; they are the value `heard`."""
    return ", #notices = #notices - :heard" if notices else ""


def adding(totals: dict[str, int]) -> str:
    """The ADD clause for what a task has used."""
    return "ADD " + ", ".join(f"#{name} :{name}" for name in totals)
