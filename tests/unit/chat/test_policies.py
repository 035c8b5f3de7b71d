"""What becomes of a message while a turn runs, and of one too many."""

import json
import threading
from collections.abc import Callable

import pytest
from moto import mock_aws

from shared.chat.accept import Accepted, Requester, TurnRunning
from shared.chat.opening import Submission, may_ride
from shared.chat.pending import load_pending
from shared.chat.sending import Sending
from shared.chat.sessions import Session
from shared.kernel.errors import LimitReached, NotFound, Retryable
from shared.tasks.lineage import Lineage
from shared.tasks.records import Task, TaskStatus
from tests.support.model import says
from tests.support.region import Parley, build_parley
from tests.support.time import FakeClock

OLD_AND_NEW = [
    ("user", "Hello", ""),
    ("assistant", "Well, ", "cancelled"),
    ("user", "No, this", ""),
    ("assistant", "Sure", ""),
]


def rows(parley: Parley, session: Session) -> list[tuple[str, str, str]]:
    return [(row.role, row.content, row.status) for row in parley.transcript(session)]


def interrupt(parley: Parley, session: Session, message_id: str = "m2", text: str = "No, this") -> Accepted:
    return parley.send(session, text, message_id, "interrupt")


def send_frame(session: Session, request_id: str, **body: str) -> str:
    message = {"id": f"m-{request_id}", "role": "user", "parts": [{"type": "text", "text": "No, this"}]}
    frame = {"type": "send", "requestId": request_id, "id": session.id, "messages": [message], "body": body}
    return json.dumps(frame)


class Handler:
    """A request that is handled while a worker works: when it waits for time, the worker goes on."""

    def __init__(self, clock: "SharedClock", job: Callable[[], object]) -> None:
        self._clock = clock
        self._thread = threading.Thread(target=job, name="handler")

    def begin(self) -> None:
        """Handle as far as the first wait; called by the worker."""
        self._thread.start()
        assert self._clock.handler_waits.wait(10)

    def end(self) -> None:
        """The worker is done; handle the rest."""
        self._clock.worker_is_done.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


class SharedClock(FakeClock):
    """Turned by the worker; the handler's waits last until the worker is done."""

    def __init__(self) -> None:
        super().__init__()
        self.handler_waits, self.worker_is_done = threading.Event(), threading.Event()

    def sleep(self, seconds: float) -> None:
        if threading.current_thread().name == "handler":
            self.handler_waits.set()
            assert self.worker_is_done.wait(10)
        else:
            super().sleep(seconds)


def when_idle(parley: Parley, session: Session, act: Callable[[], object], times: int) -> None:
    """Right before a call to AWS that finds the session idle, let somebody else act; so many times."""
    left = times

    def watch(name: str, number: int) -> None:
        nonlocal left
        with parley.watch.paused():
            if left and parley.session(session.id).active_task is None:
                left -= 1
                act()

    parley.watch.on_call = watch


def test_interrupt_starts_at_once_where_nothing_runs(parley: Parley) -> None:
    """It is a send like any other."""
    session = parley.new_session()
    assert interrupt(parley, session).outcome == "started"


def test_reject_is_refused_and_keeps_nothing(parley: Parley) -> None:
    """The session is as it was."""
    session = parley.new_session()
    running = parley.send(session).task
    with pytest.raises(TurnRunning) as caught:
        parley.send(session, "More", "m2", "reject")
    assert (caught.value.code, caught.value.task_id) == ("turn_running", running.id)
    assert load_pending(parley.database, session.id) == []


def test_interrupt_takes_the_place_of_a_turn_that_has_not_begun(parley: Parley) -> None:
    """The queued turn ends as cancelled, without an answer; the new one answers."""
    session = parley.new_session()
    queued = parley.send(session).task
    parley.scripted(says("Sure"))

    started = interrupt(parley, session)
    parley.drain_queue()

    assert parley.task(queued.id).status == "cancelled"
    assert started.outcome == "started"
    assert rows(parley, session) == [
        ("user", "Hello", ""), ("assistant", "", "cancelled"), ("user", "No, this", ""), ("assistant", "Sure", ""),
    ]  # fmt: skip


def test_interrupt_stops_a_running_turn_whose_words_stay() -> None:
    """What was said by then is kept, what waited for that turn is discarded, and one new turn runs."""
    with mock_aws():
        clock = SharedClock()
        parley = build_parley(clock)
        session = parley.new_session()
        accepted: list[Accepted] = []
        handler = Handler(clock, lambda: accepted.append(interrupt(parley, session)))
        begun, more, end = says("Well, ", "let me think about that")
        parley.scripted([begun, 3.0, lambda: send_also(parley, session), handler.begin, 60.0, more, end], says("Sure"))
        first = parley.send(session).task

        parley.work(first.id)
        handler.end()
        parley.drain_queue()

        assert parley.task(first.id).status == "cancelled"
        assert "forced" not in str(parley.parts(first.id))
        assert [one.outcome for one in accepted] == ["started"]
        assert rows(parley, session) == OLD_AND_NEW
        assert load_pending(parley.database, session.id) == []
        assert parley.session(session.id).pending_count == 0


def send_also(parley: Parley, session: Session) -> None:
    parley.send(session, "Also", "m1b")


def test_a_turn_that_does_not_obey_is_ended_by_force_and_one_turn_follows(parley: Parley) -> None:
    """Its worker hangs: after 5 s the new message goes ahead, and the old worker has nothing more to say."""
    session = parley.new_session()
    accepted: list[Accepted] = []
    began: list[float] = []

    def hang() -> None:
        """The worker is inside this call, and hears nothing until it returns."""
        began.append(parley.clock.now())
        accepted.append(interrupt(parley, session))
        began.append(parley.clock.now())

    begun, more, end = says("Well, ", "too late")
    parley.scripted([begun, 3.0, hang, more, end], says("Sure"))
    first = parley.send(session).task
    parley.drain_queue()

    assert 5.0 <= began[1] - began[0] < 6.0
    assert parley.task(first.id).status == "cancelled"
    assert "forced" in str(parley.parts(first.id))
    assert len(accepted) == 1
    assert rows(parley, session) == OLD_AND_NEW


def test_an_interrupt_that_is_sent_again_does_not_interrupt_itself(parley: Parley) -> None:
    """It is answered with the turn that it began, running or ended."""
    session = parley.new_session()
    parley.send(session)
    first = interrupt(parley, session)
    again = interrupt(parley, session)
    assert (again.outcome, again.task.id) == ("repeated", first.task.id)
    assert parley.task(first.task.id).status == "queued"


def test_an_interrupt_that_comes_twice_at_once_does_not_interrupt_itself(parley: Parley) -> None:
    """The second of a double click finds, where it wanted to stop the old turn, its own one."""
    session = parley.new_session()
    parley.send(session)
    reads = 0
    quicker: list[Accepted] = []

    def watch(name: str, number: int) -> None:
        nonlocal reads
        reads += name == "GetItem"
        if reads == 3 and not quicker:  # session and claim were read; the stop begins
            with parley.watch.paused():
                quicker.append(interrupt(parley, session))

    parley.watch.on_call = watch
    slower = interrupt(parley, session)
    assert (slower.outcome, slower.task.id) == ("repeated", quicker[0].task.id)
    assert parley.task(slower.task.id).status == "queued"


def test_a_turn_that_slips_in_is_interrupted_too(parley: Parley) -> None:
    """The turn that runs when the stop is done may be another one: the newest message wins."""
    session = parley.new_session()
    first = parley.send(session).task
    slipped: list[Accepted] = []

    when_idle(parley, session, lambda: slipped.append(parley.send(session, "Me first", "m3")), times=1)
    accepted = interrupt(parley, session)
    assert parley.task(first.id).status == "cancelled"
    assert parley.task(slipped[0].task.id).status == "cancelled"
    assert parley.session(session.id).active_task == accepted.task.id


def test_who_never_gets_through_is_told_to_try_again(parley: Parley) -> None:
    """An interrupt ends within its request's time, whatever others do."""
    session = parley.new_session()
    parley.send(session)
    ids = iter(range(100))
    when_idle(parley, session, lambda: parley.send(session, "Me first", f"x{next(ids)}"), times=100)
    with pytest.raises(Retryable) as caught:
        interrupt(parley, session)
    assert caught.value.code == "session_busy"


def test_nobody_interrupts_what_is_not_theirs(parley: Parley) -> None:
    """A foreign session does not exist, and its turn goes on."""
    session = parley.new_session("grace")
    running = parley.send(session).task
    with pytest.raises(NotFound):
        Sending(parley.services).submit("ada", session.id, Submission("m2", "No"), "interrupt")
    assert parley.task(running.id).status == "queued"


def test_interrupt_over_the_socket_shows_the_new_turn(parley: Parley) -> None:
    """The viewer of the old turn gets its end, the sender the new turn from its start."""
    session = parley.new_session()
    parley.scripted(says("Sure"))
    parley.send(session, requester=Requester("old", "r1"))
    parley.frames.handle("new", "ada", send_frame(session, "r2", policy="interrupt"))
    parley.drain_queue()
    assert parley.sockets.of("old", "r1").ends == 1
    new = parley.sockets.of("new", "r2")
    assert (new.frames[0]["type"], new.text, new.ends) == ("start", "Sure", 1)


# -- how many ---------------------------------------------------------------------------------------


def test_so_many_messages_a_minute_and_no_more(parley: Parley) -> None:
    """Over all sessions of a user, whatever the policy; nothing is kept of the one too many."""
    parley.with_sends_per_minute(3)
    sessions = [parley.new_session() for _ in range(4)]
    for session in sessions[:3]:
        parley.send(session)
    with pytest.raises(LimitReached) as caught:
        parley.send(sessions[3])
    assert caught.value.code == "rate_limited"
    assert caught.value.details is not None
    assert 0 < caught.value.details["retry_after_seconds"] <= 60
    assert parley.transcript(sessions[3]) == []
    parley.send(parley.new_session("grace"))
    parley.clock.advance(60)
    assert parley.send(sessions[3]).outcome == "started"


def test_a_message_that_is_sent_again_is_neither_charged_nor_refused(parley: Parley) -> None:
    """Also when nothing is left."""
    parley.with_sends_per_minute(2)
    session = parley.new_session()
    for _ in range(5):
        parley.send(session)
    parley.send(session, "More", "m2")
    assert parley.send(session).outcome == "repeated"
    assert parley.send(session, "More", "m2").outcome == "repeated"
    with pytest.raises(LimitReached):
        parley.send(session, "Too much", "m3")


def test_one_too_many_interrupts_nothing(parley: Parley) -> None:
    """The limit is looked at before anything is stopped."""
    parley.with_sends_per_minute(1)
    session = parley.new_session()
    running = parley.send(session).task
    with pytest.raises(LimitReached):
        interrupt(parley, session)
    assert parley.task(running.id).status == "queued"


def test_an_interrupt_is_one_message(parley: Parley) -> None:
    """However often it has to try."""
    parley.with_sends_per_minute(2)
    session = parley.new_session()
    parley.send(session)
    assert interrupt(parley, session).outcome == "started"


def test_zero_blocks_everybody_and_nothing_blocks_nobody(parley: Parley) -> None:
    """0 is a limit; no setting is none."""
    parley.with_sends_per_minute(0)
    with pytest.raises(LimitReached):
        parley.send(parley.new_session())
    parley.with_sends_per_minute(None)
    for _ in range(40):
        parley.send(parley.new_session())


def test_ownership_comes_before_the_limit(parley: Parley) -> None:
    """Who asks for what is not theirs learns nothing, and has used up nothing."""
    parley.with_sends_per_minute(1)
    foreign, own = parley.new_session("grace"), parley.new_session()
    for _ in range(3):
        with pytest.raises(NotFound):
            Sending(parley.services).submit("ada", foreign.id, Submission("m1", "Hi"))
    assert parley.send(own).outcome == "started"


def test_a_limit_that_can_not_be_read_lets_nobody_through(parley: Parley) -> None:
    """503; the same message may be sent again."""
    parley.with_sends_per_minute(30)
    session = parley.new_session()
    parley.watch.reset(fault_at=2)  # session, claim, window
    with pytest.raises(Retryable):
        parley.send(session)
    assert parley.transcript(session) == []
    assert parley.send(session).outcome == "started"


def test_over_the_socket_one_too_many_is_a_typed_error(parley: Parley) -> None:
    """With when to try again; the socket stays open."""
    parley.with_sends_per_minute(1)
    session = parley.new_session()
    parley.send(session)
    parley.frames.handle("c1", "ada", send_frame(session, "r2"))
    (frame,) = parley.sockets.of("c1", "r2").frames
    assert (frame["type"], frame["code"]) == ("error", "rate_limited")
    assert 0 < frame["details"]["retry_after_seconds"] <= 60


def test_over_the_socket_one_turn_too_many_is_a_typed_error_as_well(parley: Parley) -> None:
    """And the socket stays open."""
    parley.with_turns(1, 1)
    parley.send(parley.new_session())
    parley.frames.handle("c1", "ada", send_frame(parley.new_session(), "r2"))
    (frame,) = parley.sockets.of("c1", "r2").frames
    assert (frame["type"], frame["code"], frame["details"]) == ("error", "too_many_turns", {"limit": 1})


def test_a_window_costs_one_write(parley: Parley) -> None:
    """And nothing where there is no limit."""
    session, limited = parley.new_session(), parley.new_session()
    parley.watch.reset()
    parley.send(session)
    free = len(parley.watch.calls)
    parley.with_sends_per_minute(30)
    parley.watch.reset()
    parley.send(limited)
    assert len(parley.watch.calls) == free + 1


@pytest.mark.parametrize(
    ("lineage", "rides"),
    [
        (Lineage("root", "root", 1), True),
        (Lineage("root", "root", 1, tree_max_tokens=1_000), False),
        (Lineage("root", "root", 1, tree_max_micros=1_000), False),
        (Lineage("other", "tree", 1, tree_max_tokens=1_000), True),
        (Lineage(schedule_id="s1"), False),
    ],
)
def test_what_has_a_budget_of_its_own_is_heard_by_no_turn_outside_of_it(lineage: Lineage, rides: bool) -> None:
    """Else it would spend what nobody counts; and the end of what a schedule sends is its turn's."""
    running = Task("t1", "session", "ada", TaskStatus.RUNNING, 0, 0, root="tree")
    assert may_ride(lineage, running) is rides
