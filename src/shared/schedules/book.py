"""What users do with their schedules, whichever way they ask."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.accounts.budgets.amounts import MICROS
from shared.accounts.profile import Profiles
from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.aws.database import Database
from shared.chat.sessions import owned_session
from shared.kernel.analytics import agent_scheduled
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Invalid
from shared.kernel.telemetry import log_event
from shared.schedules.agents import check_fit, stored_inputs
from shared.schedules.cron import next_fires
from shared.schedules.planning import planned, replanned
from shared.schedules.records import CatchUp, Fire, Overlap, Schedule
from shared.schedules.requests import ScheduleChange, Times, millis_of
from shared.schedules.store import ScheduleStore

PREVIEWED = 5
_AS_THEY_ARE = ("name", "cron", "timezone", "once", "overlap", "catch_up", "jitter_seconds", "max_failures", "message")


@dataclass(frozen=True)
class Terms:
    """How a new schedule is to behave; the fields are `Schedule`'s."""

    name: str
    once: bool = False
    overlap: Overlap = "skip"
    catch_up: CatchUp = "run"
    jitter_seconds: int = 0
    max_failures: int = 3
    max_tokens: int = 0
    max_cost_micros: int = 0
    device: str = ""
    chat_session_id: str = ""
    permissions: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""
    request_digest: str = ""


class ScheduleBook:
    """Makes, shows and changes schedules."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._profiles = Profiles(database, clock)
        self._library = Library(database, clock)
        self._store = ScheduleStore(database)

    # -- making --------------------------------------------------------------------------------

    def schedule_agent(
        self,
        user_id: str,
        schedule_id: str,
        times: Times,
        terms: Terms,
        agent: LibraryAgent,
        inputs: Mapping[str, Any],
    ) -> Schedule:
        """Have the agent run at these times; its inputs are checked here.

        Raises:
            Invalid: the inputs don't fit, or the times never come.
            LimitReached, Conflict, NotFound: see `ScheduleStore.create`.
        """
        stored = stored_inputs(inputs)
        check_fit(self._library, agent, inputs)
        draft = replace(
            self._draft(user_id, schedule_id, times, terms),
            library_agent_id=agent.id,
            graph_id=agent.graph_id,
            checked_version=agent.version,
            inputs=stored,
        )
        schedule = self._store.create(draft)
        if schedule is draft:  # else it was made before, by the same call
            log_event("schedule.created", schedule_id=schedule.id, user_id=user_id)
            agent_scheduled(
                user_id,
                graph_id=agent.graph_id,
                graph_name=agent.name,
                schedule_id=schedule.id,
                schedule_name=schedule.name,
                cron=schedule.cron,
                library_agent_id=agent.id,
            )
        return schedule

    def schedule_message(
        self, user_id: str, schedule_id: str, times: Times, terms: Terms, message: str, session_id: str
    ) -> Schedule:
        """Have the message sent at these times, to the session, or to a new one each time.

        Raises:
            NotFound: the session does not exist for this user.
            Invalid: the times never come.
            LimitReached, Conflict: see `ScheduleStore.create`.
        """
        if session_id:
            owned_session(self._database, session_id, user_id)
        draft = self._draft(user_id, schedule_id, times, terms)
        draft = replace(draft, kind="message", message=message, session_id=session_id)
        schedule = self._store.create(draft)
        if schedule is draft:
            log_event("schedule.created", schedule_id=schedule.id, user_id=user_id)
        return schedule

    def requested(self, user_id: str, request_id: str, digest: str) -> Schedule | None:
        """What was made under a caller's own id; see `ScheduleStore.requested`."""
        return self._store.requested(user_id, request_id, digest, self._clock.now())

    def _draft(self, user_id: str, schedule_id: str, times: Times, terms: Terms) -> Schedule:
        now = to_millis(self._clock.now())
        draft = Schedule(
            id=schedule_id,
            user_id=user_id,
            kind="agent",
            timezone=times.timezone or self.zone_of(user_id) or "UTC",
            created_at=now,
            updated_at=now,
            cron=times.cron or "",
            at=self._instant(times),
            ends_at=millis_of(times.ends_at),
            **{**vars(terms), "permissions": dict(terms.permissions)},
        )
        return _firing(planned(draft, now))

    def _instant(self, times: Times) -> int:
        if times.delay_seconds is not None:
            return to_millis(self._clock.now()) + times.delay_seconds * 1000
        return millis_of(times.at)

    # -- showing ---    # -- showing -------------------------------------------------------------------------------

    def zone_of(self, user_id: str) -> str:
        """The time zone of the user's profile; empty if they have said none."""
        return self._profiles.load(user_id).timezone or ""

    def preview(self, user_id: str, times: Times) -> tuple[list[int], str]:
        """The next five times of a schedule that is not made yet, and the zone on whose clocks they are."""
        now = to_millis(self._clock.now())
        zone, ends = times.timezone or self.zone_of(user_id) or "UTC", millis_of(times.ends_at)
        found = next_fires(times.cron, zone, now, PREVIEWED) if times.cron else [self._instant(times)]
        return [fire for fire in found if fire > now and (not ends or fire <= ends)], zone

    def get(self, user_id: str, schedule_id: str) -> Schedule:
        """The schedule.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return self._store.get(user_id, schedule_id)

    def list(self, user_id: str, library_agent_id: str = "", graph_id: str = "") -> Sequence[Schedule]:
        """The user's that fit, the oldest first."""
        return [
            schedule
            for schedule in self._store.all(user_id)
            if library_agent_id in {"", schedule.library_agent_id} and graph_id in {"", schedule.graph_id}
        ]

    def history(self, user_id: str, schedule_id: str) -> Sequence[Fire]:
        """What has become of its last fires, the newest first.

        Raises:
            NotFound: there is no such schedule, or it is somebody else's.
        """
        return self._store.fires(self._store.get(user_id, schedule_id).id, self._clock.now())

    # -- changing ------------------------------------------------------------------------------

    def change(self, user_id: str, schedule_id: str, change: ScheduleChange) -> Schedule:
        """Replace what is given. New times count from now on.

        Raises:
            NotFound, Retryable: see `ScheduleStore.change`.
            Invalid: it has no such field, the inputs don't fit, or the times never come.
        """
        given = _given(change)

        def changed(seen: Schedule) -> Schedule:
            _refuse_foreign(seen, change)
            now = to_millis(self._clock.now())
            after = replace(seen, **given, updated_at=now)
            if change.inputs is not None:
                after = self._checked(after)
            return _firing(replanned(seen, after, now)) if after.status == "active" else after

        schedule = self._store.change(user_id, schedule_id, changed)
        log_event("schedule.changed", schedule_id=schedule_id, user_id=user_id)
        return schedule

    def pause(self, user_id: str, schedule_id: str) -> Schedule:
        """Let it rest until it is resumed. One that doesn't fire anyway stays as it is.

        Raises:
            NotFound, Retryable: see `ScheduleStore.change`.
        """
        schedule = self._store.change(
            user_id, schedule_id, lambda seen: seen.stopped("paused", "user") if seen.status == "active" else seen
        )
        log_event("schedule.paused", schedule_id=schedule_id, user_id=user_id, reason=schedule.reason)
        return schedule

    def resume(self, user_id: str, schedule_id: str) -> Schedule:
        """Let it fire again from now on; its failures are forgiven, and its agent is looked at again.

        Raises:
            NotFound, Retryable: see `ScheduleStore.change`.
            Invalid: its agent can't run with its inputs, or its times never come.
        """

        def resumed(seen: Schedule) -> Schedule:
            if seen.status == "active":
                return seen
            if seen.kind == "agent":
                seen = self._checked(seen)
            elif seen.session_id:
                owned_session(self._database, seen.session_id, user_id)
            goes_on = replace(seen, status="active", reason="", failures=0, last_error="")
            return _firing(planned(goes_on, to_millis(self._clock.now())))

        schedule = self._store.change(user_id, schedule_id, resumed)
        log_event("schedule.resumed", schedule_id=schedule_id, user_id=user_id)
        return schedule

    def delete(self, user_id: str, schedule_id: str) -> Schedule:
        """Take it away; what it has started goes on.

        Raises:
            NotFound, Retryable: see `ScheduleStore.delete`.
        """
        schedule = self._store.delete(user_id, schedule_id)
        log_event("schedule.deleted", schedule_id=schedule_id, user_id=user_id)
        return schedule

    def _checked(self, schedule: Schedule) -> Schedule:
        """The schedule, whose agent as it is now takes its inputs.

        Raises:
            NotFound, Invalid: it doesn't, or is gone.
        """
        agent = self._library.get(schedule.user_id, schedule.library_agent_id)
        check_fit(self._library, agent, json.loads(schedule.inputs))
        return replace(schedule, graph_id=agent.graph_id, checked_version=agent.version)


def _refuse_foreign(seen: Schedule, change: ScheduleChange) -> None:
    if (change.inputs is not None and seen.kind != "agent") or (change.message and seen.kind != "message"):
        raise Invalid(f"This is a schedule of kind {seen.kind}: it has no such field.", code="wrong_kind")


def _firing(schedule: Schedule) -> Schedule:
    if not schedule.next_fire:
        message = "No such time is to come: give a later `at` or `ends_at`, such as '2030-01-31T09:00:00Z'."
        raise Invalid(message, code="never_fires")
    return schedule


def _given(change: ScheduleChange) -> dict[str, Any]:
    """The fields of `Schedule` that a change replaces."""
    sent = change.model_fields_set
    given: dict[str, Any] = {name: getattr(change, name) for name in _AS_THEY_ARE if name in sent}
    if change.cron:
        given["at"] = 0
    if change.at:
        given |= {"at": millis_of(change.at), "cron": ""}
    if "ends_at" in sent:
        given["ends_at"] = millis_of(change.ends_at)
    if "device" in sent:
        given["device"] = change.device or ""
    if "max_tokens" in sent:
        given["max_tokens"] = change.max_tokens or 0
    if "max_cost_usd" in sent:
        given["max_cost_micros"] = micros_of(change.max_cost_usd)
    if change.inputs is not None:
        given["inputs"] = stored_inputs(change.inputs)
    return given


def micros_of(dollars: float | None) -> int:
    """Millionths of a dollar, of a bound one at least; 0: no bound."""
    return max(1, round(dollars * MICROS)) if dollars else 0
