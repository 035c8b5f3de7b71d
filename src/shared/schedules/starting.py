"""What a schedule starts: a run in the transaction that records it, or a message that is sent before that.

The ids of both are made from the occasion, so however often this is repeated, one run begins and one message is sent.
What was sent is recorded though the schedule was changed meanwhile.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from shared.agents.library.library import Library
from shared.agents.running import RunRequest, RunView
from shared.aws.writes import Write
from shared.chat.cancel import cancel_turn
from shared.chat.opening import Submission
from shared.chat.sending import Sending
from shared.chat.services import Services
from shared.chat.sessions import create_session_once
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound, Retryable
from shared.schedules.agents import Unfit, agent_of
from shared.schedules.outcomes import settle_fire
from shared.schedules.planning import after_fire, behind
from shared.schedules.records import Fire, Occasion, Schedule, recording
from shared.schedules.showing import local_time
from shared.schedules.store import ScheduleStore
from shared.tasks.store import get_task

_ATTEMPTS = 6


class Changed(Exception):
    """Somebody has changed the schedule meanwhile, or has dealt with it; nothing was recorded."""


class Recorded(Changed):
    """The same was started and recorded already: that is `fire`."""

    def __init__(self, fire: Fire) -> None:
        super().__init__()
        self.fire = fire


class ScheduledRuns(Protocol):
    """Starts and stops runs of agents."""

    def start_with(self, request: RunRequest, writes: Sequence[Write]) -> bool:
        """Begin the run in one transaction with `writes`; False: it has begun before, or one of them was refused.

        Raises:
            LimitReached, NotFound, TooLarge, Retryable: as `agents.running.AgentRuns.start`.
        """

    def stop(self, user_id: str, run_id: str) -> RunView | None:
        """Have it stop; None if there is no such run."""


class Starting:
    """Starts runs and messages for schedules."""

    def __init__(self, services: Services, runs: ScheduledRuns) -> None:
        self._services = services
        self._database = services.database
        self._clock = services.clock
        self._library = Library(services.database, services.clock)
        self._store = ScheduleStore(services.database)
        self._sending = Sending(services)
        self._runs = runs

    def before_runs(self, schedule: Schedule) -> bool:
        """Whether what it has started before has not ended."""
        task = get_task(self._database, schedule.last_task) if schedule.last_task else None
        return task is not None and not task.status.ended

    def stop_before(self, schedule: Schedule) -> None:
        """Stop what it has started before, and nothing else; a turn has ended then, a run has been asked to."""
        if schedule.kind == "agent":
            self._runs.stop(schedule.user_id, schedule.last_task)
            return
        with suppress(NotFound):  # its session was deleted, and that stops it as well
            cancel_turn(self._services, schedule.user_id, schedule.last_session, only_task=schedule.last_task)

    def run_of_click(self, schedule: Schedule, occasion: Occasion) -> Fire | None:
        """The run that another click on the same occasion has started, a moment earlier or later; None if none has."""
        for fire in self._store.fires(schedule.id, self._clock.now()):
            if fire.task_id == schedule.run_of(replace(occasion, fire=fire.fire)):
                return fire
        return None

    def begin(self, schedule: Schedule, after: Schedule, occasion: Occasion) -> Fire:
        """Start it, and record that with the schedule as it is `after`.

        Raises:
            Changed: the schedule is no longer as it was seen.
            Unfit: there is nothing that it could start any more.
            LimitReached, Conflict, TooLarge: not now.
            Retryable: it may or may not have begun.
        """
        begun = self._begin_run if schedule.kind == "agent" else self._send_message
        return begun(schedule, after, occasion)

    def _begin_run(self, schedule: Schedule, after: Schedule, occasion: Occasion) -> Fire:
        agent, inputs = agent_of(self._library, schedule)
        run_id = schedule.run_of(occasion)
        record = replace(Fire.of(schedule, occasion, self._now()), task_id=run_id)
        after = replace(after, graph_id=agent.graph_id, checked_version=agent.version)
        lineage, chat = schedule.lineage, schedule.chat_session_id
        request = RunRequest(run_id, agent, inputs, "schedule", lineage, chat, schedule.id)
        try:
            begun = self._runs.start_with(request, recording(schedule, after_fire(after, record), record))
        except NotFound as error:
            raise Unfit("agent_deleted", "The agent was deleted.") from error
        if not begun:
            raise Changed
        return record

    def _send_message(self, schedule: Schedule, after: Schedule, occasion: Occasion) -> Fire:
        session_id, message_id = schedule.session_of(occasion), schedule.message_of(occasion)
        if not schedule.session_id:
            create_session_once(
                self._database, self._clock, session_id, schedule.user_id, schedule.name, schedule.permissions
            )
        shown = local_time(occasion.fire, schedule.timezone)
        told = f"Sent by the user's schedule {schedule.name!r}, which was due at {shown}."
        submission = Submission(message_id, schedule.message, told, schedule.lineage)
        try:
            accepted = self._sending.submit(schedule.user_id, session_id, submission)
        except NotFound as error:
            raise Unfit("session_deleted", "The session was deleted.") from error
        task_id = accepted.task.id
        if accepted.outcome == "repeated" and (known := self._store.fire_of(schedule.id, task_id, self._clock.now())):
            raise Recorded(known)
        started = replace(Fire.of(schedule, occasion, self._now()), task_id=task_id, session_id=session_id)
        recorded = self._record_sent(schedule, after, occasion, started)
        settle_fire(self._services, task_id)  # it may have ended before this was recorded
        return recorded

    def _record_sent(self, schedule: Schedule, after: Schedule, occasion: Occasion, sent: Fire) -> Fire:
        """What was sent gets into the history, whatever has become of the schedule, unless that is gone."""
        for _ in range(_ATTEMPTS):
            record = replace(sent, place=schedule.fires)
            if self._store.write(recording(schedule, after_fire(after, record), record)):
                return record
            found = self._store.find(schedule.user_id, schedule.id)
            if found is None:
                raise Changed
            if known := self._store.fire_of(schedule.id, sent.task_id, self._clock.now()):
                raise Recorded(known)
            schedule, after = found, behind(found, occasion, self._now())
        raise Retryable("The schedule is being changed by others; try again.", code="schedule_busy")

    def _now(self) -> int:
        return to_millis(self._clock.now())
