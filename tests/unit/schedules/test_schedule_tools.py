"""Schedules through chat: what the model is told. The fake clock begins on Sunday 2025-06-15, 15:06:40 UTC."""

from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.permissions import Permissions
from shared.accounts.profile import Profile, Profiles
from shared.agents.library.records import LibraryAgent
from shared.agents.scheduling import AgentRun, ScheduleRequest, When
from shared.agents.tools.delete_schedule import DeleteSchedule, DeleteScheduleInput
from shared.agents.tools.list_schedules import ListSchedules, ListSchedulesInput
from shared.agents.tools.schedule_followup import ScheduleFollowup, ScheduleFollowupInput
from shared.kernel.errors import Invalid, ToolError
from shared.schedules.keeping import UserSchedules
from shared.tools.contract import ToolContext
from tests.support.model import says
from tests.support.runs import GREETER
from tests.support.schedules import Planner, asked


def context(call: str = "c1", user: str = "ada", **more: Any) -> ToolContext:
    return ToolContext(user, "session-1", "task-1", call, **more)


@pytest.fixture
def keeping(planner: Planner) -> UserSchedules:
    """What tools are given."""
    return UserSchedules(planner.parley.services)


def follow_up(keeping: UserSchedules, asked_by: ToolContext | None = None, **fields: Any) -> Any:
    arguments = ScheduleFollowupInput(**{"message": "Any news?", **fields})
    return ScheduleFollowup(keeping).run(asked_by or context(), arguments)


def greet(planner: Planner, keeping: UserSchedules, agent: LibraryAgent, **fields: Any) -> Any:
    when = When(**{"cron": "0 9 * * 1-5", **fields})
    return keeping.create(ScheduleRequest("s1", "ada", "Greet", when, AgentRun(agent, {"City": "Oslo"})))


def test_a_follow_up_is_made_once_for_each_call(planner: Planner, keeping: UserSchedules) -> None:
    """A call that runs again after a kill finds what it has made."""
    first, again = follow_up(keeping, delay_seconds=90), follow_up(keeping, delay_seconds=90)
    assert first.schedule.schedule_id == again.schedule.schedule_id
    assert first.schedule.next_run == "2025-06-15T15:08:10+00:00"
    assert (first.schedule.kind, first.schedule.name, first.schedule.session_id) == ("message", "Any news?", None)
    assert len(keeping.list("ada")) == 1
    assert planner.due() == ["2025-06-15T15:08"]


def test_a_call_that_runs_again_after_the_fire_sends_nothing_more(planner: Planner, keeping: UserSchedules) -> None:
    """What fires once is gone by then; the answer is the one that was lost."""
    parley = planner.parley
    session = parley.new_session()
    parley.scripted(says("It has."), says("Title"))
    first = follow_up(keeping, delay_seconds=60, session_id=session.id)
    planner.minutes(2)
    parley.settle()
    again = follow_up(keeping, delay_seconds=60, session_id=session.id)
    planner.minutes(2)
    parley.settle()
    assert asked(parley, session) == ["Any news?"]
    assert again == first
    assert (planner.due(), keeping.list("ada")) == ([], [])


def test_a_call_that_runs_again_brings_back_nothing_that_its_user_has_deleted(
    planner: Planner, keeping: UserSchedules
) -> None:
    """Gone is gone."""
    made = follow_up(keeping, cron="0 * * * *")
    keeping.delete("ada", made.schedule.schedule_id)
    follow_up(keeping, cron="0 * * * *")
    assert (planner.due(), keeping.list("ada")) == ([], [])


def test_this_chat_is_called_so(planner: Planner, keeping: UserSchedules) -> None:
    """A model isn't told the id of its session."""
    session = planner.parley.new_session("ada").id
    here = replace(context(), session_id=session)
    assert follow_up(keeping, here, delay_seconds=90, session_id="this").schedule.session_id == session


def test_times_are_shown_in_the_users_zone(planner: Planner, keeping: UserSchedules) -> None:
    """The schedule's own is the given one, else the profile's."""
    Profiles(planner.parley.database, planner.parley.clock).save("ada", Profile(timezone="America/New_York"))
    there = follow_up(keeping, cron="0 9 * * *", timezone="Europe/Berlin")
    here = follow_up(keeping, context("c2"), cron="0 9 * * *")
    assert (there.schedule.timezone, there.schedule.next_run) == ("Europe/Berlin", "2025-06-16T03:00:00-04:00")
    assert (here.schedule.timezone, here.schedule.next_run) == ("America/New_York", "2025-06-16T09:00:00-04:00")


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({}, "invalid_times", "exactly one"),
        ({"cron": "0 9 * * *", "delay_seconds": 60}, "invalid_times", "exactly one"),
        ({"delay_seconds": 59}, "invalid_delay", "3600"),
        ({"cron": "0 9 * * 8"}, "invalid_cron", "weekday '8'"),
        ({"cron": "0 9 * * *", "timezone": "Mars/Olympus"}, "invalid_timezone", "Europe/Berlin"),
        ({"cron": "0 9 * * *", "session_id": "nobodys"}, "session_not_found", "no such session"),
        ({"delay_seconds": 60, "message": "  "}, "invalid_message", "characters"),
        ({"delay_seconds": 60, "name": "a\x00b"}, "invalid_name", "one line of 1 to 100 characters, such as"),
    ],
)
def test_what_is_wrong_is_said_with_an_example(
    keeping: UserSchedules, fields: dict[str, Any], code: str, says: str
) -> None:
    """So that the second call is right; nothing is kept."""
    with pytest.raises(ToolError) as refused:
        follow_up(keeping, **fields)
    assert refused.value.code == code
    assert says in refused.value.message
    assert keeping.list("ada") == []


def test_another_users_session_does_not_exist(planner: Planner, keeping: UserSchedules) -> None:
    """Neither for reading nor for sending later."""
    session = planner.parley.new_session("grace")
    with pytest.raises(ToolError) as refused:
        follow_up(keeping, delay_seconds=60, session_id=session.id)
    assert refused.value.code == "session_not_found"


def test_schedules_are_listed_and_deleted_by_their_user_alone(planner: Planner, keeping: UserSchedules) -> None:
    """Somebody else's is not there."""
    agent = planner.agents.agent(GREETER)
    made = greet(planner, keeping, agent)
    follow_up(keeping, delay_seconds=60)
    listing = ListSchedules(keeping)
    assert listing.run(context(), ListSchedulesInput()).count == 2
    (shown,) = listing.run(context(), ListSchedulesInput(library_agent_id=agent.id)).schedules
    assert (shown.schedule_id, shown.graph_id, shown.cron) == (made.id, agent.graph_id, "0 9 * * 1-5")
    assert listing.run(context(user="eve"), ListSchedulesInput()).count == 0
    deleting = DeleteSchedule(keeping)
    with pytest.raises(ToolError, match="no such schedule"):
        deleting.run(context(user="eve"), DeleteScheduleInput(schedule_id=made.id))
    assert deleting.run(context(), DeleteScheduleInput(schedule_id=made.id)).name == "Greet"
    with pytest.raises(ToolError, match="no such schedule"):
        deleting.run(context(), DeleteScheduleInput(schedule_id=made.id))
    assert [schedule.kind for schedule in keeping.list("ada")] == ["message"]


def test_nothing_is_scheduled_or_deleted_in_a_dry_run(planner: Planner, keeping: UserSchedules) -> None:
    """It would really run."""
    rehearsal = context(dry_run=True)
    with pytest.raises(ToolError, match="dry run"):
        follow_up(keeping, rehearsal, delay_seconds=60)
    with pytest.raises(ToolError, match="dry run"):
        DeleteSchedule(keeping).run(rehearsal, DeleteScheduleInput(schedule_id="s1"))


def test_what_is_scheduled_may_do_no_more_than_who_has_asked_for_it(planner: Planner, keeping: UserSchedules) -> None:
    """The permissions of the chat bind the turns of its follow-ups, also in a new session."""
    bound = Permissions.of_lists(["web_fetch"], [], [], tools_exclude=False, blocks_exclude=True)
    follow_up(keeping, context(permissions=bound), delay_seconds=60)
    planner.minutes(2)
    (task_id,) = planner.parley.messages_waiting()
    task = planner.parley.task(task_id)
    allowed = Permissions.from_item(task.permissions)
    assert allowed.allows_tool("web_fetch")
    assert not allowed.allows_tool("run_agent")


def test_a_name_is_one_line(planner: Planner, keeping: UserSchedules) -> None:
    """Of a hundred characters at most."""
    agent = planner.agents.agent(GREETER)
    for name in ("x" * 101, " ", "a\x1bb"):
        request = ScheduleRequest("s1", "ada", name, When(cron="0 9 * * *"), AgentRun(agent, {"City": "Oslo"}))
        with pytest.raises(Invalid) as refused:
            keeping.create(request)
        assert refused.value.code == "invalid_name"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Has it\n  fallen?", "Has it fallen?"),
        ("x" * 61, "x" * 60),
        ("Dinner, \U0001f468\u200d\U0001f469\u200d\U0001f467?", "Dinner, \U0001f468\u200d\U0001f469\u200d\U0001f467?"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("co\u00adoperate", "cooperate"),
        ("\ufeffHello\x00", "Hello"),
        ("\ufeff", "Follow-up"),
        ("\u200d", "Follow-up"),
    ],
    ids=["lines", "long", "family", "persian", "soft", "mark", "nothing", "joiner"],
)
def test_a_follow_up_that_nobody_has_named_is_called_as_its_message_begins(
    planner: Planner, keeping: UserSchedules, message: str, name: str
) -> None:
    """As far as that is to be seen; the message itself is sent as it is."""
    made = follow_up(keeping, delay_seconds=60, message=message, name=" ")
    assert made.schedule.name == name
    assert planner.store.get("ada", made.schedule.schedule_id).message == message


def test_a_name_that_was_given_may_have_whatever_is_no_control_character(keeping: UserSchedules) -> None:
    """As over HTTP: joiners hold words and pictures together."""
    for call, name in enumerate(("\U0001f469\u200d\U0001f692", "\u0645\u06cc\u200c\u062e", "co\u00adop")):
        assert follow_up(keeping, context(f"c{call}"), delay_seconds=60, name=name).schedule.name == name
