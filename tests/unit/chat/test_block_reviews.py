"""Blocks that ask first, in a chat: the user decides, the chat hears of it, and what was approved runs once."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.credits import Credits
from shared.agents.blocks.contract import BlockContext
from shared.agents.reviews.records import EXPIRY_DAYS, Asking
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.aws.database import Database
from shared.chat.deletion import PURGE_AFTER_SECONDS, delete_session
from shared.chat.purge import Purge
from shared.chat.review_news import review_changed
from shared.chat.sessions import Session
from shared.kernel.errors import NotFound, ParleyError, ToolError
from shared.socket.connections import remember_connection
from tests.support.chat_blocks import Paint, PaintInput, PaintOutput, balance, begin, paint, results, run, with_blocks
from tests.support.checks import check_over
from tests.support.faults import FaultKind, Killed
from tests.support.model import calls, says
from tests.support.region import Parley

APPROVED = Verdict("approved")
REJECTED = Verdict("rejected", message="Not my style.")
DAY = 86_400


class Failing(Paint):
    """Fails as a test says."""

    def __init__(self, code: str, *, acts: bool = True) -> None:
        super().__init__(acts=acts)
        self.needs_review = True  # type: ignore[misc]
        self.code = code

    def run(self, context: BlockContext, inputs: PaintInput) -> PaintOutput:
        self.painted.append(inputs.text)
        raise ToolError("It failed.", code=self.code)


class Deadly(Paint):
    """Kills its worker behind the effect."""

    def run(self, context: BlockContext, inputs: PaintInput) -> PaintOutput:
        super().run(context, inputs)
        raise Killed


def reviews_of(parley: Parley) -> Reviews:
    return Reviews(parley.database, parley.clock)


def asked(parley: Parley, block: Paint | None = None, credits: int = 10) -> tuple[Session, str, Paint]:
    """A chat whose `run_block` waits for a review; its turn is over."""
    block = block or Paint(acts=True)
    with_blocks(parley, block)
    Credits(parley.database, parley.clock).grant("ada", credits, "g")
    session, task = begin(parley, paint())
    check_over(parley, session, task.id, "completed")
    (answer,) = results(parley, session)
    assert answer["type"] == "review_required"
    parley.state_changes()
    return session, answer["review_id"], block


def decide(parley: Parley, review_id: str, verdict: Verdict = APPROVED) -> None:
    reviews_of(parley).decide("ada", review_id, verdict)


def go_on(parley: Parley, session: Session, review_id: str, *, times: int = 1, message: str = "m2") -> list[Any]:
    """What `continue_run_block` answers when the model calls it."""
    before = len(results(parley, session))
    wanted = [
        (f"{message}-{number}", "continue_run_block", json.dumps({"review_id": review_id})) for number in range(times)
    ]
    parley.scripted(calls(*wanted), says("Done"))
    parley.send(session, message_id=message)
    parley.drain_queue()
    return results(parley, session)[before:]


def test_the_user_is_asked_before_something_changes(parley: Parley) -> None:
    """Nothing runs, and the answer names the review by ids that look like those of a run."""
    session, review_id, block = asked(parley)
    (answer,) = results(parley, session)
    review = reviews_of(parley).get("ada", review_id)
    assert (answer["block_id"], answer["block_name"]) == (block.id, "Paint")
    assert answer["graph_exec_id"] == f"copilot-session-{session.id}"
    assert review_id.startswith(f"copilot-node-{block.id}:")
    assert answer["input_data"] == review.value == {"text": "river"}
    assert (block.painted, balance(parley)) == ([], 10)


def test_identical_inputs_that_wait_are_asked_about_once(parley: Parley) -> None:
    """Also within one step."""
    block = Paint(acts=True)
    with_blocks(parley, block)
    first, second, other = run(parley, paint(), paint(), paint("lake"))
    assert first["review_id"] == second["review_id"] != other["review_id"]


def test_what_was_approved_runs_once(parley: Parley) -> None:
    """It is paid like any other run; the next call hears that it is used up."""
    session, review_id, block = asked(parley)
    decide(parley, review_id)
    (output,) = go_on(parley, session, review_id)
    assert (output["type"], output["outputs"]) == ("block_output", {"picture": ["RIVER"]})
    (again,) = go_on(parley, session, review_id, message="m3")
    assert (again["code"], block.painted, balance(parley)) == ("review_used", ["river"], 6)


def test_of_two_calls_at_once_one_runs_it(parley: Parley) -> None:
    """In one step, or from two turns."""
    session, review_id, block = asked(parley)
    decide(parley, review_id)
    answers = go_on(parley, session, review_id, times=3)
    assert sorted(answer.get("code", "ran") for answer in answers) == ["ran", "review_used", "review_used"]
    assert block.painted == ["river"]


def test_edited_inputs_are_what_runs(parley: Parley) -> None:
    """Not those that the model had asked for."""
    session, review_id, block = asked(parley)
    decide(parley, review_id, Verdict("approved", data={"text": "sea"}, edited=True))
    (output,) = go_on(parley, session, review_id)
    assert (output["outputs"], block.painted) == ({"picture": ["SEA"]}, ["sea"])


def test_edited_inputs_that_do_not_fit_run_nothing(parley: Parley) -> None:
    """They are validated again before they run; the approval stays."""
    session, review_id, block = asked(parley)
    decide(parley, review_id, Verdict("approved", data={"text": 7}, edited=True))
    for message in ("m2", "m3"):
        (answer,) = go_on(parley, session, review_id, message=message)
        assert (answer["type"], block.painted) == ("input_validation_error", [])


@pytest.mark.parametrize(
    ("verdict", "days", "code"),
    [
        (None, 0, "review_pending"),
        (REJECTED, 0, "review_rejected"),
        (None, EXPIRY_DAYS, "review_expired"),
        (APPROVED, EXPIRY_DAYS, "review_expired"),
    ],
)
def test_what_is_not_approved_is_not_run(parley: Parley, verdict: Verdict | None, days: int, code: str) -> None:
    """And the model is told why."""
    session, review_id, block = asked(parley)
    if verdict:
        decide(parley, review_id, verdict)
    parley.clock.advance_to(parley.clock.now() + days * DAY)
    (answer,) = go_on(parley, session, review_id)
    assert (answer["code"], block.painted) == (code, [])
    assert code != "review_rejected" or "Not my style." in answer["message"]


def test_a_review_that_is_none_of_the_session(parley: Parley) -> None:
    """No id, an unknown one, a run's, another session's, and another user's, which looks like an unknown one."""
    session, review_id, block = asked(parley)
    decide(parley, review_id)
    reviews = reviews_of(parley)
    of_run = reviews.request(Asking("ada", "run", "R1", "n#0", "home", block.id, "Paint", {"text": "x"}))
    of_eve = reviews.request(Asking("eve", "chat", "T9", "c1", session.id, block.id, "Paint", {"text": "x"}))
    decide(parley, of_run.id)
    reviews.decide("eve", of_eve.id, APPROVED)
    ids = ["", "no-such", of_run.id, of_eve.id]
    wanted = ["missing_review_id", *["review_not_found"] * 3]
    answers = [go_on(parley, session, one, message=f"m{n}")[0] for n, one in enumerate(ids, 2)]
    assert [answer["code"] for answer in answers] == wanted
    (other,) = go_on(parley, parley.new_session(), review_id)
    assert (other["code"], block.painted) == ("review_of_other_session", [])


def test_a_run_that_fails_before_it_took_effect_leaves_the_approval(parley: Parley) -> None:
    """Too few credits, or a mistake in what it was to send; and whatever has no effect outside."""
    session, review_id, _ = asked(parley, credits=3)
    decide(parley, review_id)
    (poor,) = go_on(parley, session, review_id)
    assert poor["code"] == "insufficient_credits"
    Credits(parley.database, parley.clock).grant("ada", 10, "h")
    (output,) = go_on(parley, session, review_id, message="m3")
    assert output["type"] == "block_output"


@pytest.mark.parametrize(
    ("code", "acts", "tried"),
    [("url_not_allowed", True, 2), ("webhook_refused", True, 1), ("webhook_refused", False, 2)],
)
def test_only_what_may_have_taken_effect_uses_the_approval_up(
    parley: Parley, code: str, acts: bool, tried: int
) -> None:
    """A receiver that refused has heard it; an address that is not allowed hasn't."""
    block = Failing(code, acts=acts)
    session, review_id, _ = asked(parley, block)
    decide(parley, review_id)
    (first,), (second,) = (go_on(parley, session, review_id, message=message) for message in ("m2", "m3"))
    assert (first["code"], len(block.painted)) == (code, tried)
    assert second["code"] == (code if tried == 2 else "review_used")


def test_a_worker_that_dies_behind_the_effect(parley: Parley) -> None:
    """The call's outcome is unknown, and no other call repeats it."""
    block = Deadly(acts=True)
    session, review_id, _ = asked(parley, block)
    decide(parley, review_id)
    with pytest.raises(Killed):
        go_on(parley, session, review_id)
    parley.clock.advance(60)
    parley.sweep()
    parley.scripted(says("Unknown"))
    parley.drain_queue()
    assert results(parley, session)[-1]["code"] == "outcome_unknown"
    (again,) = go_on(parley, session, review_id, message="m3")
    assert (again["code"], block.painted) == ("review_used", ["river"])


def test_the_idle_session_hears_of_the_verdict(parley: Parley) -> None:
    """Once, by a turn of its own that may do what the first one might, however often the stream tells of it."""
    session, review_id, block = asked(parley)
    decide(parley, review_id)
    parley.scripted(calls(("c9", "continue_run_block", json.dumps({"review_id": review_id}))), says("Painted"))
    parley.settle()
    rows = parley.transcript(session)
    for _ in range(2):
        review_changed(parley.services, review_id)
        parley.drain_queue()

    assert [row.role for row in rows[4:]] == ["system", "assistant", "tool", "assistant"]
    assert review_id in rows[4].content
    assert "approved" in rows[4].content
    assert block.painted == ["river"]
    assert parley.transcript(session) == rows
    check_over(parley, session, rows[-1].task_id, "completed")


def test_two_that_tell_at_once_tell_once(parley: Parley) -> None:
    """The stream may hand a change to two invocations."""
    session, review_id, _ = asked(parley)
    decide(parley, review_id)

    class Between(Database):
        def transact(self, writes: Any) -> None:
            review_changed(parley.services, review_id)
            super().transact(writes)

    slow = Between.__new__(Between)
    vars(slow).update(vars(parley.database))
    review_changed(replace(parley.services, database=slow), review_id)
    assert len(parley.messages_waiting()) == 1
    assert [row.role for row in parley.transcript(session)][4:] == ["system"]
    assert parley.session(session.id).notices == 0


@pytest.mark.parametrize("kind", ["error_after", "kill_after"])
def test_whatever_breaks_while_it_is_told(parley: Parley, kind: FaultKind) -> None:
    """Told again, it is told once: one notice, one turn, one run of the block."""
    for at in range(30):
        parley.wipe()
        session, review_id, block = asked(parley)
        decide(parley, review_id)
        parley.watch.reset(fault_at=at, fault=kind)
        with suppress(Killed, ParleyError):
            review_changed(parley.services, review_id)
        struck = len(parley.watch.calls) > at
        parley.watch.reset()
        call = calls(("c9", "continue_run_block", json.dumps({"review_id": review_id})))
        parley.scripted(call, says("Painted"))
        parley.settle()
        parley.clock.advance(60)
        parley.sweep()
        parley.settle()
        assert [row.role for row in parley.transcript(session)[4:]] == ["system", "assistant", "tool", "assistant"]
        assert block.painted == ["river"]
        if not struck:
            assert at > 5
            return
    raise AssertionError("it never ends")


def test_a_rejection_is_told_without_the_users_words(parley: Parley) -> None:
    """They are material, and a notice is ours."""
    session, review_id, block = asked(parley)
    decide(parley, review_id, REJECTED)
    parley.scripted(says("A pity"))
    parley.settle()
    notice, answer = parley.transcript(session)[4:]
    assert ("rejected" in notice.content, "style" in notice.content, answer.content) == (True, False, "A pity")
    assert block.painted == []


def test_a_turn_that_runs_hears_of_the_verdict(parley: Parley) -> None:
    """At its next step; no other turn starts."""
    session, review_id, _ = asked(parley)
    task = parley.send(session, message_id="m2").task
    decide(parley, review_id)
    parley.state_changes()
    parley.scripted(says("Heard"), says("Again"))
    parley.settle()
    rows = parley.transcript(session)[4:]
    assert sorted(row.role for row in rows if row.role != "assistant") == ["system", "user"]
    assert {row.task_id for row in rows if row.role == "user"} == {task.id}
    assert sum("continue_run_block" in row.content for row in rows) == 1
    assert parley.session(session.id).notices == 0


def test_nobody_is_told_of_what_is_used_or_gone(parley: Parley) -> None:
    """The chat that has run it knows; a deleted one has nobody to tell."""
    session, review_id, _ = asked(parley)
    decide(parley, review_id)
    go_on(parley, session, review_id)
    rows = parley.transcript(session)
    parley.settle()
    assert parley.transcript(session) == rows

    other, late, _ = asked(parley)
    delete_session(parley.services, "ada", other.id)
    decide(parley, late)
    parley.settle()
    assert parley.messages_waiting() == []


def test_a_deleted_session_takes_its_reviews_along(parley: Parley) -> None:
    """All that it has asked; another session's stay."""
    session, review_id, _ = asked(parley)
    decide(parley, review_id, REJECTED)
    _, kept, _ = asked(parley)
    (again,) = go_on(parley, session, review_id)
    assert again["code"] == "review_rejected"
    delete_session(parley.services, "ada", session.id)
    parley.clock.advance(PURGE_AFTER_SECONDS + 1)
    Purge(parley.services, None, "scheduler").run(lambda: True)
    left = [review.id for review in reviews_of(parley).page("ada", None, 10)[0]]
    assert (kept in left, review_id in left) == (True, False)
    with pytest.raises(NotFound):
        reviews_of(parley).get("ada", review_id)


def test_the_user_is_told_that_a_review_waits(parley: Parley) -> None:
    """On their sockets, and nobody else's."""
    for connection, user in (("c1", "ada"), ("c2", "grace")):
        remember_connection(parley.database, parley.clock, connection, user)
    session, review_id, _ = asked(parley)
    frame = {"type": "notify", "requestId": "~sys", "kind": "review-needed", "review_id": review_id}
    told = {name: posted for name, posted in parley.sockets.frames.items() if posted}
    assert told == {"c1": [{**frame, "block_name": "Paint", "session_id": session.id}]}


def test_a_dry_run_asks_nobody(parley: Parley) -> None:
    """It shows what would have come."""
    with_blocks(parley, Paint(acts=True))
    (output,) = run(parley, paint(), dry_run=True)
    assert (output["type"], output["is_dry_run"]) == ("block_output", True)
    assert reviews_of(parley).page("ada", None, 10) == ([], "")
