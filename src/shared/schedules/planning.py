"""When a schedule fires next, and what is to be done with one that is due. Pure rules."""

from dataclasses import replace
from typing import Literal

from shared.accounts.budgets.amounts import code_of
from shared.schedules.cron import next_fire
from shared.schedules.records import MOST_ERROR_CHARACTERS, Fire, Occasion, Overlap, Schedule

MISSED_AFTER_MILLIS = 300_000
"""So much later than it is due a fire is missed: the tick has stood still."""
LOOK_AGAIN_MILLIS = 60_000
GIVE_UP_AFTER_MILLIS = 3_600_000
"""What a limit of its user keeps from starting is tried for so long."""

_USED_UP = {code_of("day"), code_of("week")}

Step = Literal["fire", "miss", "skip", "wait", "stop_first"]
_WHILE_BEFORE_RUNS: dict[Overlap, Step] = {"skip": "skip", "queue": "wait", "cancel": "stop_first"}


def planned(schedule: Schedule, after: int) -> Schedule:
    """The schedule with its first fire later than `after`; without one if there is none.

    Raises:
        ValueError: its expression or its zone makes no sense.
    """
    fire = _next(schedule, after)
    return replace(schedule, next_fire=fire, due=fire + schedule.offset if fire else 0, waits_since=0)


def replanned(seen: Schedule, changed: Schedule, now: int) -> Schedule:
    """The active schedule `changed`, which was `seen`: other times count from now on, else it keeps the fire it has.

    It has none any more if that is behind its end.

    Raises:
        ValueError: as for `planned`.
    """
    if _times(seen) != _times(changed):
        return planned(changed, now)
    if _is_past_end(changed, changed.next_fire):
        return replace(changed, next_fire=0, due=0, waits_since=0)
    if seen.due == seen.next_fire + seen.offset:
        return replace(changed, due=changed.next_fire + changed.offset)
    if not seen.due and seen.device != changed.device:  # it has waited for a device that it is no longer bound to
        return replace(changed, due=now)
    return changed


def past(schedule: Schedule, now: int) -> Schedule:
    """The schedule with the fire behind the one that is dealt with; those that were missed meanwhile are left out.

    Raises:
        ValueError: as for `planned`.
    """
    done = replace(schedule, next_fire=0, due=0, waits_since=0)
    return planned(done, max(schedule.next_fire, now - schedule.offset)) if schedule.recurs else done


def behind(schedule: Schedule, occasion: Occasion, now: int) -> Schedule:
    """The schedule behind what was started on an occasion: the same, if that is no longer the fire that it waits for.

    Raises:
        ValueError: as for `planned`.
    """
    is_next = occasion.kind == "due" and schedule.next_fire == occasion.fire
    return past(schedule, now) if is_next else schedule


def later(schedule: Schedule, now: int) -> Schedule:
    """The schedule, whose fire is looked at a minute later."""
    return replace(schedule, due=now + LOOK_AGAIN_MILLIS)


def refused(schedule: Schedule, now: int) -> Schedule:
    """The same, because a limit of its user keeps it from starting."""
    return replace(later(schedule, now), waits_since=schedule.waits_since or now)


def after_fire(schedule: Schedule, record: Fire) -> Schedule | None:
    """The schedule, which has been moved on, behind a fire; None: it has fired once, and goes."""
    after = replace(schedule, fires=record.place + 1)
    if record.outcome == "started":
        after = replace(
            after,
            last_fire=record.fire,
            last_task=record.task_id,
            last_counted=False,
            last_session=record.session_id,
        )
        if not after.recurs and not after.next_fire and after.status == "active":
            return None
    if after.status == "active" and not after.next_fire:
        return after.stopped("disabled", "ended" if after.recurs else record.reason or "ended")
    return after


def after_failure(schedule: Schedule, code: str, message: str) -> Schedule:
    """The schedule, of which one more in a row has failed; too many pause it.

    A day or a week whose budget is used up passes by itself, and doesn't count.
    """
    after = replace(schedule, last_error=message[:MOST_ERROR_CHARACTERS])
    if code in _USED_UP:
        return after
    after = replace(after, failures=schedule.failures + 1)
    if after.status == "active" and 0 < after.max_failures <= after.failures:
        return after.stopped("paused", "failures")
    return after


def next_step(schedule: Schedule, now: int, *, before_runs: bool) -> Step:
    """What is to be done with a schedule that is due; `before_runs`: what it has started before has not ended."""
    due = schedule.due or schedule.next_fire + schedule.offset  # without a row it has waited for its device
    if schedule.catch_up == "skip" and now - due > MISSED_AFTER_MILLIS:
        return "miss"
    return step_now(schedule, before_runs=before_runs)


def step_now(schedule: Schedule, *, before_runs: bool) -> Step:
    """The same, whenever it was due."""
    return _WHILE_BEFORE_RUNS[schedule.overlap] if before_runs else "fire"


def _next(schedule: Schedule, after: int) -> int:
    if schedule.cron:
        fire = next_fire(schedule.cron, schedule.timezone, after) or 0
    else:
        fire = schedule.at if schedule.at > after else 0
    return 0 if _is_past_end(schedule, fire) else fire


def _times(schedule: Schedule) -> tuple[str, int, str]:
    return schedule.cron, schedule.at, schedule.timezone if schedule.cron else ""


def _is_past_end(schedule: Schedule, fire: int) -> bool:
    return 0 < schedule.ends_at < fire + schedule.offset
