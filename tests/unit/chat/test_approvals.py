"""Asking the user before a call is made: the turn ends, the answer starts the one that goes on, once."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.permissions import Permissions
from shared.chat.accept import Requester
from shared.chat.answering import AlreadyAnswered, Answered, Answering, UserAnswer
from shared.chat.cancel import cancel_turn
from shared.chat.pending import load_pending
from shared.chat.sessions import Session, create_session
from shared.kernel.errors import Conflict, Gone, NotFound, ParleyError
from shared.socket.connections import remember_connection
from tests.support.checks import check_over, kinds, roles, whole_message
from tests.support.faults import Killed
from tests.support.grammar import check_stream, check_transcript
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo, Send

MAIL = ("c1", "send", '{"text": "mail"}')
ECHO = ("c2", "echo", '{"text": "b"}')
DAY = 86_400


class AskingSend(Send):
    """Sends when the user has approved it."""

    needs_approval = True


class Deployment:
    """A session whose turn has paused."""

    def __init__(self, parley: Parley, *wanted: tuple[str, str, str], **engine: Any) -> None:
        self.parley = parley
        self.send, self.echo = AskingSend(), Echo()
        parley.with_tools(self.send, self.echo)
        parley.engine = replace(parley.engine, **engine)
        parley.scripted(calls(*(wanted or (MAIL,))), says("Done"))
        self.session: Session = parley.new_session()
        self.first = parley.send(self.session).task.id
        parley.drain_queue()

    @property
    def answering(self) -> Answering:
        return Answering(self.parley.services)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return self.answering.pending("ada", self.session.id)

    def answer(self, approved: bool = True, reason: str = "", which: int = 0) -> Answered:
        return self.answering.answer("ada", UserAnswer(self.asked[which]["approval_id"], approved, reason))

    def over(self) -> Any:
        """The turn that went on, which has ended."""
        self.parley.drain_queue()
        task_id = self.parley.session(self.session.id).last_task or ""
        assert task_id != self.first
        return check_over(self.parley, self.session, task_id)

    def results(self) -> list[dict[str, Any]]:
        rows = self.parley.transcript(self.session)
        check_transcript(rows)
        return [json.loads(row.content) for row in rows if row.role == "tool"]


def test_a_turn_pauses_before_a_call_that_needs_approval(parley: Parley) -> None:
    """It ends with the request and `tool-calls`; the other calls have their results; nothing is left to do."""
    paused = Deployment(parley, MAIL, ECHO)

    task = check_over(parley, paused.session, paused.first, "completed")
    assert kinds(parley.parts(task.id))[-3:] == ["tool-approval-request", "finish-step", "finish"]
    assert parley.parts(task.id)[-1]["finishReason"] == "tool-calls"
    assert (paused.send.calls, paused.echo.calls) == ([], ["b"])
    (asked,) = paused.asked
    assert (asked["tool_name"], asked["tool_call_id"], asked["status"]) == ("send", "c1", "open")
    assert json.loads(asked["arguments"]) == {"text": "mail"}
    assert [result["type"] for result in paused.results()] == ["approval_pending", "echo"]


def test_the_turn_that_goes_on_continues_the_message(parley: Parley) -> None:
    """Same message id, then the old call's output, then a new step; the model sees one legal conversation."""
    paused = Deployment(parley, MAIL, ECHO)
    answered = paused.answer()
    task = paused.over()

    assert answered.outcome == "started"
    assert (task.continues, task.status) == (paused.first, "completed")
    parts = parley.parts(task.id)
    assert parts[0] == parley.parts(paused.first)[0]
    assert kinds(parts)[:3] == ["start", "tool-output-available", "start-step"]
    assert parts[1]["toolCallId"] == "c1"
    assert paused.send.calls == ["mail"]
    assert roles(parley.transcript(paused.session)) == ["user", "assistant", "tool", "tool", "assistant"]
    assert paused.asked == []


def test_a_denial_is_told_to_the_model(parley: Parley) -> None:
    """The call is not made; its result says so, with the user's reason; viewers see it denied."""
    paused = Deployment(parley)
    paused.answer(False, "not today")
    task = paused.over()

    assert paused.send.calls == []
    assert kinds(parley.parts(task.id))[1] == "tool-output-denied"
    (result,) = paused.results()
    assert result["code"] == "not_approved"
    assert "not today" in result["message"]


def test_any_number_of_answers_is_one(parley: Parley) -> None:
    """Twenty answers, approvals and denials mixed: the first counts, one turn, one call."""
    paused = Deployment(parley)
    approval_id = paused.asked[0]["approval_id"]
    outcomes: list[str] = []
    for number in range(20):
        try:
            said = UserAnswer(approval_id, approved=number % 3 != 1)
            outcomes.append(paused.answering.answer("ada", said).outcome)
        except AlreadyAnswered as error:
            outcomes.append(error.code)
        if number == 10:
            paused.over()

    assert outcomes[0] == "started"
    assert set(outcomes[1:]) == {"repeated", "approval_answered"}
    assert outcomes.count("approval_answered") == 7
    paused.parley.drain_queue()
    assert paused.send.calls == ["mail"]


def test_several_requests_of_one_step_are_answered_one_by_one(parley: Parley) -> None:
    """The last answer starts the turn; each call has its own outcome."""
    paused = Deployment(parley, MAIL, ("c3", "send", '{"text": "second"}'))
    assert len(paused.asked) == 2

    assert paused.answer(False, which=1).outcome == "recorded"
    assert parley.messages_waiting() == []
    assert [asked["status"] for asked in paused.asked] == ["open", "denied"]
    assert paused.answer(True, which=0).outcome == "started"
    paused.over()

    assert paused.send.calls == ["mail"]
    assert [result["type"] for result in paused.results()] == ["echo", "error"]


def test_a_user_who_goes_on_has_not_approved(parley: Parley) -> None:
    """The open call gets a result that says so with the new message; a late answer changes nothing."""
    paused = Deployment(parley)
    approval_id = paused.asked[0]["approval_id"]
    task = parley.send(paused.session, "Never mind", "m2").task

    (result,) = paused.results()
    assert (result["code"], "went on" in result["message"]) == ("not_approved", True)
    with pytest.raises(Conflict, match="any more"):
        paused.answering.answer("ada", UserAnswer(approval_id, True))
    parley.drain_queue()
    check_over(parley, paused.session, task.id, "completed")
    assert paused.send.calls == []
    assert parley.session(paused.session.id).awaiting is None


def test_a_user_who_goes_on_after_answering_half(parley: Parley) -> None:
    """What was approved is not made either, because its turn never went on; the model hears why of each."""
    paused = Deployment(parley, MAIL, ("c3", "send", '{"text": "second"}'), ("c4", "send", '{"text": "third"}'))
    paused.answer(True, which=0)
    paused.answer(False, "too much", which=1)
    parley.send(paused.session, "Never mind", "m2")
    parley.drain_queue()

    said = [result["message"] for result in paused.results()]
    assert "It was approved, but others" in said[0]
    assert "too much" in said[1]
    assert paused.send.calls == []


def test_a_stop_closes_the_request(parley: Parley) -> None:
    """POST cancel while nothing runs: nobody is asked any more."""
    paused = Deployment(parley)
    approval_id = paused.asked[0]["approval_id"]
    assert cancel_turn(parley.services, "ada", paused.session.id).reason == "no_active_task"

    assert paused.asked == []
    assert "stopped" in paused.results()[0]["message"]
    with pytest.raises(Conflict):
        paused.answering.answer("ada", UserAnswer(approval_id, True))


def test_an_answer_can_be_too_late(parley: Parley) -> None:
    """Beyond its expiry 410; the model is told when the next turn runs."""
    paused = Deployment(parley, approval_seconds=DAY)
    approval_id = paused.asked[0]["approval_id"]
    parley.clock.advance(DAY + 1)

    with pytest.raises(Gone) as refused:
        paused.answering.answer("ada", UserAnswer(approval_id, True))
    assert refused.value.code == "approval_expired"
    assert paused.asked[0]["status"] == "expired"
    parley.send(paused.session, "Well?", "m2")
    parley.drain_queue()
    assert "expired" in paused.results()[0]["message"]
    assert paused.send.calls == []


def test_somebody_elses_request_does_not_exist(parley: Parley) -> None:
    """Foreign, made up and malformed ids look the same."""
    paused = Deployment(parley)
    ids = [paused.asked[0]["approval_id"], f"{paused.session.id}_nope", "nope", ""]
    for user, approval_id in zip(["bob", "ada", "ada", "ada"], ids, strict=True):
        with pytest.raises(NotFound) as refused:
            paused.answering.answer(user, UserAnswer(approval_id, True))
        assert refused.value.code == "APPROVAL_NOT_FOUND"


def test_an_approved_call_is_never_made_twice(parley: Parley) -> None:
    """The worker dies right behind it: the next one says that the outcome is not known, even of a harmless tool."""

    def die(*_: Any) -> None:
        raise Killed

    parley.with_tools()
    paused = Deployment(parley, ECHO, tools_needing_approval=frozenset({"echo"}))
    assert paused.echo.calls == []
    paused.answer()
    (task_id,) = parley.messages_waiting()
    deadly = Echo(die)
    parley.with_tools(deadly)
    with pytest.raises(Killed):
        parley.work(task_id)
    parley.clock.advance(60)
    parley.sweep()
    paused.over()

    assert deadly.calls == ["b"]
    assert paused.results()[0]["code"] == "outcome_unknown"


def test_a_stop_of_the_turn_that_goes_on(parley: Parley) -> None:
    """It is stopped before it has begun: the call is not made, and has a result for the model and the viewers."""
    paused = Deployment(parley)
    task = paused.answer().task
    assert task is not None
    assert cancel_turn(parley.services, "ada", paused.session.id).reason == "dequeued"

    check_over(parley, paused.session, task.id, "cancelled")
    assert kinds(parley.parts(task.id)) == ["start", "tool-output-error", "data-status", "finish"]
    assert paused.send.calls == []
    assert paused.results()[0]["code"] == "stopped_by_user"


def test_a_turn_may_pause_again(parley: Parley) -> None:
    """All turns write one message, whose bounds are about all of it; the steps don't share block ids."""
    paused = Deployment(parley)
    parley.scripted(says("Well"), calls(("c9", "send", '{"text": "more"}')), says("Done"))
    parley.model.scripts = [[says("Next")[0], *calls(("c9", "send", '{"text": "more"}'))], says("Done")]
    paused.answer()
    parley.drain_queue()
    second = parley.task(parley.session(paused.session.id).last_task or "")
    paused.answer()
    third = paused.over()

    assert paused.send.calls == ["mail", "more"]
    assert (third.continues, third.resumes) == (paused.first, second.id)
    assert third.carried.steps == 2
    check_stream(whole_message(parley, third.id))


def test_an_answer_over_the_socket_watches_the_turn(parley: Parley) -> None:
    """As the official client sends it: the assistant's message again; its stream goes on with the old call."""
    paused = Deployment(parley)
    approval = {"id": paused.asked[0]["approval_id"], "approved": True}
    message = {
        "id": f"msg_{paused.first}",
        "role": "assistant",
        "parts": [
            {"type": "text", "text": "Well"},
            {"type": "tool-send", "toolCallId": "c1", "state": "approval-responded", "approval": approval},
        ],
    }
    frame = {"type": "send", "requestId": "r1", "id": paused.session.id, "messages": [message]}
    parley.frames.handle("c0", "ada", json.dumps(frame))
    task = paused.over()
    parley.frames.handle("c1", "ada", json.dumps(frame))
    parley.frames.handle("c2", "ada", json.dumps({"type": "resume", "requestId": "r1", "id": paused.session.id}))

    assert parley.sockets.of("c0", "r1").parts == parley.parts(task.id)
    assert kinds(parley.sockets.of("c1", "r1").parts)[:2] == ["start", "tool-output-available"]
    resumed = parley.sockets.of("c2", "r1")
    check_stream(resumed.parts)
    assert kinds(resumed.parts)[:3] == ["start", "start-step", "tool-input-start"]
    assert [resumed.ends, parley.sockets.of("c0", "r1").ends] == [1, 1]
    assert paused.send.calls == ["mail"]


def test_a_replay_long_afterwards_still_knows_the_call(parley: Parley) -> None:
    """The first turn's parts have expired: the replay of the second one begins with the call itself."""
    paused = Deployment(parley)
    for row in list(parley.services.log.rows(paused.first)):
        parley.database.write(_delete_chunk(paused.first, row.seq))
    parley.clock.advance(20 * DAY)
    paused.answer()
    parley.frames.handle("c2", "ada", json.dumps({"type": "resume", "requestId": "r1", "id": paused.session.id}))
    parley.drain_queue()

    assert kinds(parley.sockets.of("c2", "r1").parts)[:2] == ["start", "tool-input-available"]
    assert "tool-output-available" in kinds(parley.sockets.of("c2", "r1").parts)


def _delete_chunk(task_id: str, seq: int) -> Any:
    from shared.aws.writes import Delete

    return Delete({"pk": f"TASK#{task_id}", "seq": seq}, table="chunks")


def test_the_user_is_told_on_every_socket(parley: Parley) -> None:
    """A `notify` frame, whatever the connection watches; one that is gone disturbs nobody."""
    for connection, user in (("c1", "ada"), ("c2", "ada"), ("c3", "bob")):
        remember_connection(parley.database, parley.clock, connection, user)
    parley.sockets.gone.add("c1")
    paused = Deployment(parley)

    (frame,) = parley.sockets.frames["c2"]
    assert (frame["type"], frame["requestId"], frame["kind"]) == ("notify", "~sys", "approval-needed")
    assert frame["approval_id"] == paused.asked[0]["approval_id"]
    assert parley.sockets.frames["c3"] == []


@pytest.mark.parametrize("arguments", ["{", '{"nope": 1}', "[]"])
def test_nobody_is_asked_about_a_call_that_cannot_be_made(parley: Parley, arguments: str) -> None:
    """Broken arguments are an error for the model at once."""
    paused = Deployment(parley, ("c1", "send", arguments))
    check_over(parley, paused.session, paused.first, "completed")
    assert paused.asked == []
    assert paused.results()[0]["type"] == "error"


def test_a_flood_of_requests_is_cut(parley: Parley) -> None:
    """Sixteen at once; the others get an error and may come again."""
    wanted = [(f"c{n}", "send", json.dumps({"text": str(n)})) for n in range(20)]
    paused = Deployment(parley, *wanted)
    assert len(paused.asked) == 16
    assert [result.get("code") for result in paused.results()[16:]] == ["too_many_approvals"] * 4


def test_sessions_ask_for_more_tools(parley: Parley) -> None:
    """`needs_approval` of the permission set; it travels with the task."""
    echo = Echo()
    parley.with_tools(echo)
    parley.scripted(calls(ECHO), says("Done"))
    permissions = Permissions.of_lists(needs_approval=["echo"]).to_item()
    session = create_session(parley.database, parley.clock, parley.services.ids, "ada", permissions=permissions)
    task = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    assert echo.calls == []
    assert len(Answering(parley.services).pending("ada", session.id)) == 1


def test_what_was_pending_waits_for_the_answer(parley: Parley) -> None:
    """It is heard by the turn that goes on, behind the call's result."""

    def interject(*_: Any) -> None:
        parley.send(paused_session[0], "And hurry", "p1")

    paused_session: list[Session] = []
    send = AskingSend()
    parley.with_tools(send, Echo(interject))
    parley.scripted(calls(MAIL, ECHO), says("Done"))
    session = parley.new_session()
    paused_session.append(session)
    parley.send(session)
    parley.drain_queue()
    assert parley.session(session.id).pending_count == 1

    answering = Answering(parley.services)
    answering.answer("ada", UserAnswer(answering.pending("ada", session.id)[0]["approval_id"], True))
    parley.drain_queue()
    task = parley.session(session.id).last_task or ""
    check_over(parley, session, task, "completed")
    assert roles(parley.transcript(session)) == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert parley.session(session.id).pending_count == 0


def test_a_stop_discards_what_waits_for_the_answer(parley: Parley) -> None:
    """As it does while a turn runs."""
    session = parley.new_session()
    parley.with_tools(AskingSend(), Echo(lambda *_: parley.send(session, "And hurry", "p1")))
    parley.scripted(calls(MAIL, ECHO), says("Done"))
    parley.send(session)
    parley.drain_queue()
    assert parley.session(session.id).pending_count == 1

    cancel_turn(parley.services, "ada", session.id)

    assert parley.session(session.id).pending_count == 0
    assert load_pending(parley.database, session.id) == []
    check_transcript(parley.transcript(session))


@pytest.mark.parametrize("kind", ["error_before", "error_after", "kill_before", "kill_after"])
def test_an_answer_that_fails_is_given_again(parley: Parley, kind: Any) -> None:
    """A fault at each call of the answer: its client repeats it, and there is one turn and one call."""
    at = 0
    while True:
        parley.wipe()
        parley.clock.advance(1_000)
        paused = Deployment(parley)
        approval_id = paused.asked[0]["approval_id"]
        parley.watch.reset(at, kind)
        for _ in range(2):
            try:
                paused.answering.answer("ada", UserAnswer(approval_id, True))
                break
            except (Killed, ParleyError):
                continue
        struck = len(parley.watch.calls) > at
        parley.watch.reset()
        parley.clock.advance(60)
        parley.sweep()
        paused.over()
        assert paused.send.calls == ["mail"], at
        if not struck:
            break
        at += 1
    assert at >= 6


def test_the_requester_of_an_answer_gets_the_first_part(parley: Parley) -> None:
    """It is registered in the transaction of the answer."""
    paused = Deployment(parley)
    said = [UserAnswer(paused.asked[0]["approval_id"], True)]
    paused.answering.answer_all("ada", paused.session.id, said, Requester("c7", "r7"))
    task = paused.over()
    assert parley.sockets.of("c7", "r7").parts == parley.parts(task.id)
