"""One schedule that is due: what it starts, and what is recorded of it, in one transaction.

| what is found                               | then                                                            |
|---------------------------------------------|-----------------------------------------------------------------|
| it was changed, or is gone                  | forget the row                                                  |
| its device is away                          | it waits for that, without a row                                |
| its fire was missed, and is not made up for | record that, and the next fire                                  |
| what it has started before still runs       | record that it was left out, look again in a minute, or stop it |
| its user has too much at work, or the       | look again in a minute; after an hour record that it failed     |
| message's session is busy                   |                                                                 |
| its agent, or its session, is gone          | it fires no more, and says why                                  |
| else                                        | start it, with the next fire and the record, or nothing of all  |

A run begins in the transaction that moves the schedule on. A message is sent as any message is, before that: its id
is made from the fire's, so it is sent once, however often this is repeated. See `starting`.
"""

from collections.abc import Callable
from dataclasses import replace

from shared.chat.services import Services
from shared.kernel.clock import to_millis
from shared.kernel.errors import Conflict, LimitReached, Retryable, TooLarge
from shared.kernel.telemetry import count, log_event, log_failure, measure_seconds
from shared.schedules.agents import Unfit
from shared.schedules.planning import (
    GIVE_UP_AFTER_MILLIS,
    after_failure,
    after_fire,
    later,
    next_step,
    past,
    refused,
    step_now,
)
from shared.schedules.records import (
    ANY_DEVICE,
    MOST_ERROR_CHARACTERS,
    DueRow,
    Fire,
    Occasion,
    Outcome,
    Schedule,
    changing,
    recording,
)
from shared.schedules.starting import Changed, Recorded, ScheduledRuns, Starting
from shared.schedules.store import ScheduleStore

_ATTEMPTS = 4
Presence = Callable[[str, str], bool]
"""Whether the user has that device, or any, connected now."""


def nobody_is_there(_user_id: str, _device: str) -> bool:
    """The presence of devices where there are none."""
    return False


class Firing:
    """Deals with schedules that are due."""

    def __init__(self, services: Services, runs: ScheduledRuns, is_there: Presence = nobody_is_there) -> None:
        self._clock = services.clock
        self._store = ScheduleStore(services.database)
        self._starting = Starting(services, runs)
        self._is_there = is_there

    # -- the tick ------------------------------------------------------------------------------

    def look_at(self, row: DueRow) -> bool:
        """Deal with what a row names; whether it has started something.

        Raises:
            Retryable: it may or may not have; look again.
        """
        schedule = self._store.find(row.user_id, row.schedule_id)
        if schedule is None or schedule.due != row.due:
            self._store.forget(row)
            return False
        try:
            if schedule.device and not self._is_there(schedule.user_id, schedule.device):
                return self._leave_to_device(schedule)
            return self._deal_with(schedule) is not None
        except Changed:
            return False

    def _leave_to_device(self, schedule: Schedule) -> bool:
        """It waits without a row; a device that has come a moment ago may not have found it waiting."""
        self._change(schedule, replace(schedule, due=0))
        if not self._is_there(schedule.user_id, schedule.device):
            return False
        return self._catch_up(self._store.find(schedule.user_id, schedule.id), schedule.device) is not None

    def _deal_with(self, schedule: Schedule) -> Fire | None:
        """What was started, if anything was.

        Raises:
            Changed: nothing was done.
        """
        now, due = self._now(), Occasion.due(schedule)
        try:
            after = past(schedule, now)
        except ValueError as error:
            self._disable(schedule, due, "invalid_times", str(error))
            return None
        step = next_step(schedule, now, before_runs=self._starting.before_runs(schedule))
        if step == "wait":
            self._change(schedule, later(schedule, now))
            return None
        if step == "miss":
            self._leave_out(schedule, after, "missed", "tick_was_late" if schedule.due else "device_was_away")
            return None
        if step == "skip":
            self._leave_out(schedule, after, "skipped", "still_running")
            return None
        if step == "stop_first":
            self._starting.stop_before(schedule)
        return self._start(schedule, after, due)

    # -- on demand -----------------------------------------------------------------------------

    def run_now(self, user_id: str, schedule_id: str) -> Fire:
        """Start it at once, also one that is paused; its next fire stays. Two clicks at once are one.

        Raises:
            NotFound: there is none, or it is somebody else's.
            Conflict: what it has started before still runs, or its agent or session is gone.
            LimitReached: its user has too much at work.
            Retryable: others change it all the time.
        """
        schedule = self._store.get(user_id, schedule_id)
        occasion = Occasion.now(schedule, self._now())
        for _ in range(_ATTEMPTS):
            step = step_now(schedule, before_runs=self._starting.before_runs(schedule))
            if step == "skip":
                raise Conflict("What it has started before still runs.", code="schedule_running")
            if step == "stop_first":
                self._starting.stop_before(schedule)
            try:
                return self._begin(schedule, schedule, occasion)
            except Unfit as error:
                raise Conflict(str(error), code=error.reason) from error
            except Recorded as known:
                return known.fire
            except Changed:
                schedule = self._store.get(user_id, schedule_id)
                if run := self._starting.run_of_click(schedule, occasion):
                    return run
        raise Retryable("The schedule is being changed by others; try again.", code="schedule_busy")

    def device_returned(self, user_id: str, device_id: str) -> list[Fire]:
        """A device has connected: start what waits for it, or for any, and is overdue or has never run.

        Raises:
            Retryable: some may not have been started; call it again.
        """
        started, failed = [], False
        for schedule in self._store.all(user_id):
            try:
                fire = self._catch_up(schedule, device_id)
                started += [fire] if fire else []
            except Exception as error:  # noqa: BLE001 - one schedule's trouble must not keep the others
                log_failure("schedule.failed", error, schedule_id=schedule.id, user_id=user_id)
                count("WorkFailed")
                failed = True
        if failed:
            raise Retryable("Not all that waits for this device was started.", code="schedule_busy")
        return started

    def _catch_up(self, schedule: Schedule | None, device_id: str) -> Fire | None:
        for _ in range(_ATTEMPTS):
            if schedule is None or schedule.status != "active" or schedule.device not in {device_id, ANY_DEVICE}:
                return None
            try:
                if schedule.next_fire and schedule.next_fire + schedule.offset <= self._now():
                    return self._deal_with(schedule)
                if schedule.recurs and not schedule.last_fire:
                    return self._start(schedule, schedule, Occasion.first(schedule))
                return None
            except Changed:
                schedule = self._store.find(schedule.user_id, schedule.id)
        raise Retryable("The schedule is being changed by others; try again.", code="schedule_busy")

    # -- starting ------------------------------------------------------------------------------

    def _start(self, schedule: Schedule, after: Schedule, occasion: Occasion) -> Fire | None:
        try:
            return self._begin(schedule, after, occasion)
        except Unfit as error:
            self._disable(schedule, occasion, error.reason, str(error))
        except (LimitReached, Conflict, TooLarge) as error:
            now = self._now()
            if occasion.kind == "first":  # no fire is due: it is tried again when its device returns
                return None
            if now - (schedule.waits_since or now) < GIVE_UP_AFTER_MILLIS:
                self._change(schedule, refused(schedule, now))
            else:
                self._fail(schedule, after, error.code, error.message)
        return None

    def _begin(self, schedule: Schedule, after: Schedule, occasion: Occasion) -> Fire:
        started = self._starting.begin(schedule, after, occasion)
        planned = schedule.next_fire + schedule.offset
        # What waits for a user, a device, or the end of what runs is never late.
        is_timed = occasion.kind == "due" and schedule.due == planned and not schedule.device
        lag = round((started.at - planned) / 1000, 3) if is_timed else None
        log_event(
            "schedule.fired",
            schedule_id=schedule.id,
            user_id=schedule.user_id,
            task_id=started.task_id,
            session_id=started.session_id,
            seconds=lag,
        )
        count("ScheduleFired")
        if lag is not None:
            measure_seconds("ScheduleLag", lag)
        return started

    # -- recording -----------------------------------------------------------------------------

    def _leave_out(self, schedule: Schedule, after: Schedule, outcome: Outcome, reason: str) -> None:
        self._record(schedule, after, Fire.of(schedule, Occasion.due(schedule), self._now(), outcome, reason))
        log_event("schedule.left_out", schedule_id=schedule.id, user_id=schedule.user_id, reason=reason)

    def _fail(self, schedule: Schedule, after: Schedule, code: str, message: str) -> None:
        after = after_failure(after, code, message)
        if not after.recurs:
            after = after.stopped("disabled", code)
        self._record(schedule, after, Fire.of(schedule, Occasion.due(schedule), self._now(), "failed", code))
        log_event("schedule.failed", schedule_id=schedule.id, user_id=schedule.user_id, code=code)
        count("ScheduleFailed")

    def _disable(self, schedule: Schedule, occasion: Occasion, reason: str, message: str) -> None:
        after = replace(schedule.stopped("disabled", reason), last_error=message[:MOST_ERROR_CHARACTERS])
        self._record(schedule, after, Fire.of(schedule, occasion, self._now(), "failed", reason))
        log_event("schedule.disabled", schedule_id=schedule.id, user_id=schedule.user_id, reason=reason)
        count("ScheduleFailed")

    def _record(self, schedule: Schedule, after: Schedule, record: Fire) -> None:
        if not self._store.write(recording(schedule, after_fire(after, record), record)):
            raise Changed

    def _change(self, schedule: Schedule, after: Schedule) -> None:
        if not self._store.write(changing(schedule, after)):
            raise Changed

    def _now(self) -> int:
        return to_millis(self._clock.now())
