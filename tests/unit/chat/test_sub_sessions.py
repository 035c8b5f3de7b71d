"""Turns that a turn starts for itself: begun once, waited for without a worker, and never wider than their parent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.accounts.permissions import Permissions
from shared.chat.answering import Answering, UserAnswer
from shared.chat.cancel import cancel_turn
from shared.chat.model import ModelRequest
from shared.chat.opening import Submission
from shared.chat.run_and_wait import RunAndWait
from shared.chat.sending import Sending
from shared.chat.sessions import Session, create_session, list_sessions
from shared.chat.sub_sessions import SubSessionTurns
from shared.kernel.errors import ParleyError
from shared.kernel.telemetry import flush_metrics
from shared.tasks.lineage import Lineage
from shared.tasks.records import TaskStatus
from shared.tasks.run_state import Followed
from shared.tasks.wait import Wait
from shared.tools.get_sub_session_result import GetSubSessionResult, GetSubSessionResultInput
from shared.tools.run_sub_session import RunSubSession, RunSubSessionInput
from tests.support.checks import check_over, said
from tests.support.faults import FAULT_KINDS, Killed
from tests.support.logs import logged, metrics_in
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.tools import Asking, Echo


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


# -- waiting -----------------------------------------------------------------------------------


def test_a_quick_answer_is_waited_for_at_once(parley: Parley) -> None:
    """Within 3 s the parent isn't let go: one invocation, and the answer with calls, tokens and a link."""
    answering(parley, delegates(), lambda: says("Seven", tokens=(30, 7)))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.clock.at(1.0, parley.drain_queue)

    parley.work(first)

    task = check_over(parley, session, task_id, "completed")
    assert task.epoch == 1
    child = sub_session_of(parley, session)
    assert result_of(parley, session) == {
        "type": "sub_session",
        "message": "The sub-session has answered. Don't start it again for the same.",
        "status": "completed",
        "sub_session_id": child.id,
        "link": f"/#chat={child.id}",
        "response": "Seven",
        "error": None,
        "tool_calls": [],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37},
        "progress": None,
    }
    assert said(parley.transcript(child)) == [("user", "Count rivers"), ("assistant", "Seven")]


def test_a_sub_session_is_counted(parley: Parley, capsys: pytest.CaptureFixture[str]) -> None:
    """Once for each that is started, as a metric too."""
    answering(parley, delegates(), lambda: says("Seven"))
    parent_of(parley)
    flush_metrics()
    capsys.readouterr()
    parley.settle()
    flush_metrics()
    assert metrics_in(capsys.readouterr().out)["CopilotSubSessionStarted"] == 1


def test_a_slow_one_is_waited_for_by_nobody(parley: Parley) -> None:
    """The parent's turn is parked; the child's end wakes it."""
    answering(parley, delegates(system_context="It is spring."), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    with logged() as log:
        (first,) = parley.messages_waiting()
        parley.work(first)
    assert log.one("copilot_sub_session_started")["sub_session_id"] == sub_session_of(parley, session).id
    assert parley.task(task_id).status is TaskStatus.WAITING
    assert parley.task(task_id).lease_expires == 0

    parley.settle()

    check_over(parley, session, task_id, "completed")
    child = sub_session_of(parley, session)
    task = parley.task(child.last_task or "")
    assert (task.parent, task.root, task.depth, task.dry_run) == (task_id, task_id, 1, False)
    assert parley.transcript(child)[0].context == "It is spring."
    assert parley.transcript(child)[0].content == "Count rivers"
    assert result_of(parley, session)["response"] == "Seven"


def test_what_the_sub_session_did_is_told(parley: Parley) -> None:
    """Its tool calls, cut to 400 characters, and the tokens of the whole turn."""
    steps = iter([calls(("e1", "echo", json.dumps({"text": "x" * 900}))), says("Seven")])
    answering(parley, delegates(), lambda: next(steps))
    session, _ = parent_of(parley)
    parley.settle()

    (call,) = result_of(parley, session)["tool_calls"]
    assert (call["tool_name"], call["success"]) == ("echo", True)
    assert len(call["output"]) == len(call["arguments"]) == 400
    assert result_of(parley, session)["usage"]["total_tokens"] == 30


def test_a_deadline_answers_with_the_state_there_is(parley: Parley) -> None:
    """It still runs, goes on by itself, and the model is told not to poll; later it can ask."""
    answering(parley, delegates(wait_for_result=120), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    parley.clock.advance(121)
    parley.work(task_id)

    check_over(parley, session, task_id, "completed")
    result = result_of(parley, session)
    assert (result["status"], result["response"], result["usage"]) == ("running", None, None)
    assert "get_sub_session_result" in result["message"]
    assert "Don't poll" in result["message"]

    parley.settle()
    child = sub_session_of(parley, session)
    answering(parley, asks(child.id), lambda: says("never"))
    parley.send(session, "Go", "m2")
    began = parley.clock.now()
    parley.settle()
    assert result_of(parley, session, 6)["response"] == "Seven"
    assert parley.clock.now() == began


def test_nobody_waits_if_nobody_wants_to(parley: Parley) -> None:
    """`wait_for_result: 0` answers at once; the sub-session outlives the turn that has started it."""
    answering(parley, delegates(wait_for_result=0), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    began = parley.clock.now()
    (first,) = parley.messages_waiting()
    parley.work(first)

    check_over(parley, session, task_id, "completed")
    assert parley.clock.now() == began
    assert result_of(parley, session)["status"] == "running"
    parley.settle()
    child = sub_session_of(parley, session)
    check_over(parley, child, child.last_task or "", "completed")


@pytest.mark.parametrize(("seconds", "waited"), [(-5, 0), (1000, 300)])
def test_a_wait_out_of_bounds_is_the_nearest_one(seconds: int, waited: int) -> None:
    """0 to 300 s; it isn't worth another call of the model."""
    assert RunSubSessionInput(prompt="x", wait_for_result=seconds).wait_for_result == waited
    assert GetSubSessionResultInput(sub_session_id="x", wait_if_running=seconds).wait_if_running == waited


def test_a_sub_session_that_fails_says_why(parley: Parley) -> None:
    """`error`, and the reason; the parent goes on."""

    def fail() -> Script:
        raise AssertionError("unused")

    answering(parley, delegates(), fail)
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    parley.model.choose = None
    parley.with_bounds(turn_max_seconds=1)
    parley.clock.advance(2)
    parley.work(child.active_task or "")
    parley.with_bounds()
    parley.scripted(says("done"))
    parley.settle()

    check_over(parley, session, task_id, "completed")
    assert result_of(parley, session)["status"] == "error"
    assert result_of(parley, session)["error"]


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


# -- stopping ----------------------------------------------------------------------------------


def two_levels(parley: Parley) -> tuple[Session, Session, Session]:
    """A turn that waits for one that waits for one that is queued."""

    def choose(request: ModelRequest) -> Script:
        return says("done") if results_in(request) else delegates()

    parley.model.choose = choose
    session, _ = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    (second,) = parley.messages_waiting()
    parley.work(second)
    parley.messages_waiting()
    child = sub_session_of(parley, session)
    return session, child, sub_session_of(parley, child)


@pytest.mark.parametrize("told_twice", [True, False])
def test_a_stop_goes_down_the_tree(parley: Parley, told_twice: bool) -> None:
    """Two levels; each turn ends as cancelled, once, also if the stream tells of it twice."""
    session, child, grandchild = two_levels(parley)
    tasks = [parley.session(one.id).active_task or "" for one in (session, child, grandchild)]

    assert cancel_turn(parley.services, "ada", session.id).reason == "cancelled"
    parley.settle()
    if told_twice:
        parley.ends_told.clear()
        parley.settle()

    for one, task_id in zip((session, child, grandchild), tasks, strict=True):
        check_over(parley, one, task_id, "cancelled")
        assert parley.session(one.id).active_task is None
    assert len(parley.model.requests) == 2


def test_a_stop_reaches_a_child_that_is_being_worked_on(parley: Parley) -> None:
    """Its worker hears it at its next renewal; what was said stays."""
    answering(parley, delegates(), lambda: says("never"))
    session, _ = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    task_id = child.active_task or ""

    def stop() -> None:
        cancel_turn(parley.services, "ada", session.id)
        parley.state_changes()

    parley.model.choose = None
    parley.scripted([*says("Half")[:1], 1.0, stop, 10.0, *says(" never")])
    began = parley.clock.now()
    parley.work(task_id)

    check_over(parley, child, task_id, "cancelled")
    assert parley.clock.now() - began < 5
    assert said(parley.transcript(child))[-1] == ("assistant", "Half")


def test_the_turns_own_time_ends_a_wait(parley: Parley) -> None:
    """A call that would wait on is answered, the turn fails for its time, and takes its child along."""
    answering(parley, delegates(wait_for_result=300), lambda: says("never"))
    session, task_id = parent_of(parley)
    parley.with_bounds(turn_max_seconds=100)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    parley.messages_waiting()
    parley.clock.advance(100)
    began = parley.clock.now()
    parley.work(task_id)

    task = check_over(parley, session, task_id, "failed")
    assert (task.error or {})["code"] == "time_limit"
    assert parley.clock.now() - began < 5
    assert result_of(parley, session)["code"] == "turn_time_over"
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")


def test_a_turn_that_fails_takes_its_children_along(parley: Parley) -> None:
    """Nobody would hear of their answers."""
    answering(parley, delegates(), lambda: says("never"))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    child = sub_session_of(parley, session)
    parley.messages_waiting()
    parley.clock.advance(6 * 3600 + 1)
    parley.work(task_id)
    check_over(parley, session, task_id, "failed")
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")


def test_a_child_that_comes_after_the_stop_finds_out_by_itself(parley: Parley) -> None:
    """The stream had told of the parent's end before the child was there; it never asks the model."""
    session, task_id = parent_of(parley)
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    target = parley.new_session()
    lineage = Lineage(task_id, task_id, 1)
    sent = Sending(parley.services).submit("ada", target.id, Submission("m1", "Count", lineage=lineage))
    parley.scripted(says("never"))
    parley.settle()
    check_over(parley, target, sent.task.id, "cancelled")
    assert parley.model.requests == []


def test_a_parent_that_completes_leaves_its_children_alone(parley: Parley) -> None:
    """And a stop of its session's next turn doesn't concern them."""
    answering(parley, delegates(wait_for_result=0), lambda: says("Seven"))
    session, _ = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    parley.send(session, "Go", "m2")
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    child = sub_session_of(parley, session)
    check_over(parley, child, child.last_task or "", "completed")


# -- many at once, and kills -------------------------------------------------------------------


def test_thirty_at_once(parley: Parley) -> None:
    """Thirty calls of one step: each has its own session, and the parent goes on when all have answered."""
    wanted = [{"prompt": f"Count {n}", "wait_for_result": 300} for n in range(30)]
    many = calls(*((f"c{n}", "run_sub_session", json.dumps(one)) for n, one in enumerate(wanted)))
    parley.model.choose = lambda request: (
        (says("done") if results_in(request) else many)
        if asked_of(request) == "Go"
        else says(asked_of(request).replace("Count", "Counted"))
    )
    session, task_id = parent_of(parley)
    parley.settle()

    check_over(parley, session, task_id, "completed")
    results = [json.loads(row.content) for row in parley.transcript(session)[2:32]]
    assert [result["response"] for result in results] == [f"Counted {n}" for n in range(30)]
    assert len({result["sub_session_id"] for result in results}) == 30
    parley.clock.advance(400)
    parley.sweep()
    assert parley.timers() == 0


def test_a_wait_for_all_ends_with_the_last(parley: Parley) -> None:
    """`need: all` over the tasks of two sub-sessions."""
    turns = SubSessionTurns(parley.services)

    class Both(RunSubSession):
        """Starts one, and waits for it and for the one that it is told of."""

        def run(self, context: Any, arguments: RunSubSessionInput) -> Any:
            answer = super().run(context, arguments)
            assert isinstance(answer, Wait)
            return Wait((*answer.on, f"TASK#{other}"), answer.until, "all", answer.note)

    other = parley.send(parley.new_session(), "Sing", "s1").task.id
    parley.messages_waiting()
    parley.with_tools(Both(turns, parley.clock))
    answering(parley, delegates(), lambda: says("Seven"))
    session = parley.new_session()
    task_id = parley.send(session, "Go").task.id
    parley.settle()
    assert parley.task(task_id).status is TaskStatus.WAITING
    parley.work(other)
    parley.settle()
    check_over(parley, session, task_id, "completed")


def test_two_workers_are_woken_and_one_goes_on(parley: Parley) -> None:
    """The other finds the lease taken, or the turn over, and drops its message."""
    answering(parley, delegates(), lambda: says("Seven"))
    session, task_id = parent_of(parley)
    (first,) = parley.messages_waiting()
    parley.work(first)
    parley.drain_queue()
    parley.state_changes()
    (woken,) = parley.messages_waiting()
    seen: list[int] = []

    def choose(_: ModelRequest) -> Script:
        seen.append(parley.task(task_id).epoch)
        return [0.5, lambda: parley.work(woken), *says("done")]

    parley.model.choose = choose
    parley.work(woken)
    parley.work(woken)
    check_over(parley, session, task_id, "completed")
    assert seen == [2]
    assert len(parley.transcript(session)) == 4


def test_a_fault_anywhere_makes_no_second_sub_session(parley: Parley) -> None:
    """At every call to AWS: one sub-session with one turn, and one result for the parent, which is its answer."""
    for number in _worth_striking(_undisturbed(parley)):
        kind = FAULT_KINDS[number % len(FAULT_KINDS)]
        parley.wipe()
        parley.watch.reset(fault_at=number, fault=kind)
        session, task_id = _disturbed(parley)
        parley.watch.reset()
        check_over(parley, session, task_id, "completed")
        assert result_of(parley, session)["response"] == "Seven", (kind, number)
        assert len(parley.transcript(session)) == 4
        child = sub_session_of(parley, session)
        assert said(parley.transcript(child)) == [("user", "Count rivers"), ("assistant", "Seven")]
        assert parley.task(child.last_task or "").parent == task_id
        parley.clock.advance(400)
        parley.sweep()
        assert parley.timers() == 0


def _undisturbed(parley: Parley) -> list[str]:
    parley.watch.reset()
    _disturbed(parley)
    return list(parley.watch.calls)


def _worth_striking(names: list[str]) -> list[int]:
    """All calls, but of many alike in a row (the patient poll) only the first and last two."""
    return [n for n in range(len(names)) if len(set(names[max(0, n - 2) : n + 3])) > 1 or n < 2]


def _disturbed(parley: Parley) -> tuple[Session, str]:
    with parley.watch.paused():
        answering(parley, delegates(wait_for_result=300), lambda: says("Seven"))
        session, task_id = parent_of(parley)
    for _ in range(20):
        _try(parley.settle)
        _try(parley.state_changes)
        parley.clock.advance(31)
        _try(parley.sweep)
        with parley.watch.paused():
            tasks = [parley.task(task_id)]
        if all(task.status.ended and task.lease_expires == 0 for task in tasks):
            break
    return session, task_id


def _try(act: Callable[[], object]) -> None:
    """A process that may die or fail."""
    try:
        act()
    except (Killed, ParleyError):
        return
