"""A stop that goes down a tree whose turns ask their user: through the pause, and past the turn that went on."""

import json

from shared.chat.answering import Answering, UserAnswer
from shared.chat.cancel import cancel_turn
from shared.chat.deletion import delete_session
from shared.chat.model import ModelRequest
from shared.chat.sessions import Session, list_sessions
from shared.chat.sub_sessions import SubSessionTurns
from shared.tools.run_sub_session import RunSubSession
from tests.support.checks import check_over
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.tools import Asking, Survey

MAIL = ("m0", "send_mail", '{"text":"mail"}')
REST = says("Never heard")


def delegates(prompt: str, seconds: int = 0) -> tuple[str, str, str]:
    return (f"d-{prompt}", "run_sub_session", json.dumps({"prompt": prompt, "wait_for_result": seconds}))


def prompt_of(request: ModelRequest) -> str:
    return str([message["content"] for message in request.messages if message["role"] == "user"][-1])


def begun(parley: Parley, **scripts: Script) -> Session:
    """A session whose turn has done its first step, and so have the sub-sessions named in `scripts`.

    What has no script is never worked on.
    """
    parley.with_tools(RunSubSession(SubSessionTurns(parley.services), parley.clock), Asking())
    parley.model.choose = lambda request: (
        REST if request.messages[-1]["role"] == "tool" else scripts[prompt_of(request)]
    )
    session = parley.new_session()
    parley.send(session, "Go")
    for _ in scripts:
        for task_id in parley.messages_waiting():
            if parley.transcript(parley.session(parley.task(task_id).session_id))[0].content in scripts:
                parley.work(task_id)
    return session


def below(parley: Parley, session: Session) -> Session:
    """Its one sub-session."""
    (row,), _ = list_sessions(parley.database, session.owner, 10, None, parent_session=session.id)
    return parley.session(row["id"])


def approvals(parley: Parley, session: Session) -> list[str]:
    return [asked["approval_id"] for asked in Answering(parley.services).pending("ada", session.id)]


def test_a_stop_goes_through_a_child_that_asks_its_user(parley: Parley) -> None:
    """It asks no more, and what it has started stops."""
    session = begun(parley, Go=calls(delegates("child", 300)), child=calls(delegates("grandchild"), MAIL))
    child = below(parley, session)
    grandchild = below(parley, child)
    assert approvals(parley, child)
    parley.messages_waiting()
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    check_over(parley, grandchild, grandchild.active_task or "", "cancelled")
    assert approvals(parley, child) == []


def test_a_stop_of_a_turn_that_asks_stops_what_it_has_started(parley: Parley) -> None:
    """The turn itself has ended with its question; the stop is meant for all of it."""
    session = begun(parley, Go=calls(delegates("child"), MAIL))
    child = below(parley, session)
    assert approvals(parley, session)
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")


def test_a_deleted_session_takes_along_what_its_asking_turn_has_started(parley: Parley) -> None:
    """As a stop does."""
    session = begun(parley, Go=calls(delegates("child"), MAIL))
    child = below(parley, session)
    delete_session(parley.services, "ada", session.id)
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")


def test_a_stop_leaves_the_notice_that_waits_for_the_answer(parley: Parley) -> None:
    """What the user had pending is discarded; the operation's end is heard by the next turn, once."""
    parley.with_tools(Survey(), Asking())
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}'), MAIL))
    parley.send(session, "Go")
    parley.drain_queue()
    parley.drain_runs()
    assert parley.session(session.id).notices == 1
    cancel_turn(parley.services, "ada", session.id)
    now = parley.session(session.id)
    assert (now.pending_count, now.notices) == (0, 1)
    parley.scripted(says("I see."))
    parley.send(session, "And now?", "m2")
    parley.settle()
    assert "has succeeded" in parley.model.requests[-1].messages[-1]["content"]
    now = parley.session(session.id)
    assert (now.pending_count, now.notices) == (0, 0)
    check_over(parley, session, now.last_task or "", "completed")


def test_a_stop_of_the_turn_that_went_on_stops_what_was_started_before_the_question(parley: Parley) -> None:
    """For the user it is one turn."""
    session = begun(parley, Go=calls(delegates("child"), MAIL))
    child = below(parley, session)
    (approval,) = approvals(parley, session)
    parley.messages_waiting()
    Answering(parley.services).answer("ada", UserAnswer(approval, approved=True))
    cancel_turn(parley.services, "ada", session.id)
    parley.settle()
    check_over(parley, child, child.active_task or "", "cancelled")
