"""Turns that a turn starts for itself: begun once, never wider than their parent, in sessions new or old."""

import pytest

from shared.accounts.permissions import Permissions
from shared.chat.answering import Answering, UserAnswer
from shared.chat.cancel import cancel_turn
from shared.chat.model import ModelRequest
from shared.chat.opening import Submission
from shared.chat.run_and_wait import RunAndWait
from shared.chat.sending import Sending
from shared.chat.sessions import Session, create_session, list_sessions
from shared.tasks.lineage import Lineage
from shared.tasks.records import TaskStatus
from shared.tasks.run_state import Followed
from tests.support.checks import check_over, said
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.sub_sessions import (
    answering,
    asked_of,
    asks,
    delegates,
    parent_of,
    result_of,
    results_in,
    sub_session_of,
    with_sub_sessions,
)
from tests.support.tools import Asking

# -- what binds it -----------------------------------------------------------------------------


def test_a_sub_session_may_do_no_more_than_its_parent(parley: Parley) -> None:
    """The new session and its turn have the permissions of the turn that starts them."""
    with_sub_sessions(parley)
    narrow = Permissions.of_lists(tools=["echo"]).to_item()
    session = create_session(parley.database, parley.clock, parley.services.ids, "ada", permissions=narrow)
    answering(parley, delegates(), lambda: says("Three"))
    parley.send(session, "Go")
    parley.settle()

    child = sub_session_of(parley, session)
    assert child.permissions == narrow
    assert parley.task(child.last_task or "").permissions == narrow
    offered = {schema["function"]["name"] for request in parley.model.requests for schema in request.tools}
    assert offered == {"run_sub_session", "get_sub_session_result"}


def test_an_older_session_is_bound_by_both(parley: Parley) -> None:
    """What it forbids itself and what its caller may not do: each level must allow."""
    own = Permissions.of_lists(tools=["send"])
    callers = Permissions.of_lists(tools=["echo"])
    other = create_session(parley.database, parley.clock, parley.services.ids, "ada", permissions=own.to_item())
    with_sub_sessions(parley)
    session = create_session(parley.database, parley.clock, parley.services.ids, "ada", permissions=callers.to_item())
    answering(parley, delegates(sub_session_id=other.id), lambda: says("Three"))
    parley.send(session, "Go")
    parley.settle()

    bound = Permissions.from_item(parley.task(parley.session(other.id).last_task or "").permissions)
    assert bound == own.within(callers)


def test_a_child_that_asks_its_user_is_not_taken_for_done(parley: Parley) -> None:
    """Its parent is told at once, and gets the whole answer when the user has approved."""
    with_sub_sessions(parley)
    parley.with_tools(*(parley.engine.toolbox.get(name) for name in parley.engine.toolbox.names), Asking())
    session = parley.new_session()
    parley.model.choose = lambda request: (
        (says("done") if results_in(request) else delegates())
        if asked_of(request) == "Go"
        else (says("Sent") if results_in(request) else calls(("c1", "send_mail", '{"text":"mail"}')))
    )
    parley.send(session, "Go")
    parley.settle()
    assert result_of(parley, session)["status"] == "running"
    assert "approval" in result_of(parley, session)["error"]

    child = sub_session_of(parley, session)
    followed = Followed(child.id, child.last_task or "")
    (asked,) = Answering(parley.services).pending("ada", child.id)
    Answering(parley.services).answer("ada", UserAnswer(asked["approval_id"], approved=True))
    parley.settle()
    state = RunAndWait(parley.services, limited=False).look("ada", followed)
    assert (state.status, state.response) == ("completed", "Sent")


@pytest.mark.parametrize("why", ["stopped", "expired"])
def test_a_child_that_will_never_be_answered_is_over(parley: Parley, why: str) -> None:
    """Its user has stopped it, or has let the request expire: nobody waits for it any more."""
    with_sub_sessions(parley)
    parley.with_tools(*(parley.engine.toolbox.get(name) for name in parley.engine.toolbox.names), Asking())
    child = parley.new_session()
    parley.scripted(calls(("c1", "send_mail", '{"text":"mail"}')))
    parley.send(child, "Mail")
    parley.settle()
    if why == "stopped":
        cancel_turn(parley.services, "ada", child.id)
    else:
        parley.clock.advance(parley.engine.approval_seconds + 1)
    followed = Followed(child.id, parley.session(child.id).last_task or "")
    state = RunAndWait(parley.services, limited=False).look("ada", followed)
    assert (state.status, state.awaits) == ("cancelled", None)
    assert ("expired" in state.error) is (why == "expired")


# -- sessions that exist -----------------------------------------------------------------------


def busy(parley: Parley, user: str = "ada") -> Session:
    """A session in which a turn waits to be worked on."""
    session = parley.new_session(user)
    parley.send(session, "Sing", "s1")
    parley.messages_waiting()
    return session


def test_a_busy_session_keeps_the_message(parley: Parley) -> None:
    """`queued` at once with a wait of 0; the turn that runs hears it."""
    target = busy(parley)
    answering(parley, delegates(sub_session_id=target.id, wait_for_result=0), lambda: says("La"))
    session, _ = parent_of(parley)
    parley.settle()
    assert result_of(parley, session)["status"] == "queued"

    parley.work(target_task := parley.session(target.id).active_task or "")
    check_over(parley, target, target_task, "completed")
    assert said(parley.transcript(target)) == [("user", "Sing"), ("user", "Count rivers"), ("assistant", "La")]


def test_a_wait_rides_the_turn_that_runs(parley: Parley) -> None:
    """The turn that has heard the message answers it."""
    target = busy(parley)
    answering(parley, delegates(sub_session_id=target.id), lambda: says("La"))
    session, task_id = parent_of(parley)
    parley.settle()
    assert parley.task(task_id).status is TaskStatus.WAITING

    parley.work(parley.session(target.id).active_task or "")
    parley.settle()
    assert result_of(parley, session)["response"] == "La"
    assert result_of(parley, session)["status"] == "completed"


def test_a_message_that_comes_too_late_for_the_turn_is_answered_by_the_next(parley: Parley) -> None:
    """The answer of the turn that ran is not taken for its answer; the next turn is the sender's child."""
    target = busy(parley)
    running = parley.session(target.id).active_task or ""
    session, task_id = parent_of(parley)

    def heard_late() -> Script:
        if not parley.session(target.id).pending_count and not parley.parts(task_id):
            (first,) = [task for task in parley.messages_waiting() if task == task_id] or [task_id]
            return [0.5, lambda: parley.work(first), *says("Old")]
        return says("New")

    answering(parley, delegates(sub_session_id=target.id), heard_late)
    parley.work(running)
    check_over(parley, target, running, "completed")
    parley.settle()

    assert [text for role, text in said(parley.transcript(target)) if role == "assistant"] == ["Old", "New"]
    assert result_of(parley, session)["response"] == "New"
    last = parley.task(parley.session(target.id).last_task or "")
    assert (last.parent, last.depth) == (task_id, 1)


def test_a_resumed_session_never_gives_an_old_answer(parley: Parley) -> None:
    """While its new turn runs it says `running`, also to who asks for the result."""
    answers = iter(["First", "Second"])
    answering(parley, delegates(), lambda: says(next(answers)))
    session, _ = parent_of(parley)
    parley.settle()
    child = sub_session_of(parley, session)

    parley.send(child, "Again", "u1")
    parley.messages_waiting()
    answering(parley, asks(child.id, wait_if_running=0), lambda: says(next(answers)))
    parley.send(session, "Go", "m2")
    parley.settle()
    early = result_of(parley, session, 6)
    assert (early["status"], early["response"]) == ("running", None)

    answering(parley, asks(child.id), lambda: says(next(answers)))
    parley.send(session, "Go", "m3")
    parley.settle()
    parley.work(parley.session(child.id).active_task or "")
    parley.settle()
    assert result_of(parley, session, 10)["response"] == "Second"


def test_who_waits_for_a_result_waits_for_the_turn_that_follows_too(parley: Parley) -> None:
    """Woken by one turn's end, it finds the next one running, and does not answer with the first."""
    target = busy(parley)
    answering(parley, asks(target.id, wait_if_running=300), lambda: says("La"))
    session, task_id = parent_of(parley)
    parley.settle()

    def meanwhile() -> None:
        parley.send(target, "And dance", "s2")

    parley.model.choose = None
    parley.scripted([0.5, meanwhile, *says("La")])
    parley.work(parley.session(target.id).active_task or "")
    following = parley.messages_waiting()
    parley.state_changes()
    (woken,) = [task for task in parley.messages_waiting() if task not in following]
    parley.scripted(says("done"))
    parley.work(woken)
    assert parley.task(task_id).status is TaskStatus.WAITING

    parley.scripted(says("Hop"))
    parley.work(parley.session(target.id).active_task or "")
    parley.scripted(says("done"))
    parley.settle()
    assert result_of(parley, session)["response"] == "Hop"


def test_progress_is_the_last_rows(parley: Parley) -> None:
    """Five, 400 characters each, and how many there are."""
    target = parley.new_session()
    parley.scripted(says("y" * 1000))
    for number in range(4):
        parley.send(target, f"Say {number}", f"s{number}")
        parley.settle()
    answering(parley, asks(target.id, include_progress=True), lambda: says("never"))
    session, _ = parent_of(parley)
    parley.settle()

    progress = result_of(parley, session)["progress"]
    assert progress["message_count"] == 8
    assert [row["role"] for row in progress["last_messages"]] == ["assistant", "user"] * 2 + ["assistant"]
    assert [len(row["content"]) for row in progress["last_messages"]] == [400, 5, 400, 5, 400]


def test_a_running_sub_session_can_be_stopped(parley: Parley) -> None:
    """`cancel` wins over the wait, and answers when it has ended."""
    target = busy(parley)
    answering(parley, asks(target.id, cancel=True, wait_if_running=300), lambda: says("never"))
    session, task_id = parent_of(parley)
    parley.settle()

    check_over(parley, session, task_id, "completed")
    assert result_of(parley, session)["status"] == "cancelled"
    assert parley.session(target.id).active_task is None


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("tool", ["run", "get", "cancel"])
def test_a_foreign_session_is_not_found(parley: Parley, tool: str, existing: bool) -> None:
    """The same words whether it exists or not, and nothing happens to it."""
    foreign = busy(parley, "grace") if existing else None
    target = foreign.id if foreign else "id999999"
    wanted = {
        "run": delegates(sub_session_id=target),
        "get": asks(target),
        "cancel": asks(target, cancel=True),
    }
    answering(parley, wanted[tool], lambda: says("never"))
    session, _ = parent_of(parley)
    parley.settle()

    assert result_of(parley, session) == {
        "type": "error",
        "message": "There is no such sub-session.",
        "code": "sub_session_not_found",
        "details": None,
    }
    if foreign:
        left = parley.session(foreign.id, "grace")
        assert (left.active_task is not None, left.pending_count) == (True, 0)


def test_a_session_without_a_turn_has_no_result(parley: Parley) -> None:
    """The model is told so."""
    empty = parley.new_session()
    answering(parley, asks(empty.id), lambda: says("never"))
    session, _ = parent_of(parley)
    parley.settle()
    assert result_of(parley, session)["code"] == "sub_session_empty"


def test_three_levels_and_no_more(parley: Parley) -> None:
    """The fourth is refused, and the third does the work itself."""
    parley.model.choose = lambda request: (
        says(f"did: {results_in(request)[0].get('code')}") if results_in(request) else delegates()
    )
    session, task_id = parent_of(parley)
    parley.settle()

    check_over(parley, session, task_id, "completed")
    depth, level = 0, session
    while depth < 3:
        level, depth = sub_session_of(parley, level), depth + 1
        task = parley.task(level.last_task or "")
        assert (task.depth, task.root) == (depth, task_id)
    assert list_sessions(parley.database, "ada", 10, None, parent_session=level.id)[0] == []
    assert said(parley.transcript(level))[-1] == ("assistant", "did: sub_session_too_deep")


def test_nobody_waits_for_themselves(parley: Parley) -> None:
    """Neither its own session nor one that waits for it can be a turn's sub-session."""
    session, _ = parent_of(parley)
    refused: list[str] = []

    def choose(request: ModelRequest) -> Script:
        if results_in(request):
            refused.append(results_in(request)[0].get("code", ""))
            return says("done")
        if asked_of(request) == "Go":
            return delegates()
        return asks(session.id)

    parley.model.choose = choose
    parley.settle()
    assert refused == ["sub_session_is_ancestor", ""]

    answering(parley, asks(session.id), lambda: says("never"))
    parley.send(session, "Go", "m2")
    parley.settle()
    assert result_of(parley, session, 6)["code"] == "sub_session_is_ancestor"


def test_guests_have_none(parley: Parley) -> None:
    """What they start could not be claimed with their session."""
    answering(parley, delegates(), lambda: says("never"))
    session, _ = parent_of(parley, user="guest:1")
    parley.settle()
    assert result_of(parley, session)["type"] == "need_login"


def dry(parley: Parley, session: Session) -> str:
    """The session's turn `Go`, of a dry run."""
    lineage = Lineage("id000000", "id000000", 1, dry_run=True)
    return Sending(parley.services).submit("ada", session.id, Submission("m1", "Go", lineage=lineage)).task.id


def test_a_dry_run_stays_one(parley: Parley) -> None:
    """All the way down; and its message can't ride a turn that takes effect."""
    with_sub_sessions(parley)
    session = parley.new_session()
    task_id = dry(parley, session)
    answering(parley, delegates(), lambda: says("Seven"))
    parley.settle()
    child = sub_session_of(parley, session)
    task = parley.task(child.last_task or "")
    assert (task.dry_run, task.parent, task.root, task.depth) == (True, task_id, "id000000", 2)

    target, other = busy(parley), parley.new_session()
    answering(parley, delegates(sub_session_id=target.id), lambda: says("never"))
    dry(parley, other)
    parley.settle()
    assert result_of(parley, other)["code"] == "sub_session_busy"
    assert parley.session(target.id).pending_count == 0


# -- the session list --------------------------------------------------------------------------


def test_sub_sessions_are_not_in_the_users_list(parley: Parley) -> None:
    """They are found by their link, and as a list of their parent's; also after they have had turns."""
    answering(parley, delegates(), lambda: says("Seven"))
    session, _ = parent_of(parley)
    parley.settle()
    child = sub_session_of(parley, session)
    assert child.head()["parent_session"] == session.id
    parley.send(child, "More", "u1")
    parley.settle()
    assert [row["id"] for row in list_sessions(parley.database, "ada", 10, None)[0]] == [session.id]
    assert [row["id"] for row in list_sessions(parley.database, "ada", 10, None, parent_session=session.id)[0]] == [
        child.id
    ]
