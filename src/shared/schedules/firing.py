"""One schedule that is due: what it starts, and what is recorded of it, in one transaction.

| what is found                             | then                                                            |
|-------------------------------------------|-----------------------------------------------------------------|
| it was changed, or is gone                | forget the row                                                  |
| its device is away                        | it waits for that, without a row                                |
| its fire was missed, and is not made up for | record that, and the next fire                                |
| the run before still runs                 | record that it was left out, look again in a minute, or stop it |
| its user has too much at work             | look again in a minute; after an hour record that it failed     |
| its agent, or its session, is gone        | it fires no more, and says why                                  |
| else                                      | start it, with the next fire and the record, or nothing of all  |

A run begins in the transaction that moves the schedule on. A message is sent as any message is, before that: its id
is made from the fire's, so it is sent once, however often this is repeated.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from shared.agents.library.library import Library
from shared.agents.running import RunRequest, RunView
from shared.aws.writes import Delete, Put, Write
from shared.chat.opening import Submission
from shared.chat.sending import Sending
from shared.chat.services import Services
from shared.chat.sessions import create_session_once
from shared.kernel.clock import to_millis
from shared.kernel.errors import Conflict, LimitReached, NotFound, Retryable, TooLarge
from shared.kernel.telemetry import count, log_event, measure_seconds
from shared.schedules.agents import Unfit, agent_of
from shared.schedules.outcomes import settle_fire, tell_stopped
from shared.schedules.planning import GIVE_UP_AFTER_MILLIS, later, next_step, past, refused
from shared.schedules.records import ANY_DEVICE, DueRow, Fire, Outcome, Schedule, changing, due_key, removing
from shared.schedules.showing import local_time
from shared.schedules.store import ScheduleStore
from shared.tasks.lineage import Lineage
from shared.tasks.store import get_task

_ATTEMPTS = 4
_MOST_ERROR = 500
Presence = Callable[[str, str], bool]
"""Whether the user has that device, or any, connected now."""


class ScheduledRuns(Protocol):
    """Starts and stops runs of agents."""

    def start_with(self, request: RunRequest, writes: Sequence[Write]) -> bool:
        """Begin the run in one transaction with `writes`; False: it has begun before, or one of them was refused.

        Raises:
            LimitReached, NotFound, TooLarge, Retryable: as `agents.running.AgentRuns.start`.
        """

    def stop(self, user_id: str, run_id: str) -> RunView | None:
        """Have it stop; None if there is no such run."""


def nobody_is_there(_user_id: str, _device: str) -> bool:
    """The presence of devices where there are none."""
    return False


class Firing:
    """Deals with schedules that are due."""

    def __init__(self, services: Services, runs: ScheduledRuns, is_there: Presence = nobody_is_there) -> None:
        self._services = services
        self._database = services.database
        self._clock = services.clock
        self._store = ScheduleStore(services.database)
        self._library = Library(services.database, services.clock)
        self._sending = Sending(services)
        self._runs = runs
        self._is_there = is_there

    # -- the tick ------------------------------------------------------------------------------

    def look_at(self, row: DueRow) -> bool:
        """Deal with what a row names; whether it has started something.

        Raises:
            Retryable: it may or may not have; look again.
        """
        schedule = self._store.find(row.user_id, row.schedule_id)
        if schedule is None or schedule.due != row.due:
            self._database.write(Delete(due_key(row.schedule_id, row.due)))
            return False
        if schedule.device and not self._is_there(schedule.user_id, schedule.device):
            self._store.write(changing(schedule, replace(schedule, due=0)))
            return False
        return self._deal_with(schedule) is not None

    def _deal_with(self, schedule: Schedule) -> Fire | None:
        """What was started, if anything was."""
        now = self._now()
        try:
            after = past(schedule, now)
        except ValueError as error:
            self._disable(schedule, "invalid_times", str(error))
            return None
        step = next_step(schedule, now, before_runs=self._before_runs(schedule))
        if step == "wait":
            self._store.write(changing(schedule, later(schedule, now)))
            return None
        if step in {"miss", "skip"}:
            outcome: Outcome = "missed" if step == "miss" else "skipped"
            self._leave_out(schedule, after, outcome, "tick_was_late" if step == "miss" else "still_running")
            return None
        return self._start(schedule, after, schedule.next_fire)

    def _before_runs(self, schedule: Schedule) -> bool:
        task = get_task(self._database, schedule.last_task) if schedule.last_task else None
        return task is not None and not task.status.ended

    # -- on demand -----------------------------------------------------------------------------

    def run_now(self, user_id: str, schedule_id: str) -> Fire:
        """Start it at once, also one that is paused; its next fire stays.

        Raises:
            NotFound: there is none, or it is somebody else's.
            Conflict: what it has started before still runs, or its agent or session is gone.
            LimitReached: its user has too much at work.
            Retryable: others change it all the time.
        """
        for _ in range(_ATTEMPTS):
            schedule = self._store.get(user_id, schedule_id)
            if schedule.overlap == "skip" and self._before_runs(schedule):
                raise Conflict("What it has started before still runs.", code="schedule_running")
            try:
                fire = self._begin(schedule, schedule, self._now(), mark=f"now-{schedule.revision}")
            except Unfit as error:
                raise Conflict(str(error), code=error.reason) from error
            if fire:
                return fire
        raise Retryable("The schedule is being changed by others; try again.", code="schedule_busy")

    def device_returned(self, user_id: str, device_id: str) -> list[Fire]:
        """A device has connected: start what waits for it, or for any, and is overdue or has never run."""
        started = []
        for schedule in self._store.all(user_id):
            if schedule.status != "active" or schedule.device not in {device_id, ANY_DEVICE}:
                continue
            if schedule.next_fire and schedule.next_fire + schedule.offset <= self._now():
                fire = self._deal_with(schedule)
            elif schedule.recurs and not schedule.last_fire:
                fire = self._start(schedule, schedule, schedule.created_at, mark="first")
            else:
                continue
            started += [fire] if fire else []
        return started

    # -- starting ------------------------------------------------------------------------------

    def _start(self, schedule: Schedule, after: Schedule, fire: int, mark: str = "") -> Fire | None:
        try:
            return self._begin(schedule, after, fire, mark)
        except Unfit as error:
            self._disable(schedule, error.reason, str(error))
        except (LimitReached, Conflict, TooLarge) as error:
            now = self._now()
            if mark:  # no fire is due: it is tried again when its device returns
                return None
            if now - (schedule.waits_since or now) < GIVE_UP_AFTER_MILLIS:
                self._store.write(changing(schedule, refused(schedule, now)))
            else:
                self._fail(schedule, after, error.code, error.message)
        return None

    def _begin(self, schedule: Schedule, after: Schedule, fire: int, mark: str = "") -> Fire | None:
        """What was started; None: somebody has changed the schedule, or has started it already."""
        begun = self._begin_run if schedule.kind == "agent" else self._send_message
        started = begun(schedule, after, fire, mark)
        if started:
            waited = mark or schedule.device  # nobody was late
            lag = 0 if waited else (started.at - fire - schedule.offset) / 1000
            log_event(
                "schedule.fired",
                schedule_id=schedule.id,
                user_id=schedule.user_id,
                task_id=started.task_id,
                session_id=started.session_id,
                seconds=round(lag, 3),
            )
            count("ScheduleFired")
            measure_seconds("ScheduleLag", lag)
        return started

    def _begin_run(self, schedule: Schedule, after: Schedule, fire: int, mark: str) -> Fire | None:
        agent, inputs = agent_of(self._library, schedule)
        run_id = schedule.run_of(fire, mark)
        record = self._record(schedule, fire, "started", task_id=run_id)
        after = replace(after, graph_id=agent.graph_id, checked_version=agent.version)
        if schedule.overlap == "cancel" and self._before_runs(schedule):
            self._runs.stop(schedule.user_id, schedule.last_task)
        request = RunRequest(
            run_id,
            agent,
            inputs,
            "schedule",
            Lineage(
                permissions=schedule.permissions,
                tree_max_tokens=schedule.max_tokens,
                tree_max_micros=schedule.max_cost_micros,
                schedule_id=schedule.id,
            ),
            schedule.chat_session_id,
            schedule.id,
        )
        try:
            begun = self._runs.start_with(request, self._moving(schedule, after, record))
        except NotFound as error:
            raise Unfit("agent_deleted", "The agent was deleted.") from error
        return record if begun else None

    def _send_message(self, schedule: Schedule, after: Schedule, fire: int, mark: str) -> Fire | None:
        session_id = schedule.session_of(fire, mark)
        if not schedule.session_id:
            create_session_once(
                self._database, self._clock, session_id, schedule.user_id, schedule.name, schedule.permissions
            )
        shown = local_time(fire, schedule.timezone)
        submission = Submission(
            schedule.message_of(fire, mark),
            schedule.message,
            f"Sent by the user's schedule {schedule.name!r}, which was due at {shown}.",
            Lineage(
                permissions=schedule.permissions,
                tree_max_tokens=schedule.max_tokens,
                tree_max_micros=schedule.max_cost_micros,
                schedule_id=schedule.id,
            ),
        )
        policy: Literal["interrupt", "enqueue"] = "interrupt" if schedule.overlap == "cancel" else "enqueue"
        try:
            accepted = self._sending.submit(schedule.user_id, session_id, submission, policy)
        except NotFound as error:
            raise Unfit("session_deleted", "The session was deleted.") from error
        record = self._record(schedule, fire, "started", task_id=accepted.task.id, session_id=session_id)
        if not self._store.write(self._moving(schedule, after, record)):
            return None
        settle_fire(self._services, accepted.task.id)  # it may have ended before this was recorded
        return record

    # -- recording -----------------------------------------------------------------------------

    def _record(
        self, schedule: Schedule, fire: int, outcome: Outcome, reason: str = "", task_id: str = "", session_id: str = ""
    ) -> Fire:
        return Fire(schedule.id, schedule.fires, fire, self._now(), outcome, reason, task_id, session_id)

    def _moving(self, schedule: Schedule, after: Schedule, record: Fire) -> list[Write]:
        """The writes behind a fire: its record, and the schedule as it is then. One that has fired once goes."""
        put = Put(record.to_item())
        if record.outcome == "started":
            after = replace(
                after,
                last_fire=record.fire,
                last_task=record.task_id,
                last_counted=False,
                last_session=record.session_id,
            )
            if not after.recurs and not after.next_fire and after.status == "active":
                return [*removing(schedule), put]
        after = replace(after, fires=schedule.fires + 1)
        if after.status == "active" and not after.next_fire:
            after = after.stopped("disabled", record.reason or "ended")
        return [*changing(schedule, after), put]

    def _leave_out(self, schedule: Schedule, after: Schedule, outcome: Outcome, reason: str) -> None:
        record = self._record(schedule, schedule.next_fire, outcome, reason)
        if self._store.write(self._moving(schedule, after, record)):
            log_event("schedule.left_out", schedule_id=schedule.id, user_id=schedule.user_id, reason=reason)

    def _fail(self, schedule: Schedule, after: Schedule, code: str, message: str) -> None:
        record = self._record(schedule, schedule.next_fire, "failed", code)
        failures = schedule.failures + 1
        after = replace(after, failures=failures, last_error=message[:_MOST_ERROR])
        if not after.recurs:
            after = after.stopped("disabled", code)
        elif 0 < after.max_failures <= failures:
            after = after.stopped("paused", "failures")
        if self._store.write(self._moving(schedule, after, record)):
            log_event("schedule.failed", schedule_id=schedule.id, user_id=schedule.user_id, code=code)
            count("ScheduleFailed")
            if after.status != "active":
                tell_stopped(self._services, after)

    def _disable(self, schedule: Schedule, reason: str, message: str) -> None:
        after = replace(schedule.stopped("disabled", reason), last_error=message[:_MOST_ERROR])
        record = self._record(schedule, schedule.next_fire, "failed", reason)
        if self._store.write(self._moving(schedule, after, record)):
            log_event("schedule.disabled", schedule_id=schedule.id, user_id=schedule.user_id, reason=reason)
            count("ScheduleFailed")
            tell_stopped(self._services, after)

    def _now(self) -> int:
        return to_millis(self._clock.now())
