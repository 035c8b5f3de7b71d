"""How many turns of one user run at once, and what becomes of those that are too many."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.chat.accept import Accepted, Requester
from shared.chat.cancel import cancel_turn
from shared.chat.claim import claim_session
from shared.chat.model import TextDelta
from shared.chat.sessions import Session
from shared.chat.turn.ending import Outcome
from shared.chat.turn.outside import end_from_outside
from shared.kernel.errors import LimitReached, Retryable, Terminal
from shared.tasks.records import Task, TaskStatus
from shared.tasks.store import put_task, request_cancel
from tests.support.checks import check_over, said
from tests.support.faults import Killed
from tests.support.model import fails, says
from tests.support.region import Parley

RUNNING, IN_FLIGHT = 5, 15


@pytest.fixture(autouse=True)
def _limits(parley: Parley) -> None:
    parley.with_turns(RUNNING, IN_FLIGHT)
    parley.scripted(says("Done"))


def send_many(parley: Parley, how_many: int, user: str = "ada") -> list[str]:
    """Turns in as many sessions."""
    return [parley.send(parley.new_session(user)).task.id for _ in range(how_many)]


def session_of(parley: Parley, task_id: str) -> Session:
    task = parley.task(task_id)
    return parley.session(task.session_id, task.user_id)


def stop(parley: Parley, task_id: str) -> str:
    task = parley.task(task_id)
    return cancel_turn(parley.services, task.user_id, task.session_id).reason


def quiet(parley: Parley) -> None:
    """Minutes pass until nothing is left to do."""
    for _ in range(10):
        parley.drain_queue()
        if parley.timers() == 0:
            return
        parley.clock.advance(40)
        parley.sweep()
    raise AssertionError("never quiet")


# -- accepting ---------------------------------------------------------------------------------------


def test_five_run_ten_wait_and_the_next_is_refused(parley: Parley) -> None:
    """Only the five have a queue message; of the sixteenth nothing is kept, and its id can be sent later."""
    tasks = send_many(parley, IN_FLIGHT)
    late = parley.new_session()
    before = parley.timers()
    with pytest.raises(LimitReached) as caught:
        parley.send(late)

    assert (caught.value.code, caught.value.details) == ("too_many_turns", {"limit": IN_FLIGHT})
    assert parley.transcript(late) == []
    assert parley.session(late.id).active_task is None
    assert parley.timers() == before == IN_FLIGHT
    assert parley.pool().running == set(tasks[:RUNNING])
    assert parley.pool().queued == set(tasks[RUNNING:])
    assert {parley.task(task).status.value for task in tasks} == {"queued"}
    assert parley.messages_waiting() == tasks[:RUNNING]

    parley.work(tasks[0])
    assert parley.send(late).outcome == "started"


def test_all_that_was_accepted_is_answered_oldest_first(parley: Parley) -> None:
    """Each end brings the next one, without the sweep; then nothing is counted any more."""
    tasks = send_many(parley, IN_FLIGHT)
    worked: list[str] = []
    while batch := parley.messages_waiting():
        for task in batch:
            worked.append(task)
            parley.work(task)
    assert worked == tasks
    for task in tasks:
        check_over(parley, session_of(parley, task), task, "completed")
    assert (parley.pool().running, parley.pool().queued) == (set(), set())


def test_sends_at_once_never_overshoot(parley: Parley) -> None:
    """Forty at the same time: five slots, ten places, and everybody else is told."""
    sessions = [parley.new_session() for _ in range(40)]

    def send(session: Session) -> Accepted | str:
        try:
            return parley.send(session)
        except LimitReached as error:
            return error.code

    with ThreadPoolExecutor(max_workers=16) as pool:
        answers = list(pool.map(send, sessions))

    accepted = [answer.task for answer in answers if isinstance(answer, Accepted)]
    assert [answer for answer in answers if not isinstance(answer, Accepted)] == ["too_many_turns"] * 25
    assert parley.pool().running == {task.id for task in accepted if not task.awaits_slot}
    assert parley.pool().queued == {task.id for task in accepted if task.awaits_slot}
    assert (len(parley.pool().running), len(parley.pool().queued)) == (RUNNING, 10)
    quiet(parley)
    assert {parley.task(task.id).status.value for task in accepted} == {"completed"}


def test_another_user_is_served_at_once(parley: Parley) -> None:
    """However many one user has sent, at most five of their messages are before somebody else's."""
    send_many(parley, IN_FLIGHT)
    with pytest.raises(LimitReached):
        send_many(parley, 1)
    (grace,) = send_many(parley, 1, "grace")
    waiting = parley.messages_waiting()
    assert waiting.index(grace) == RUNNING
    parley.work(grace)
    check_over(parley, session_of(parley, grace), grace, "completed")


def test_five_hundred_turns_of_one_user_hold_five_workers(parley: Parley) -> None:
    """Also with no limit to the queue, which is then bounded by nobody but the user."""
    parley.with_turns(RUNNING, None)
    send_many(parley, RUNNING)
    slots = parley.services.slots
    for number in range(500 - RUNNING):
        task = Task(f"q{number:03}", "s", "ada", TaskStatus.QUEUED, number, 0)
        parley.database.transact([*slots.enter(slots.ways_in(task)[1]), put_task(task)])
    (grace,) = send_many(parley, 1, "grace")
    waiting = parley.messages_waiting()
    assert (len(waiting), waiting[-1]) == (RUNNING + 1, grace)
    assert len(parley.pool().queued) == 495


def test_a_newcomer_does_not_overtake(parley: Parley) -> None:
    """A slot that was freed by a crash before anybody was promoted goes to the oldest, not to who comes next."""
    tasks = send_many(parley, RUNNING + 2)
    parley.database.transact(parley.services.slots.leave(parley.task(tasks[0])))
    late = parley.send(parley.new_session()).task
    assert parley.pool().running == set(tasks[1 : RUNNING + 1])
    assert parley.pool().queued == {tasks[-1], late.id}
    assert parley.messages_waiting() == tasks[: RUNNING + 1]


def test_zero_blocks_and_no_limit_counts_nothing(parley: Parley) -> None:
    """Either limit alone holds as well."""
    for limits in ((0, 15), (5, 0)):
        parley.with_turns(*limits)
        with pytest.raises(LimitReached):
            send_many(parley, 1)
    parley.with_turns(None, None)
    send_many(parley, 7)
    assert (parley.pool().running, parley.pool().queued) == (set(), set())
    parley.with_turns(None, 3)
    assert not any(parley.task(task).awaits_slot for task in send_many(parley, 3))
    with pytest.raises(LimitReached):
        send_many(parley, 1)


def test_a_limit_that_can_not_be_read_lets_nobody_through(parley: Parley) -> None:
    """503; nothing is kept, and the same message may be sent again."""
    session = parley.new_session()
    parley.watch.reset(fault_at=2)  # session, claim, the transaction that counts
    with pytest.raises(Retryable):
        parley.send(session)
    assert parley.transcript(session) == []
    assert parley.pool().running == set()
    assert parley.send(session).outcome == "started"


def test_a_slot_costs_no_call_of_its_own_to_accept(parley: Parley) -> None:
    """It joins the transaction, and its end one more read tells who waits."""
    parley.with_turns(None, None)
    costs = []
    for limits in ((None, None), (RUNNING, IN_FLIGHT)):
        parley.with_turns(*limits)
        session = parley.new_session()
        parley.watch.reset()
        task = parley.send(session).task
        accepting = len(parley.watch.calls)
        parley.work(task.id)
        costs.append((accepting, len(parley.watch.calls)))
    assert costs[1] == (costs[0][0], costs[0][1] + 1)


# -- while it waits for a slot -----------------------------------------------------------------------


def test_a_queued_turn_is_not_worked_on_before_it_has_a_slot(parley: Parley) -> None:
    """Neither a repeated send nor a stray message starts it."""
    tasks = send_many(parley, RUNNING + 1)
    parley.messages_waiting()
    queued = tasks[-1]
    assert parley.send(session_of(parley, queued)).outcome == "repeated"
    assert parley.messages_waiting() == []
    parley.work(queued)
    assert parley.task(queued).status == "queued"
    assert parley.model.requests == []
    parley.clock.advance(31)
    parley.sweep()
    assert sorted(parley.messages_waiting()) == tasks[:RUNNING]


def test_what_is_said_meanwhile_waits_with_it(parley: Parley) -> None:
    """In the session of a queued turn a further message is pending, as in that of a running one."""
    tasks = send_many(parley, RUNNING + 1)
    session = session_of(parley, tasks[-1])
    assert parley.send(session, "And this", "m2").outcome == "pending"
    quiet(parley)
    assert said(parley.transcript(session)) == [("user", "Hello"), ("user", "And this"), ("assistant", "Done")]


def test_a_queued_turn_is_taken_out_at_once(parley: Parley) -> None:
    """`dequeued`; the slots stay with who has them, and there is room for one more."""
    tasks = send_many(parley, IN_FLIGHT)
    parley.messages_waiting()
    assert stop(parley, tasks[7]) == "dequeued"
    assert parley.messages_waiting() == []
    assert parley.pool().running == set(tasks[:RUNNING])
    assert len(parley.pool().queued) == 9
    assert parley.send(parley.new_session()).task.awaits_slot


def test_its_viewer_sees_it_from_the_start(parley: Parley) -> None:
    """The socket that sent it is told that it begins, and gets everything once it runs."""
    send_many(parley, RUNNING)
    session = parley.new_session()
    task = parley.send(session, requester=Requester("c1", "r1")).task
    assert parley.sockets.of("c1", "r1").frames == []
    quiet(parley)
    received = parley.sockets.of("c1", "r1")
    assert (received.text, received.ends) == ("Done", 1)
    check_over(parley, session, task.id, "completed")


def test_interrupt_takes_the_place_of_what_it_stops(parley: Parley) -> None:
    """With all places taken a user can still change their mind in a session of theirs."""
    tasks = send_many(parley, IN_FLIGHT)
    session = session_of(parley, tasks[0])
    new = parley.send(session, "No, this", "m2", "interrupt").task
    assert parley.task(tasks[0]).status == "cancelled"
    assert parley.pool().running == set(tasks[1 : RUNNING + 1])
    assert new.id in parley.pool().queued


# -- every end frees the slot ------------------------------------------------------------------------


def completes(parley: Parley, task: str) -> None:
    parley.work(task)


def is_refused_by_the_model(parley: Parley, task: str) -> None:
    parley.scripted(fails("model_refused", retryable=False))
    parley.work(task)
    parley.scripted(says("Done"))


def is_stopped_in_mid_text(parley: Parley, task: str) -> None:
    parley.scripted([TextDelta("Part"), 1.5, lambda: stop_soon(parley, task), 4.0, *says("ly")])
    parley.work(task)
    parley.scripted(says("Done"))


def stop_soon(parley: Parley, task: str) -> None:
    request_cancel(parley.database, task)


def is_forced(parley: Parley, task: str) -> None:
    parley.scripted([TextDelta("Part"), 1.5, lambda: stop(parley, task), 3.0, *says("ly")])
    parley.work(task)
    parley.scripted(says("Done"))


def is_dequeued(parley: Parley, task: str) -> None:
    assert stop(parley, task) == "dequeued"


def is_a_dead_letter(parley: Parley, task: str) -> None:
    failed = Outcome.failed(Terminal("The turn could not be processed.", code="not_processable"))
    assert end_from_outside(parley.services, task, failed, "dead-letters")


def loses_every_worker(parley: Parley, task: str) -> None:
    def die() -> None:
        raise Killed

    others = {waiting for waiting in parley.pool().running if waiting != task}
    parley.scripted([TextDelta("x"), 0.5, die])
    while not parley.task(task).status.ended:
        try:
            parley.work(task)
        except Killed:
            parley.clock.advance(31)
            parley.sweep()
    parley.scripted(says("Done"))
    assert others <= parley.pool().running


ENDS: list[Callable[[Parley, str], None]] = [
    completes,
    is_refused_by_the_model,
    is_stopped_in_mid_text,
    is_forced,
    is_dequeued,
    is_a_dead_letter,
    loses_every_worker,
]


@pytest.mark.parametrize("end", ENDS)
def test_every_end_frees_the_slot_for_the_oldest(parley: Parley, end: Callable[[Parley, str], None]) -> None:
    """However a turn ends, the one that has waited longest gets its slot and its message, once."""
    tasks = send_many(parley, RUNNING + 2)
    parley.messages_waiting()
    end(parley, tasks[1])
    assert parley.task(tasks[1]).status.ended
    assert parley.pool().running == {tasks[0], *tasks[2:RUNNING], tasks[RUNNING]}
    assert parley.pool().queued == {tasks[-1]}
    assert parley.messages_waiting().count(tasks[RUNNING]) == 1
    for task in tasks[:RUNNING]:
        parley.work(task)
    quiet(parley)
    assert (parley.pool().running, parley.pool().queued) == (set(), set())
    assert {parley.task(task).status.value for task in tasks if task != tasks[1]} == {"completed"}


def test_the_next_turn_of_a_session_keeps_the_slot(parley: Parley) -> None:
    """What was pending at the end is answered before others get their turn; then the slot is free."""
    session = parley.new_session()
    parley.scripted([TextDelta("One"), 0.5, lambda: parley.send(session, "More", "m2"), *says("!")], says("Two"))
    first = parley.send(session).task.id
    tasks = send_many(parley, RUNNING)
    parley.messages_waiting()
    parley.work(first)
    (second,) = parley.messages_waiting()
    assert parley.task(second).session_id == session.id
    assert parley.pool().running == {first, *tasks[: RUNNING - 1]}
    assert parley.pool().queued == {tasks[-1]}
    parley.work(second)
    assert parley.messages_waiting() == [tasks[-1]]
    assert parley.pool().running == set(tasks)


def test_a_claimed_turn_frees_the_slot_that_it_has(parley: Parley) -> None:
    """A guest's turn is counted for the guest until it ends, whoever owns its session by then."""
    session = parley.new_session("guest:1")
    task = parley.send(session).task.id
    tasks = send_many(parley, RUNNING)
    claim_session(parley.services, session.id, "guest:1", "ada")
    assert parley.pool("user:guest:1").running == {task}
    parley.work(task)
    assert parley.task(task).user_id == "ada"
    assert parley.pool("user:guest:1").running == set()
    assert parley.pool().running == set(tasks)


def test_the_sweep_promotes_what_a_crash_has_missed(parley: Parley) -> None:
    """The worker died between the end of the turn and the promotion."""
    tasks = send_many(parley, RUNNING + 1)
    parley.messages_waiting()
    parley.watch.reset()
    parley.watch.on_call = lambda name, _: die_after_the_end(parley, tasks[0], name)
    with pytest.raises(Killed):
        parley.work(tasks[0])
    parley.watch.on_call = None
    assert parley.pool().queued == {tasks[-1]}
    parley.clock.advance(31)
    parley.sweep()
    assert parley.pool().queued == set()
    assert tasks[-1] in parley.messages_waiting()


def die_after_the_end(parley: Parley, task: str, name: str) -> None:
    if name == "GetItem":
        with parley.watch.paused():
            if parley.task(task).status.ended:
                raise Killed


def test_a_lost_promotion_message_is_sent_again(parley: Parley) -> None:
    """It has its slot; the sweep sends it like any turn that nobody has taken."""
    tasks = send_many(parley, RUNNING + 1)
    parley.work(tasks[0])
    parley.messages_waiting()
    parley.clock.advance(31)
    parley.sweep()
    assert tasks[-1] in parley.messages_waiting()


def test_waiting_for_a_slot_is_no_slow_first_part(parley: Parley) -> None:
    """What users are told of how fast turns are begins when a turn may run."""
    tasks = send_many(parley, RUNNING + 1)
    parley.clock.advance(500)
    for task in tasks[:RUNNING]:
        parley.work(task)
    parley.clock.advance(2)
    parley.messages_waiting()
    assert parley.clock.now() - parley.task(tasks[-1]).ready_at / 1000 == pytest.approx(2, abs=1)
