"""Long-running tools: the call is answered at once, the work ends once, and the model hears of it once."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.aws.writes import Delete, Update
from shared.chat.cancel import cancel_turn
from shared.chat.operations.completing import complete_operation, stop_operation
from shared.chat.operations.telling import tell_operation_ended
from shared.chat.resume import owned_task
from shared.chat.sessions import Session, session_key
from shared.chat.transcript import message_sort_key
from shared.kernel.errors import NotFound, ToolError
from shared.socket.connections import forget_connection, remember_connection
from shared.stream.replay import replay
from shared.tasks.records import Task, task_key
from shared.tools.long_running import HandedOff, WorkContext
from tests.support.checks import kinds, roles, said
from tests.support.faults import Killed
from tests.support.grammar import check_request, check_stream, check_transcript
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.time import FakeMailbox, InlineWorkers
from tests.support.tools import Echo, Survey


class _Silent(FakeMailbox):
    """Loses the last word."""

    def put(self, event: Any) -> None:
        if type(event).__name__ != "_Done":
            super().put(event)


class Unfinished(InlineWorkers):
    """Workers that don't get to the end of their work."""

    def mailbox(self) -> Any:
        return _Silent(self._clock)


def outside(_: WorkContext, __: str) -> HandedOff:
    """Somebody outside takes the work."""
    return HandedOff()


def asked(parley: Parley, survey: Survey, *after: Any) -> Session:
    """A turn that has begun an operation and ended; the operation's message waits."""
    parley.with_tools(survey, Echo())
    session = parley.new_session()
    parley.scripted(
        calls(("c1", "survey", '{"text":"rivers"}')), says("It is on its way."), *(after or [says("Done.")])
    )
    parley.send(session)
    parley.drain_queue()
    return session


def operation_of(parley: Parley, session: Session) -> Task:
    """The one operation of the session, live or ended."""
    started = next(p for p in all_parts(parley, session) if p.get("output", {}).get("type") == "operation_started")
    return parley.task(started["output"]["task_id"])


def all_parts(parley: Parley, session: Session) -> list[dict[str, Any]]:
    """The parts of all turns of the session."""
    tasks = dict.fromkeys(row.task_id for row in parley.transcript(session))
    return [part for task_id in tasks for part in parley.parts(task_id)]


def check_quiet(parley: Parley, session: Session, *, rows: list[str] | None = None) -> None:
    """Nothing runs, nothing waits, everything is legal."""
    now = parley.session(session.id)
    assert now.active_task is None
    assert (now.pending_count, now.notices, now.operations) == (0, 0, frozenset())
    check_transcript(parley.transcript(session))
    for request in parley.model.requests:
        check_request(request.messages)
    if rows is not None:
        assert roles(parley.transcript(session)) == rows


WHOLE = ["user", "assistant", "tool", "assistant", "system", "assistant"]


def test_a_long_running_call_is_answered_at_once(parley: Parley) -> None:
    """Viewers get `operation_started`, the transcript keeps `operation_pending`, and the turn goes on and ends."""
    session = asked(parley, Survey())
    operation = operation_of(parley, session)
    shown = next(p["output"] for p in all_parts(parley, session) if p["type"] == "tool-output-available")
    assert shown == {
        "type": "operation_started",
        "message": "survey has begun.",
        "session_id": session.id,
        "operation_id": f"op_{operation.id}",
        "tool_name": "survey",
        "task_id": operation.id,
        "status": "accepted",
    }
    kept = json.loads(parley.transcript(session)[2].content)
    assert kept.pop("message")
    assert kept == {
        "type": "operation_pending",
        "session_id": session.id,
        "operation_id": f"op_{operation.id}",
        "tool_name": "survey",
    }
    assert parley.session(session.id).active_task is None
    assert (operation.kind, operation.status, operation.parent) == (
        "operation",
        "queued",
        parley.session(session.id).last_task,
    )
    assert parley.session(session.id).operations == {operation.id}


def test_its_work_has_a_stream_of_its_own(parley: Parley) -> None:
    """`start`, the call, progress, the output, `finish`: once each, legal for a parser that knows no turn."""
    session = asked(parley, Survey())
    parley.drain_all()
    operation = operation_of(parley, session)
    parts = parley.parts(operation.id)
    assert kinds(parts) == [
        *("start", "tool-input-available"),
        *["data-progress"] * 3,
        *("tool-output-available", "finish"),
    ]
    check_stream(parts, steps=False)
    assert parts[1]["input"] == {"text": "rivers"}
    assert parts[2]["data"] == {"message": "Asking 0", "done": 0, "total": 3}
    assert parts[-2]["output"]["text"] == "All about rivers"
    assert replay(parts) == parts
    assert operation.status == "completed"
    assert operation.lease_expires == 0


def test_its_result_takes_its_place_and_starts_a_continuation(parley: Parley) -> None:
    """The tool message is replaced, a notice opens a turn, and the model reads both."""
    session = asked(parley, Survey(), says("The rivers are long."))
    parley.drain_all()
    check_quiet(parley, session, rows=WHOLE)
    rows = parley.transcript(session)
    assert json.loads(rows[2].content)["text"] == "All about rivers"
    assert rows[-1].content == "The rivers are long."
    last = parley.model.requests[-1].messages
    assert [m["role"] for m in last] == ["system", "user", "assistant", "tool", "assistant", "system"]
    assert "All about rivers" in last[3]["content"]
    assert "All about rivers" not in last[5]["content"]
    assert len(parley.model.requests) == 3


def test_a_turn_that_runs_hears_of_it_at_its_next_step(parley: Parley) -> None:
    """The notice is a pending item that nobody sees among the user's, and no second turn starts."""
    session = asked(parley, Survey())
    operation = operation_of(parley, session)
    during: list[int] = []

    def end() -> None:
        parley.drain_runs()
        during.append(parley.session(session.id).notices)

    parley.scripted([end, 2.5, *calls(("c2", "echo", '{"text":"x"}'))], says("I have heard."))
    task = parley.send(session, "And now?", "m2").task
    parley.drain_all()
    assert during == [1]
    assert parley.task(operation.id).status == "completed"
    check_quiet(parley, session, rows=[*WHOLE[:4], "user", "assistant", "tool", "system", "assistant"])
    assert parley.session(session.id).last_task == task.id


def test_what_comes_in_the_last_step_starts_the_next_turn(parley: Parley) -> None:
    """The end sees it, because the turn's inbox was raised; the notice opens the turn behind it."""
    session = asked(parley, Survey())
    parley.scripted([parley.drain_runs, 3.0, *says("Nothing yet.")], says("Now I have it."))
    parley.send(session, "And now?", "m2")
    parley.drain_all()
    check_quiet(parley, session, rows=[*WHOLE[:4], "user", "assistant", "system", "assistant"])
    assert parley.transcript(session)[-1].content == "Now I have it."


def test_a_stop_discards_the_users_words_and_not_the_notice(parley: Parley) -> None:
    """The turn is cancelled, what waited is gone, and the notice starts a turn in the same transaction."""
    session = asked(parley, Survey())

    def stop() -> None:
        parley.drain_runs()
        parley.send(session, "more", "m3")
        parley.database.write(Update(task_key(task.id), "SET #cancel_requested = :yes", values={"yes": True}))

    parley.scripted([stop, 30.0, *says("never")], says("The result is here."))
    task = parley.send(session, "And now?", "m2").task
    parley.drain_all()
    assert parley.task(task.id).status == "cancelled"
    check_quiet(parley, session, rows=[*WHOLE[:4], "user", "assistant", "system", "assistant"])
    assert "more" not in [content for _, content in said(parley.transcript(session))]


def test_a_turns_stop_does_not_stop_what_it_has_begun(parley: Parley) -> None:
    """The operation is its own; the model hears of it when it ends."""
    parley.with_tools(Survey())
    session = parley.new_session()

    def stop() -> None:
        parley.database.write(Update(task_key(task.id), "SET #cancel_requested = :yes", values={"yes": True}))

    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}')), [stop, 30.0, *says("never")], says("Here it is."))
    task = parley.send(session).task
    parley.drain_queue()
    assert parley.task(task.id).status == "cancelled"
    parley.drain_all()
    check_quiet(parley, session, rows=WHOLE)


def test_the_same_call_again_is_told_that_it_is_in_progress(parley: Parley) -> None:
    """Later, or in the same step: the first one's operation is the only one."""
    parley.with_tools(Survey())
    session = parley.new_session()
    wanted = ("survey", '{"text":"rivers"}')
    parley.scripted(calls(("c1", *wanted), ("c2", *wanted)), calls(("c3", *wanted)), says("Waiting."), says("Done."))
    parley.send(session)
    parley.drain_queue()
    rows = [json.loads(row.content) for row in parley.transcript(session) if row.role == "tool"]
    assert [row["type"] for row in rows] == ["operation_pending", "operation_in_progress", "operation_in_progress"]
    assert {row["tool_call_id"] for row in rows[1:]} == {"c1"}
    assert len(parley.session(session.id).operations) == 1
    parley.drain_all()
    check_quiet(parley, session)
    parley.scripted(calls(("c4", *wanted)), says("Again."), says("Done."))
    parley.send(session, "Again", "m2")
    parley.drain_queue()
    assert len(parley.session(session.id).operations) == 1


def test_a_session_has_so_many_operations_at_once(parley: Parley) -> None:
    """The eleventh is refused, and the model is told."""
    parley.with_tools(Survey())
    session = parley.new_session()
    wanted = [(f"c{n}", "survey", json.dumps({"text": f"n{n}"})) for n in range(12)]
    parley.scripted(calls(*wanted), says("Many."))
    parley.send(session)
    parley.drain_queue()
    answers = [json.loads(row.content) for row in parley.transcript(session) if row.role == "tool"]
    assert [a["type"] for a in answers] == ["operation_pending"] * 10 + ["error"] * 2
    assert answers[-1]["code"] == "too_many_operations"
    assert len(parley.session(session.id).operations) == 10
    parley.drain_all()
    check_quiet(parley, session)


def test_arguments_that_do_not_fit_begin_nothing(parley: Parley) -> None:
    """The model is told as with any tool."""
    parley.with_tools(Survey())
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"wrong":1}')), says("Sorry."))
    parley.send(session)
    parley.drain_queue()
    assert json.loads(parley.transcript(session)[2].content)["code"] == "invalid_arguments"
    check_quiet(parley, session)
    assert parley.runs_waiting() == []


@pytest.mark.parametrize("error", [ToolError("The line is dead.", code="dead"), RuntimeError("secret words")])
def test_work_that_fails_is_told_to_the_model(parley: Parley, error: Exception) -> None:
    """An error takes the place of the result, and a continuation reads it; a bug's words are not shown."""

    def fail(_: WorkContext, __: str) -> None:
        raise error

    session = asked(parley, Survey(fail), says("It failed."))
    parley.drain_all()
    operation = operation_of(parley, session)
    assert operation.status == "failed"
    assert kinds(parley.parts(operation.id))[-2:] == ["tool-output-error", "finish"]
    row = parley.transcript(session)[2]
    assert row.is_error
    assert json.loads(row.content)["type"] == "error"
    assert "secret words" not in row.content
    check_quiet(parley, session, rows=WHOLE)


def test_work_goes_on_behind_what_is_in_its_journal(parley: Parley) -> None:
    """An invocation's time is up in the middle: the next one repeats no step that was kept."""
    workers = parley.engine.workers
    survey = Survey()
    session = asked(parley, survey)
    (task_id,) = parley.runs_waiting()
    parley.engine = replace(parley.engine, workers=Unfinished(parley.clock))
    parley.run(task_id, seconds=60.0)
    assert parley.task(task_id).lease_expires == 0
    parley.engine = replace(parley.engine, workers=workers)
    parley.drain_all()
    assert survey.asked == ["ask-0", "ask-1", "ask-2"]
    check_quiet(parley, session)


def test_secrets_are_shown_nowhere(parley: Parley) -> None:
    """Results, from inside or outside, lose what stands under a secret's name, at any depth and in any case."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    told = {"rows": [{"Api_Key": "k", "ok": 1}], "AUTHORIZATION": {"x": 1}, "tokens": 3, "deep": {"password": "p"}}
    complete_operation(parley.services, f"op_{operation.id}", success=True, result=told, error=None)
    parley.drain_all()
    output = parley.parts(operation.id)[-2]["output"]
    assert output == {
        "rows": [{"Api_Key": "[REDACTED]", "ok": 1}],
        "AUTHORIZATION": "[REDACTED]",
        "tokens": 3,
        "deep": {"password": "[REDACTED]"},
    }
    assert json.loads(parley.transcript(session)[2].content) == output


@pytest.mark.parametrize(
    ("result", "output", "content"),
    [
        (None, {"status": "completed"}, '{"status":"completed"}'),
        ("plain words", "plain words", "plain words"),
        ({"rows": 2.5}, {"rows": 2.5}, '{"rows":2.5}'),
    ],
)
def test_what_somebody_outside_tells_is_the_result(parley: Parley, result: Any, output: Any, content: str) -> None:
    """Nothing becomes `completed`, a text stays a text, an object is JSON."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    assert operation.status == "waiting"
    complete_operation(parley.services, f"op_{operation.id}", success=True, result=result, error=None)
    parley.drain_all()
    assert parley.parts(operation.id)[-2]["output"] == output
    assert parley.transcript(session)[2].content == content
    check_quiet(parley, session, rows=WHOLE)


def test_a_failure_without_words_has_some(parley: Parley) -> None:
    """`Operation failed`, in the stream and in the transcript."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    complete_operation(parley.services, f"op_{operation.id}", success=False, result=None, error=None)
    parley.drain_all()
    assert parley.parts(operation.id)[-2]["errorText"] == "Operation failed"
    assert json.loads(parley.transcript(session)[2].content)["message"] == "Operation failed"
    check_quiet(parley, session, rows=WHOLE)


def test_a_result_too_large_for_a_row_is_cut(parley: Parley) -> None:
    """Its beginning and its size are kept."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    complete_operation(parley.services, f"op_{operation.id}", success=True, result="ä" * 300_000, error=None)
    parley.drain_all()
    output = parley.parts(operation.id)[-2]["output"]
    assert (output["type"], output["size"]) == ("output_too_large", 600_002)
    check_quiet(parley, session, rows=WHOLE)


def test_an_operation_waits_without_a_worker(parley: Parley) -> None:
    """Handed over, it holds no lease; nothing is sent about it before its deadline."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    assert (operation.status, operation.lease_expires) == ("waiting", 0)
    started = parley.workers_started
    for _ in range(20):
        parley.clock.advance(60)
        parley.sweep()
        parley.drain_all()
    assert parley.workers_started == started


def test_an_operation_that_is_never_called_back_for_fails_once(parley: Parley) -> None:
    """At its deadline, by the sweep; what is told afterwards changes nothing."""
    session = asked(parley, Survey(outside), says("Nobody answered."))
    parley.drain_runs()
    operation = operation_of(parley, session)
    for _ in range(4):
        parley.clock.advance(1_000)
        parley.sweep()
        parley.drain_all()
    ended = parley.task(operation.id)
    assert (ended.status, ended.error) == (
        "failed",
        {"code": "operation_timeout", "message": "The operation did not end in time."},
    )
    check_quiet(parley, session, rows=WHOLE)
    complete_operation(parley.services, f"op_{operation.id}", success=True, result="late", error=None)
    parley.drain_all()
    check_quiet(parley, session, rows=WHOLE)
    assert kinds(parley.parts(operation.id)).count("finish") == 1
    assert parley.timers() == 0


def test_a_near_deadline_is_kept_to_the_second(parley: Parley) -> None:
    """A delayed message comes at it; before it, it would change nothing."""

    class Hasty(Survey):
        max_seconds = 120

    session = asked(parley, Hasty(outside), says("Nobody answered."))
    (task_id,) = parley.runs_waiting()
    parley.run(task_id)
    sent = parley.sqs.get_queue_attributes(
        QueueUrl=parley.run_queue_url, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )["Attributes"]
    assert sent["ApproximateNumberOfMessagesDelayed"] == "1"
    parley.run(task_id)
    assert parley.task(task_id).status == "waiting"
    parley.clock.advance(120)
    parley.run(task_id)
    assert parley.task(task_id).status == "failed"
    parley.drain_all()
    check_quiet(parley, session, rows=WHOLE)


@pytest.mark.parametrize("when", ["before any worker", "during the work", "at the hand-over", "while it waits"])
def test_a_completion_counts_whenever_it_comes(parley: Parley, when: str) -> None:
    """Before a worker had it, in the middle of the work, at the instant of waiting, or later: one outcome."""

    def tell() -> None:
        complete_operation(parley.services, operation_id, success=True, result="told", error=None)

    def act(context: WorkContext, _: str) -> HandedOff:
        if when == "during the work":
            tell()
        return HandedOff()

    def at_release(name: str, number: int) -> None:
        if name == "UpdateItem" and parley.task(task.id).epoch > 0 and not told:
            told.append(name)
            with parley.watch.paused():
                tell()

    told: list[str] = []
    session = asked(parley, Survey(act), says("It was told."))
    task = operation_of(parley, session)
    operation_id = f"op_{task.id}"
    if when == "before any worker":
        tell()
    if when == "at the hand-over":
        parley.watch.on_call = at_release
    parley.drain_all()
    parley.watch.on_call = None
    if when == "while it waits":
        tell()
    parley.drain_all()
    ended = parley.task(task.id)
    assert ended.status == "completed"
    assert parley.parts(task.id)[-2]["output"] == "told"
    check_quiet(parley, session, rows=WHOLE)


def test_of_twenty_outcomes_the_first_one_counts(parley: Parley) -> None:
    """Success and failure mixed, told before any is worked on: one end, one continuation."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    for n in range(20):
        success = n % 2 == 1
        complete_operation(parley.services, f"op_{operation.id}", success=success, result=f"r{n}", error=f"e{n}")
    parley.drain_all()
    ended = parley.task(operation.id)
    assert ended.status == "failed"
    assert ended.error == {"code": "operation_failed", "message": "e0"}
    check_quiet(parley, session, rows=WHOLE)


def test_two_workers_get_the_same_operation(parley: Parley) -> None:
    """The second one leaves it alone."""
    survey = Survey(lambda context, _: parley.run(context.task_id))
    session = asked(parley, survey)
    parley.drain_all()
    assert len(survey.contexts) == 1
    check_quiet(parley, session, rows=WHOLE)


def test_a_result_without_a_place_fails_and_tells_nobody(parley: Parley) -> None:
    """The tool message was changed since: the operation has failed, with an error part, and no turn starts."""
    session = asked(parley, Survey())
    operation = operation_of(parley, session)
    key = {"pk": f"SESSION#{session.id}", "sk": message_sort_key(2)}
    parley.database.write(Update(key, "SET #content = :other", values={"other": "summarized"}))
    parley.drain_all()
    ended = parley.task(operation.id)
    assert (ended.status, (ended.error or {})["code"]) == ("failed", "result_not_kept")
    assert kinds(parley.parts(operation.id))[-3:] == ["tool-output-error", "error", "finish"]
    check_stream(parley.parts(operation.id), steps=False)
    check_quiet(parley, session, rows=WHOLE[:4])


@pytest.mark.parametrize("success", [True, False])
def test_a_deleted_session_gets_nothing(parley: Parley, success: bool) -> None:
    """The operation ends as failed, and nothing is written where the session was."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    operation = operation_of(parley, session)
    rows = list(parley.database.query("#pk = :pk", {"pk": f"SESSION#{session.id}"}))
    for row in rows:
        parley.database.write(Delete({"pk": row["pk"], "sk": row["sk"]}))
    complete_operation(parley.services, f"op_{operation.id}", success=success, result="x", error="gone")
    parley.drain_all()
    assert parley.task(operation.id).status == "failed"
    assert list(parley.database.query("#pk = :pk", {"pk": f"SESSION#{session.id}"})) == []


def test_a_session_that_changes_hands_keeps_its_operations(parley: Parley) -> None:
    """The continuation is the new owner's."""
    session = asked(parley, Survey())
    moved = Update(session_key(session.id), "SET #owner = :new", values={"new": "grace"})
    parley.database.write(moved)
    parley.drain_all()
    last = parley.session(session.id, "grace").last_task or ""
    assert parley.task(last).user_id == "grace"
    assert parley.task(last).status == "completed"


@pytest.mark.parametrize("state", ["queued", "waiting"])
def test_the_user_stops_the_operation_itself(parley: Parley, state: str) -> None:
    """It ends as stopped; the transcript says so, and no turn starts about what the user knows."""
    session = asked(parley, Survey(outside))
    if state == "waiting":
        parley.drain_runs()
    operation = operation_of(parley, session)
    assert stop_operation(parley.services, "ada", f"op_{operation.id}")
    parley.drain_all()
    assert parley.task(operation.id).status == "cancelled"
    assert json.loads(parley.transcript(session)[2].content)["code"] == "stopped_by_user"
    assert stop_operation(parley.services, "ada", f"op_{operation.id}") is None
    check_quiet(parley, session, rows=WHOLE[:4])
    with pytest.raises(NotFound):
        stop_operation(parley.services, "grace", f"op_{operation.id}")


def test_cancelling_the_session_leaves_a_waiting_operation_alone(parley: Parley) -> None:
    """There is no turn to stop."""
    session = asked(parley, Survey(outside))
    parley.drain_runs()
    assert cancel_turn(parley.services, "ada", session.id).reason == "no_active_task"
    assert operation_of(parley, session).status == "waiting"


def test_a_worker_that_dies_again_and_again_fails_the_operation(parley: Parley) -> None:
    """Five takeovers: `worker_lost`, and the model is told."""

    def die(_: WorkContext, __: str) -> None:
        raise Killed

    session = asked(parley, Survey(die), says("It was lost."))
    for _ in range(12):
        with suppress(Killed):
            parley.drain_all()
        parley.clock.advance(31)
        parley.sweep()
    parley.drain_all()
    ended = operation_of(parley, session)
    assert (ended.status, (ended.error or {})["code"]) == ("failed", "worker_lost")
    check_quiet(parley, session, rows=WHOLE)


def test_the_user_is_told_on_all_their_sockets(parley: Parley) -> None:
    """A `notify` frame to each connection, and to nobody else's; whoever has left is not a problem."""
    for connection, user in (("c1", "ada"), ("c2", "ada"), ("c3", "grace"), ("c4", "ada")):
        remember_connection(parley.database, parley.clock, connection, user)
    forget_connection(parley.database, "c4")
    session = asked(parley, Survey())
    parley.drain_all()
    operation = operation_of(parley, session)
    tell_operation_ended(parley.services, operation.id)
    tell_operation_ended(parley.services, parley.session(session.id).last_task or "")
    frames = {name: posted for name, posted in parley.sockets.frames.items() if posted}
    assert set(frames) == {"c1", "c2"}
    assert frames["c1"] == [
        {
            "type": "notify",
            "requestId": "~sys",
            "kind": "operation-finished",
            "session_id": session.id,
            "task_id": operation.id,
            "operation_id": f"op_{operation.id}",
            "tool_name": "survey",
            "status": "completed",
        }
    ]


def test_an_operation_is_its_users_alone(parley: Parley) -> None:
    """Its task answers like any other."""
    session = asked(parley, Survey())
    operation = operation_of(parley, session)
    assert owned_task(parley.services, operation.id, "ada").operation_id == f"op_{operation.id}"
    with pytest.raises(NotFound):
        owned_task(parley.services, operation.id, "grace")


def test_what_was_summarized_is_told_with_the_notice(parley: Parley) -> None:
    """The model can't see the row any more, so the notice brings what stands there."""
    session = asked(parley, Survey())
    parley.database.write(Update(session_key(session.id), "SET #context_from = :four", values={"four": 4}))
    parley.drain_all()
    assert "All about rivers" in parley.model.requests[-1].messages[-1]["content"]


def test_writes_of_a_replaced_worker_are_refused(parley: Parley) -> None:
    """A zombie that comes to the end after another one has ended the operation changes nothing."""

    def steal(context: WorkContext, _: str) -> None:
        parley.clock.advance(31)
        parley.sweep()
        parley.drain_runs()

    survey = Survey(lambda context, text: steal(context, text) if len(survey.contexts) == 1 else None)
    session = asked(parley, survey)
    parley.drain_all()
    operation = operation_of(parley, session)
    assert kinds(parley.parts(operation.id)).count("finish") == 1
    check_stream(parley.parts(operation.id), steps=False)
    check_quiet(parley, session, rows=WHOLE)


def test_a_completion_of_nothing_is_not_found(parley: Parley) -> None:
    """Nor is a turn's task an operation."""
    session = asked(parley, Survey())
    for name in ("op_nothing", "nothing", parley.session(session.id).last_task or ""):
        with pytest.raises(NotFound):
            complete_operation(parley.services, name, success=True, result=None, error=None)
