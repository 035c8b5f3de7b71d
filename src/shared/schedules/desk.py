"""Schedules for programs: JSON in, JSON out."""

import json
from typing import Any

from shared.agents.library.accounts import require_accounts
from shared.agents.library.library import Library
from shared.agents.setup import Accounts
from shared.chat.requests import validated
from shared.chat.services import Services
from shared.kernel.ids import digest
from shared.schedules import showing
from shared.schedules.book import ScheduleBook, Terms, micros_of
from shared.schedules.firing import Firing
from shared.schedules.records import Schedule
from shared.schedules.requests import AgentTarget, NewSchedule, PreviewRequest, ScheduleChange
from shared.schedules.starting import ScheduledRuns


class ScheduleDesk:
    """What the HTTP API does about schedules. What is not the user's is not found; see `ScheduleBook` for the rest."""

    def __init__(self, services: Services, accounts: Accounts | None = None) -> None:
        self._services = services
        self._accounts = accounts
        self._book = ScheduleBook(services.database, services.clock)

    def create(self, user_id: str, sent: Any) -> dict[str, Any]:
        """Make what a `NewSchedule` says; what was made under the same `request_id` is answered as it is now."""
        body: NewSchedule = validated(NewSchedule, sent)
        request_id = body.request_id or ""
        request_digest = digest(json.dumps(sent, sort_keys=True)) if request_id else ""
        if request_id and (known := self._book.requested(user_id, request_id, request_digest)):
            return self._shown(known)
        terms = Terms(
            name=body.name,
            once=body.once,
            overlap=body.overlap,
            catch_up=body.catch_up,
            jitter_seconds=body.jitter_seconds,
            max_failures=body.max_failures,
            max_tokens=body.max_tokens or 0,
            max_cost_micros=micros_of(body.max_cost_usd),
            device=body.device or "",
            request_id=request_id,
            request_digest=request_digest,
        )
        schedule_id, target = self._services.ids.new(), body.target
        if isinstance(target, AgentTarget):
            library = Library(self._services.database, self._services.clock)
            agent = library.get(user_id, target.library_agent_id)
            require_accounts(library, self._accounts, agent, library.graph(agent), "Nothing was scheduled")
            made = self._book.schedule_agent(user_id, schedule_id, body, terms, agent, target.inputs)
        else:
            session_id = target.session_id or ""
            made = self._book.schedule_message(user_id, schedule_id, body, terms, target.message, session_id)
        return self._shown(made)

    def preview(self, user_id: str, sent: Any) -> dict[str, Any]:
        """The next times of what a `PreviewRequest` says."""
        body: PreviewRequest = validated(PreviewRequest, sent)
        fires, zone = self._book.preview(user_id, body)
        return {"timezone": zone, "next_fires": showing.times(fires, self._book.zone_of(user_id) or zone)}

    def list(self, user_id: str, library_agent_id: str, graph_id: str) -> dict[str, Any]:
        """Those that fit."""
        zone = self._book.zone_of(user_id)
        found = self._book.list(user_id, library_agent_id, graph_id)
        return {"schedules": [showing.head(schedule, zone) for schedule in found]}

    def get(self, user_id: str, schedule_id: str) -> dict[str, Any]:
        """One."""
        return self._shown(self._book.get(user_id, schedule_id))

    def change(self, user_id: str, schedule_id: str, sent: Any) -> dict[str, Any]:
        """Replace what a `ScheduleChange` says."""
        change: ScheduleChange = validated(ScheduleChange, sent)
        return self._shown(self._book.change(user_id, schedule_id, change))

    def pause(self, user_id: str, schedule_id: str) -> dict[str, Any]:
        """Let it rest."""
        return self._shown(self._book.pause(user_id, schedule_id))

    def resume(self, user_id: str, schedule_id: str) -> dict[str, Any]:
        """Let it fire again."""
        return self._shown(self._book.resume(user_id, schedule_id))

    def run_now(self, user_id: str, schedule_id: str, runs: ScheduledRuns) -> dict[str, Any]:
        """Start it at once."""
        zone = self._zone_of_fires(user_id, schedule_id)
        return showing.fired(Firing(self._services, runs).run_now(user_id, schedule_id), zone)

    def delete(self, user_id: str, schedule_id: str) -> None:
        """Take it away."""
        self._book.delete(user_id, schedule_id)

    def history(self, user_id: str, schedule_id: str) -> dict[str, Any]:
        """What has become of its last fires."""
        zone = self._zone_of_fires(user_id, schedule_id)
        return {"fires": [showing.fired(fire, zone) for fire in self._book.history(user_id, schedule_id)]}

    def _zone_of_fires(self, user_id: str, schedule_id: str) -> str:
        """The user's own, else the schedule's."""
        return self._book.zone_of(user_id) or self._book.get(user_id, schedule_id).timezone

    def _shown(self, schedule: Schedule) -> dict[str, Any]:
        return showing.whole(schedule, self._book.zone_of(schedule.user_id))
