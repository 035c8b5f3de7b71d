"""Operations beside what else holds turns: slots, approvals, budgets, deletion, stops of a tree."""

import json
from dataclasses import replace
from typing import Any

from shared.aws.writes import Update
from shared.chat.answering import Answering, UserAnswer
from shared.chat.deletion import delete_session
from shared.chat.operations.completing import complete_operation
from shared.chat.sessions import Session
from shared.tasks.records import task_key
from shared.tools.long_running import HandedOff, LongRunningTool, Progress, WorkContext
from tests.support.checks import roles
from tests.support.grammar import check_stream
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo, EchoInput, EchoResponse, Survey

WHOLE = ["user", "assistant", "tool", "assistant", "system", "assistant"]


class AskedEcho(Echo):
    """Echoes when the user has approved it."""

    needs_approval = True


class Scholar(LongRunningTool[EchoInput]):
    """Asks the model in its work."""

    name = "scholar"
    description = "Think about the text for long."
    input_model = EchoInput
    requires_auth = True

    def work(self, context: WorkContext, arguments: EchoInput, progress: Progress) -> EchoResponse:
        thought = context.journal.once("thought", lambda: context.ask("Think.", arguments.text))
        return EchoResponse(text=thought)


def begun(parley: Parley, tool: Any, *after: Any) -> Session:
    """A session whose turn has begun an operation; nobody has worked on it."""
    parley.with_tools(tool, AskedEcho())
    session = parley.new_session()
    parley.scripted(calls(("c1", tool.name, '{"text":"rivers"}')), says("Soon."), *(after or [says("Done.")]))
    parley.send(session)
    parley.drain_queue()
    return session


def test_a_continuation_waits_for_a_slot(parley: Parley) -> None:
    """Accepted however many wait already, it starts when a turn of the user has ended."""
    parley.with_turns(1, 1)
    session = begun(parley, Survey())
    other = parley.send(parley.new_session(), "Other", "o1").task
    parley.messages_waiting()
    parley.drain_runs()
    waiting = parley.session(session.id).active_task or ""
    assert parley.task(waiting).awaits_slot
    assert parley.pool().queued == {waiting}
    assert parley.messages_waiting() == []
    parley.scripted(says("Done."))
    parley.work(other.id)
    parley.drain_all()
    assert roles(parley.transcript(session)) == WHOLE
    assert (parley.pool().running, parley.pool().queued) == (frozenset(), frozenset())


def test_an_operation_holds_no_slot(parley: Parley) -> None:
    """Neither while it works nor while it waits."""
    parley.with_turns(1, 1)
    session = begun(parley, Survey(lambda *_: HandedOff()))
    parley.drain_runs()
    assert parley.pool().running == frozenset()
    (operation,) = parley.session(session.id).operations
    assert parley.task(operation).pool == ""


def test_a_turn_that_asks_its_user_hears_of_it_when_it_goes_on(parley: Parley) -> None:
    """No turn starts over the open question; the answer's turn drains the notice."""
    session = begun(parley, Survey())
    parley.scripted(calls(("c2", "echo", '{"text":"b"}')), says("Both are done."))
    parley.send(session, "And echo", "m2")
    parley.drain_queue()
    assert parley.session(session.id).awaiting
    parley.drain_all()
    now = parley.session(session.id)
    assert (now.active_task, now.notices, now.operations) == (None, 1, frozenset())
    (asked,) = Answering(parley.services).pending("ada", session.id)
    Answering(parley.services).answer("ada", UserAnswer(asked["approval_id"], True))
    parley.drain_all()
    assert parley.session(session.id).notices == 0
    assert roles(parley.transcript(session))[-3:] == ["tool", "system", "assistant"]
    assert parley.transcript(session)[-1].content == "Both are done."


def test_a_deleted_session_stops_its_operations(parley: Parley) -> None:
    """They end without a trace in it; a completion is answered, and does nothing."""
    session = begun(parley, Survey(lambda *_: HandedOff()))
    parley.drain_runs()
    (operation,) = parley.session(session.id).operations
    delete_session(parley.services, "ada", session.id)
    before = list(parley.database.query("#pk = :pk", {"pk": f"SESSION#{session.id}"}))
    complete_operation(parley.services, f"op_{operation}", success=True, result="x", error=None)
    parley.drain_all()
    assert parley.task(operation).status == "cancelled"
    check_stream(parley.parts(operation), steps=False)
    assert list(parley.database.query("#pk = :pk", {"pk": f"SESSION#{session.id}"})) == before
    assert any(row.get("task_id") == operation for row in before), "a purge finds it"


def test_the_end_of_a_turn_in_failure_leaves_its_operations_alone(parley: Parley) -> None:
    """They are no children of the turn: the stream tells of its end, and nothing is stopped."""
    parley.with_tools(Survey())
    session = parley.new_session()

    def stop() -> None:
        parley.database.write(Update(task_key(task.id), "SET #cancel_requested = :yes", values={"yes": True}))

    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}')), [stop, 30.0, *says("never")], says("Here it is."))
    task = parley.send(session).task
    parley.drain_queue()
    parley.state_changes()
    parley.drain_all()
    (operation,) = [row["task_id"] for row in _operations(parley, session)]
    assert parley.task(operation).status == "completed"
    assert roles(parley.transcript(session)) == WHOLE


def test_what_the_work_asks_counts_in_the_budgets(parley: Parley) -> None:
    """Reserved before and settled after, for the user and the tree, and told in the session's totals."""
    parley.with_limits(user_day_max_tokens=200_000, tree_max_tokens=200_000)
    session = begun(parley, Scholar(), says("A thought.", tokens=(100, 20)), says("Done."))
    spent = parley.session(session.id).totals.tokens
    parley.drain_all()
    (operation,) = [row["task_id"] for row in _operations(parley, session)]
    assert parley.task(operation).spend.tokens == 120
    assert parley.task(operation).claimed_tokens == 120
    assert parley.session(session.id).totals.tokens == spent + 120 + 15
    left = list(parley.database.query("#pk = :pk", {"pk": f"TASK#{operation}"}))
    assert not [row for row in left if row["sk"].startswith("RESERVED#")]
    assert json.loads(parley.transcript(session)[2].content)["text"] == "A thought."


def test_work_without_budget_fails_and_says_so(parley: Parley) -> None:
    """The operation ends with the budget's code; the continuation then meets the same bound."""
    parley.with_limits(user_day_max_tokens=60_000)
    session = begun(parley, Scholar())
    parley.services = replace(parley.services, limits=replace_limits(parley, user_day_max_tokens=10))
    parley.drain_all()
    (operation,) = [row["task_id"] for row in _operations(parley, session)]
    assert (parley.task(operation).error or {})["code"] == "daily_budget"
    assert parley.session(session.id).active_task is None


def replace_limits(parley: Parley, **limits: int) -> Any:
    """The deployment's limits with some changed."""
    return parley.services.limits.model_copy(update=limits)


def _operations(parley: Parley, session: Session) -> list[dict[str, Any]]:
    values = {"pk": f"SESSION#{session.id}", "prefix": "OPERATION#"}
    return list(parley.database.query("#pk = :pk AND begins_with(#sk, :prefix)", values))


def test_an_operation_that_begins_while_its_session_is_deleted_stops_too(parley: Parley) -> None:
    """The turn stores it between the deleter's look at the session and its transaction."""
    parley.with_tools(Survey(), Echo(lambda *_: parley.clock.advance(20)))
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}'), ("c2", "echo", '{"text":"x"}')))
    task = parley.send(session).task

    def begin(name: str, _: int) -> None:
        if name == "TransactWriteItems":
            with parley.watch.paused():
                parley.work(task.id, seconds=640)  # no time for a second step: another invocation goes on
            parley.watch.on_call = None

    parley.watch.on_call = begin
    delete_session(parley.services, "ada", session.id)
    assert parley.task(task.id).status == "cancelled"
    (operation,) = set(parley.runs_waiting())
    parley.run(operation)
    assert parley.task(operation).status == "cancelled"
