"""Schedules as people and programs are shown them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.accounts.budgets.amounts import MICROS
from shared.agents.scheduling import ScheduleView
from shared.kernel.clock import iso
from shared.schedules.records import Fire, Schedule

_PREVIEW_CHARACTERS = 200


def local_time(millis: int, zone: str) -> str:
    """An instant on the clocks of a zone, as ISO 8601 with the offset; empty if it is 0."""
    from zoneinfo import ZoneInfo  # looks for its database when it is imported; a cold start need not

    if not millis:
        return ""
    return datetime.fromtimestamp(millis / 1000, UTC).astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def view(schedule: Schedule, zone: str) -> ScheduleView:
    """What tools are shown; `zone` is the user's own, or empty."""
    return ScheduleView(
        id=schedule.id,
        name=schedule.name,
        kind=schedule.kind,
        status=schedule.status,
        reason=schedule.reason,
        cron=schedule.cron,
        timezone=schedule.timezone,
        next_fire=schedule.next_fire or None,
        next_fire_shown=local_time(schedule.next_fire, zone or schedule.timezone),
        library_agent_id=schedule.library_agent_id,
        graph_id=schedule.graph_id,
        session_id=schedule.session_id,
        message=schedule.message[:_PREVIEW_CHARACTERS],
        chat_session_id=schedule.chat_session_id,
        last_error=schedule.last_error,
    )


def head(schedule: Schedule, zone: str) -> dict[str, Any]:
    """What a list shows of it: without inputs, and with the beginning of a message."""
    return {
        "id": schedule.id,
        "name": schedule.name,
        "status": schedule.status,
        "reason": schedule.reason or None,
        "cron": schedule.cron or None,
        "at": _iso(schedule.at),
        "once": schedule.once or not schedule.cron,
        "timezone": schedule.timezone,
        "ends_at": _iso(schedule.ends_at),
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "jitter_seconds": schedule.jitter_seconds,
        "max_failures": schedule.max_failures,
        "max_tokens": schedule.max_tokens or None,
        "max_cost_usd": schedule.max_cost_micros / MICROS if schedule.max_cost_micros else None,
        "device": schedule.device or None,
        "target": _target(schedule),
        "next_fire": _iso(schedule.next_fire),
        "next_fire_local": local_time(schedule.next_fire, zone or schedule.timezone) or None,
        "last_fire": _iso(schedule.last_fire),
        "last_task_id": schedule.last_task or None,
        "last_session_id": schedule.last_session or None,
        "failures": schedule.failures,
        "last_error": schedule.last_error or None,
        "chat_session_id": schedule.chat_session_id or None,
        "created_at": iso(schedule.created_at),
        "updated_at": iso(schedule.updated_at),
    }


def whole(schedule: Schedule, zone: str) -> dict[str, Any]:
    """All of it."""
    shown = head(schedule, zone)
    if schedule.kind == "agent":
        more: dict[str, Any] = {"inputs": json.loads(schedule.inputs)}
    else:
        more = {"message": schedule.message}
    return {**shown, "target": {**shown["target"], **more}}


def times(fires: Sequence[int], zone: str) -> list[dict[str, str]]:
    """Instants, in UTC and on the clocks of a zone."""
    return [{"at": iso(fire), "local": local_time(fire, zone)} for fire in fires]


def fired(fire: Fire, zone: str) -> dict[str, Any]:
    """What became of one fire."""
    return {
        "fire": iso(fire.fire),
        "fire_local": local_time(fire.fire, zone),
        "at": iso(fire.at),
        "outcome": fire.outcome,
        "reason": fire.reason or None,
        "task_id": fire.task_id or None,
        "session_id": fire.session_id or None,
        "result": fire.result,
        "error": fire.error or None,
    }


def _target(schedule: Schedule) -> dict[str, Any]:
    if schedule.kind == "agent":
        return {"type": "agent", "library_agent_id": schedule.library_agent_id, "graph_id": schedule.graph_id}
    beginning = schedule.message[:_PREVIEW_CHARACTERS]
    return {"type": "message", "message": beginning, "session_id": schedule.session_id or None}


def _iso(millis: int) -> str | None:
    return iso(millis) if millis else None
