"""What the user says while a turn runs."""

from shared.chat.pending import load_pending
from shared.tasks.store import request_cancel
from tests.support.checks import check_over, kinds, said
from tests.support.model import calls, fails, says
from tests.support.region import Parley
from tests.support.tools import Echo


def test_it_is_heard_at_the_next_step_after_the_results(parley: Parley) -> None:
    """A message sent during a tool call becomes a row behind the result, a part between the steps, and is answered."""
    session = parley.new_session()

    def meanwhile(*_: object) -> None:
        parley.send(session, "Also this", "m2")
        parley.clock.advance(3)

    parley.with_tools(Echo(meanwhile))
    parley.scripted(calls(("c1", "echo", '{"text":"x"}')), [3.0, *says("Both done")])
    task = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")
    assert [role for role, _ in said(parley.transcript(session))] == ["user", "assistant", "tool", "user", "assistant"]
    assert parley.model.requests[1].messages[-1] == {"role": "user", "content": "Also this"}


def test_what_the_model_had_not_seen_starts_the_next_turn(parley: Parley) -> None:
    """Sent during the last answer: the transaction that ends the turn starts the next, with rows in order."""
    session = parley.new_session()
    parley.scripted(
        [lambda: (parley.send(session, "p1", "p1"), parley.send(session, "p2", "p2")), *says("One")],
        says("Two"),
    )
    first = parley.send(session).task
    parley.work(first.id)

    state = parley.session(session.id)
    assert state.active_task not in {None, first.id}
    assert state.pending_count == 0
    assert said(parley.transcript(session)) == [
        ("user", "Hello"), ("assistant", "One"), ("user", "p1"), ("user", "p2"),
    ]  # fmt: skip
    parley.drain_queue()
    check_over(parley, session, first.id, "completed")
    check_over(parley, session, state.active_task or "", "completed")
    assert said(parley.transcript(session))[-1] == ("assistant", "Two")


def test_the_next_turn_starts_also_when_its_message_is_lost(parley: Parley) -> None:
    """Stored is accepted: the timer of the next turn sends it again."""
    session = parley.new_session()
    parley.scripted([lambda: parley.send(session, "p1", "p1"), *says("One")], says("Two"))
    first = parley.send(session).task
    parley.work(first.id)
    parley.messages_waiting()
    parley.clock.advance(31)
    parley.sweep()
    parley.drain_queue()
    assert said(parley.transcript(session))[-1] == ("assistant", "Two")


def test_a_stop_discards_what_waits(parley: Parley) -> None:
    """Whoever stops does not want the rest either; the session is idle afterwards."""
    session = parley.new_session()

    def stop() -> None:
        parley.send(session, "p1", "p1")
        request_cancel(parley.database, task.id)

    parley.scripted([stop, 9.0, *says("Never")])
    task = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, task.id, "cancelled")
    assert load_pending(parley.database, session.id) == []
    assert parley.session(session.id).pending_count == 0
    assert parley.session(session.id).active_task is None


def test_a_failed_turn_leaves_what_waits_to_the_next(parley: Parley) -> None:
    """Nothing the user said is lost by our failure; the next turn sees it."""
    session = parley.new_session()
    parley.scripted([lambda: parley.send(session, "p1", "p1"), *fails("model_refused", retryable=False)])
    failed = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, failed.id, "failed")
    assert parley.session(session.id).pending_count == 1

    parley.scripted(says("Here"))
    following = parley.send(session, "Still there?", "m2").task
    parley.drain_queue()
    check_over(parley, session, following.id, "completed")
    asked = [message["content"] for message in parley.model.requests[0].messages if message["role"] == "user"]
    assert sorted(asked) == ["Hello", "Still there?", "p1"]
    assert parley.session(session.id).pending_count == 0


def test_ten_messages_of_full_length_fit_into_one_step(parley: Parley) -> None:
    """The largest that ten sends may hold together."""
    session = parley.new_session()
    full = "🙂" * 64_000

    def ten() -> None:
        for n in range(10):
            parley.send(session, full, f"p{n}")

    parley.scripted([ten, *says("One")], says("Two"))
    first = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, first.id, "completed")
    assert len(parley.transcript(session)) == 13


def test_a_message_at_the_instant_of_a_continuation_is_not_lost(parley: Parley) -> None:
    """News that arrive between looking and leaving make the owner look again before it hands on."""
    session = parley.new_session()

    def slow(*_: object) -> None:
        parley.clock.advance(200)
        parley.send(session, "p1", "p1")

    parley.with_tools(Echo(slow))
    parley.scripted(calls(("c1", "echo", '{"text":"x"}')), says("Both"))
    task = parley.send(session).task
    parley.messages_waiting()
    parley.work(task.id, seconds=800)

    assert parley.task(task.id).status == "running"
    assert parley.messages_waiting() == [task.id]
    parley.work(task.id)
    check_over(parley, session, task.id, "completed")
    assert "data-pending-drained" in kinds(parley.parts(task.id))
    assert said(parley.transcript(session))[-2:] == [("user", "p1"), ("assistant", "Both")]


def test_stopping_and_sending_again_starts_at_once(parley: Parley) -> None:
    """The next send is a turn of its own, in a session that is free."""
    session = parley.new_session()
    parley.scripted([lambda: request_cancel(parley.database, task.id), 5.0, *says("Never")])
    task = parley.send(session).task
    parley.drain_queue()
    parley.scripted(says("Yes"))
    again = parley.send(session, "Again", "m2")
    assert again.outcome == "started"
    parley.drain_queue()
    check_over(parley, session, again.task.id, "completed")
