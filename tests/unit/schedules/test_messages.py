"""Messages that schedules send. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.agents.tools.agent_means import AgentMeans
from shared.agents.tools.run_agent import RunAgent
from shared.agents.tools.schedule_followup import ScheduleFollowup
from shared.chat.deletion import delete_session
from shared.kernel.errors import Conflict, Retryable
from shared.kernel.settings import ModelPrice
from shared.schedules.keeping import UserSchedules
from shared.schedules.requests import ScheduleChange
from shared.socket.connections import remember_connection
from tests.support.model import calls, says
from tests.support.runs import GREETER
from tests.support.schedules import HOURLY, Planner, asked, told
from tests.unit.chat.test_approvals import Deployment as Paused


def test_who_is_connected_hears_that_a_message_was_sent(planner: Planner) -> None:
    """When its turn begins, once; of a user's own turns nobody is told so."""
    parley = planner.parley
    remember_connection(parley.database, parley.clock, "c1", "ada")
    session = parley.new_session()
    parley.scripted(says("Hello."), says("It has."))
    parley.send(session, "Hi", "own")
    parley.settle()
    assert parley.sockets.frames.get("c1", []) == []
    schedule = planner.message_schedule({"delay_seconds": 60}, session.id)
    planner.minutes(2)
    parley.settle()
    (told,) = parley.sockets.frames["c1"]
    assert (told["type"], told["kind"], told["session_id"]) == ("notify", "turn-started", session.id)
    assert told["schedule_id"] == schedule.id
    assert parley.task(told["task_id"]).schedule_id == schedule.id


def test_a_message_is_sent_to_its_session_and_answered(planner: Planner) -> None:
    """As any message is; the row says which schedule has sent it, and the model is told."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("It has."))
    schedule = planner.message_schedule({"delay_seconds": 60}, session.id)
    planner.minutes(2)
    parley.settle()
    asked, answered = parley.transcript(session)
    assert (asked.role, asked.content, answered.content) == ("user", "Any news?", "It has.")
    assert asked.schedule_id == schedule.id
    assert parley.task(asked.task_id).schedule_id == schedule.id
    assert "schedule 'Ask'" in str(parley.model.requests[0].messages)
    assert planner.store.find("ada", schedule.id) is None


def test_a_message_without_a_session_gets_a_new_one_each_time(planner: Planner) -> None:
    """Of its name."""
    parley = planner.parley
    parley.scripted(says("One"), says("Two"))
    schedule = planner.message_schedule(HOURLY)
    for hour in (16, 17):
        planner.tick_at(f"2025-06-15T{hour}:00:10")
        parley.settle()
    first, second = planner.fires(schedule)
    assert first.session_id != second.session_id
    assert parley.session(first.session_id).title == "Ask"
    assert [fire.result for fire in (first, second)] == ["completed", "completed"]


def test_what_a_turn_of_a_schedule_schedules_has_the_schedules_budget(planner: Planner) -> None:
    """Also what fires long after it; else a bound would hold once."""
    parley, keeping = planner.parley, UserSchedules(planner.parley.services)
    means = AgentMeans(parley.database, parley.clock, planner.agents.runs, keeping)
    parley.with_tools(ScheduleFollowup(keeping), RunAgent(means))
    parley.engine = replace(parley.engine, prices={"scripted": ModelPrice(input=1.0, output=2.0)})
    follow_up = {"message": "And now?", "delay_seconds": 3_600}
    agent_id = planner.agents.agent(GREETER).id
    daily = {"library_agent_id": agent_id, "inputs": {"City": "Oslo"}, "schedule_name": "Daily", "cron": "0 9 * * *"}
    wanted = ("c1", "schedule_followup", json.dumps(follow_up)), ("c2", "run_agent", json.dumps(daily))
    parley.scripted(calls(*wanted), says("Done."))
    first = planner.message_schedule({"delay_seconds": 60}, max_tokens=500_000, max_cost_micros=250_000)
    planner.minutes(2)
    parley.settle()
    made = planner.book.list("ada")
    assert [schedule.kind for schedule in made] == ["message", "agent"]
    assert {(schedule.max_tokens, schedule.max_cost_micros) for schedule in made} == {(500_000, 250_000)}
    assert first.id not in {schedule.id for schedule in made}


def test_a_message_that_comes_while_a_turn_runs_is_sent_when_that_has_ended(planner: Planner) -> None:
    """It has a turn of its own: with the schedule's budget, and its end in the history."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("Yes?"), says("Title"), says("It has."))
    parley.send(session)
    schedule = planner.message_schedule(HOURLY, session.id, max_tokens=1_000)
    planner.tick_at("2025-06-15T16:00:10")
    assert (planner.fires(schedule), parley.session(session.id).pending_count) == ([], 0)
    parley.settle()
    planner.minutes()
    parley.settle()
    (fire,) = planner.fires(schedule)
    task = parley.task(fire.task_id)
    assert (fire.result, task.schedule_id, task.tree_max_tokens) == ("completed", schedule.id, 1_000)
    assert asked(parley, session) == ["Hello", "Any news?"]


def test_a_message_does_not_take_away_what_its_user_is_asked(planner: Planner) -> None:
    """It waits for the answer; or for the end of the time in which one could be given."""
    parley = planner.parley
    paused = Paused(parley)
    schedule = planner.message_schedule(HOURLY, paused.session.id)
    planner.tick_at("2025-06-15T16:00:10")
    with pytest.raises(Conflict) as refused:
        planner.firing.run_now("ada", schedule.id)
    assert (refused.value.code, planner.fires(schedule)) == ("approval_open", [])
    assert [one["status"] for one in paused.asked] == ["open"]
    parley.clock.advance_to(parley.engine.approval_seconds + parley.clock.now())
    planner.tick()
    assert planner.again(schedule).last_task


def test_a_message_is_sent_once_though_the_schedule_was_not_moved_on(planner: Planner) -> None:
    """The fire's message id is claimed in the session."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("It has."))
    planner.message_schedule(HOURLY, session.id)
    parley.clock.advance(3_600)
    row = planner.due_row()
    watch = parley.watch
    watch.reset()
    moves = []

    def meanwhile(name: str, _: int) -> None:
        moves.append(name)
        if moves.count("TransactWriteItems") == 2:
            watch.on_call = None
            raise Retryable("lost")

    watch.on_call = meanwhile
    with pytest.raises(Retryable):
        planner.firing.look_at(row)
    planner.tick()
    parley.settle()
    assert [message.content for message in parley.transcript(session) if message.role == "user"] == ["Any news?"]


def test_a_turn_that_ends_before_its_fire_is_recorded_is_in_the_history_with_its_end(planner: Planner) -> None:
    """The tick was cut off behind the message."""
    parley = planner.parley
    parley.scripted(says("It has."))
    schedule = planner.message_schedule(HOURLY, parley.new_session().id)
    parley.clock.advance(3_600)
    moves = []

    def lost(name: str, _: int) -> None:
        moves.append(name)
        if moves.count("TransactWriteItems") == 2:
            parley.watch.on_call = None
            raise Retryable("lost")

    parley.watch.on_call = lost
    planner.tick()
    parley.settle()
    assert planner.fires(schedule) == []
    planner.tick()
    assert [fire.result for fire in planner.fires(schedule)] == ["completed"]


def test_a_deleted_session_disables_the_schedule(planner: Planner) -> None:
    """There is nobody to hear it."""
    session = planner.parley.new_session()
    schedule = planner.message_schedule(HOURLY, session.id)
    delete_session(planner.parley.services, "ada", session.id)
    planner.tick_at("2025-06-15T16:00:10")
    assert planner.again(schedule).reason == "session_deleted"


def test_two_clicks_on_run_now_are_one_message(planner: Planner) -> None:
    """Also when the second comes while the first is not recorded yet; both are told of the same turn."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("It has."), says("Title"))
    schedule = planner.message_schedule(HOURLY, session.id, overlap="queue")
    first = []

    def other_click() -> None:
        parley.clock.advance(0.02)
        first.append(planner.firing.run_now("ada", schedule.id))

    planner.meanwhile("TransactWriteItems", other_click)
    second = planner.firing.run_now("ada", schedule.id)
    parley.settle()
    assert asked(parley, session) == ["Any news?"]
    assert first[0].task_id == second.task_id
    assert [fire.task_id for fire in planner.fires(schedule)] == [second.task_id]


def test_a_message_that_is_sent_at_once_is_sent_once_though_its_schedule_is_changed_meanwhile(
    planner: Planner,
) -> None:
    """The change comes between the message and its record."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("It has."), says("Title"))
    schedule = planner.message_schedule(HOURLY, session.id, overlap="queue")
    planner.meanwhile(
        "TransactWriteItems",
        lambda: planner.book.change("ada", schedule.id, ScheduleChange(name="Other")),
        nth=2,
    )
    fire = planner.firing.run_now("ada", schedule.id)
    parley.settle()
    assert asked(parley, session) == ["Any news?"]
    assert [one.task_id for one in planner.fires(schedule)] == [fire.task_id]
    assert planner.again(schedule).name == "Other"


def test_a_message_that_is_sent_at_once_is_recorded_though_the_tick_sends_one_meanwhile(planner: Planner) -> None:
    """That one's turn runs when this is recorded: it is no reason to refuse what was sent already."""
    parley = planner.parley
    parley.scripted(says("It has."), says("It has."))
    schedule = planner.message_schedule(HOURLY, overlap="skip")
    parley.clock.advance(3_600)
    row = planner.due_row()
    planner.meanwhile("TransactWriteItems", lambda: planner.firing.look_at(row), nth=2)
    fire = planner.firing.run_now("ada", schedule.id)
    parley.settle()
    by_tick, at_once = planner.fires(schedule)
    assert (told(by_tick.fire), at_once.task_id) == ("2025-06-15T16:00", fire.task_id)
    assert [one.result for one in (by_tick, at_once)] == ["completed", "completed"]
    assert planner.due() == ["2025-06-15T17:00"]


@pytest.mark.parametrize(
    ("meanwhile", "due"),
    [
        (lambda planner: planner.book.pause("ada", "s1"), []),
        (lambda planner: planner.book.change("ada", "s1", ScheduleChange(cron="30 * * * *")), ["2025-06-15T16:30"]),
        (lambda planner: planner.book.change("ada", "s1", ScheduleChange(name="Other")), ["2025-06-15T17:00"]),
    ],
    ids=["paused", "other_times", "other_name"],
)
def test_a_message_that_the_tick_has_sent_is_in_the_history_though_its_schedule_is_changed_meanwhile(
    planner: Planner, meanwhile: Callable[[Planner], object], due: list[str]
) -> None:
    """Also if it doesn't wait for that fire any more."""
    parley = planner.parley
    parley.scripted(says("It has."))
    schedule = planner.message_schedule(HOURLY, id="s1")
    parley.clock.advance(3_600)
    row = planner.due_row()
    planner.meanwhile("TransactWriteItems", lambda: meanwhile(planner), nth=2)
    assert planner.firing.look_at(row)
    parley.settle()
    (fire,) = planner.fires(schedule)
    assert (told(fire.fire), fire.result, planner.due()) == ("2025-06-15T16:00", "completed", due)
    assert planner.again(schedule).last_task == fire.task_id


def test_what_a_message_has_started_is_left_alone_when_its_schedule_is_deleted_meanwhile(planner: Planner) -> None:
    """There is no history any more."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("It has."), says("Title"))
    schedule = planner.message_schedule(HOURLY, session.id)
    parley.clock.advance(3_600)
    row = planner.due_row()
    planner.meanwhile("TransactWriteItems", lambda: planner.book.delete("ada", schedule.id), nth=2)
    assert not planner.firing.look_at(row)
    parley.settle()
    assert asked(parley, session) == ["Any news?"]
    assert planner.fires(schedule) == []


@pytest.mark.parametrize(
    ("overlap", "outcomes", "statuses"),
    [
        ("skip", ["started", "skipped"], ["queued"]),
        ("queue", ["started"], ["queued"]),
        ("cancel", ["started", "started"], ["cancelled", "queued"]),
    ],
)
def test_while_the_turn_before_runs(planner: Planner, overlap: str, outcomes: list[str], statuses: list[str]) -> None:
    """Also in a new session each time: one of the schedule's turns runs at most."""
    schedule = planner.message_schedule(HOURLY, overlap=overlap)
    planner.tick_at("2025-06-15T16:00:10")
    planner.tick_at("2025-06-15T17:00:10")
    fires = planner.fires(schedule)
    assert [fire.outcome for fire in fires] == outcomes
    assert [planner.parley.task(fire.task_id).status for fire in fires if fire.task_id] == statuses


def test_its_users_own_turn_is_not_stopped_for_it(planner: Planner) -> None:
    """`cancel` is for what the schedule has started before; for the user's turn it waits."""
    parley = planner.parley
    session = parley.new_session()
    schedule = planner.message_schedule(HOURLY, session.id, overlap="cancel")
    mine = parley.send(session).task.id
    planner.tick_at("2025-06-15T16:00:10")
    assert parley.task(mine).status == "queued"
    assert planner.fires(schedule) == []
    parley.scripted(says("Yes?"), says("Title"), says("It has."))
    parley.settle()
    planner.minutes()
    assert [fire.outcome for fire in planner.fires(schedule)] == ["started"]


def test_a_day_that_is_used_up_pauses_no_schedule(planner: Planner) -> None:
    """What is refused for an hour is in the history as failed, but doesn't count: tomorrow it goes on."""
    planner.parley.with_limits(user_day_max_tokens=0)
    schedule = planner.message_schedule(HOURLY, max_failures=1)
    planner.tick_at("2025-06-15T16:00:10")
    planner.minutes(61)
    assert [(fire.outcome, fire.reason) for fire in planner.fires(schedule)] == [("failed", "daily_budget")]
    after = planner.again(schedule)
    assert (after.status, after.failures, after.last_error) == ("active", 0, "The budget of today is used up.")


def test_a_day_that_is_used_up_in_mid_turn_pauses_no_schedule_either(planner: Planner) -> None:
    """A success forgets the error."""
    parley = planner.parley
    schedule = planner.message_schedule(HOURLY, max_failures=1)
    parley.with_limits(user_day_max_tokens=300)
    planner.tick_at("2025-06-15T16:00:10")
    parley.settle()
    parley.with_limits()
    after = planner.again(schedule)
    assert [fire.result for fire in planner.fires(schedule)] == ["failed"]
    assert (after.status, after.failures, after.last_error) == ("active", 0, "The budget of today is used up.")
    parley.scripted(says("It has."), says("Title"))
    planner.tick_at("2025-06-15T17:00:10")
    parley.settle()
    assert (planner.fires(schedule)[-1].result, planner.again(schedule).last_error) == ("completed", "")
