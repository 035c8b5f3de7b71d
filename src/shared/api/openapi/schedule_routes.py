"""The routes about schedules; see `routes`."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.api.openapi import examples
from shared.api.openapi.problems import OF_BODIES
from shared.api.openapi.route import Answer, Body, Route
from shared.schedules.requests import NewSchedule, PreviewRequest, ScheduleChange


class ScheduleTarget(BaseModel):
    """What fires. A list leaves inputs out, and shows the first 200 characters of a message."""

    type: Literal["agent", "message"]
    library_agent_id: str | None = None
    graph_id: str | None = None
    inputs: dict[str, Any] | None = None
    message: str | None = None
    session_id: str | None = Field(default=None, description="null: a new one each time")


class ShownSchedule(BaseModel):
    """A schedule. `..._local` is on the clocks of the user's own zone, else of the schedule's."""

    id: str
    name: str
    status: Literal["active", "paused", "disabled"]
    reason: str | None = Field(description="why it is not active: a code, see docs/schedules.md")
    cron: str | None
    at: str | None = Field(description="of a schedule without `cron`")
    once: bool
    timezone: str
    ends_at: str | None
    overlap: Literal["skip", "queue", "cancel"]
    catch_up: Literal["run", "skip"]
    jitter_seconds: int
    max_failures: int
    max_tokens: int | None
    max_cost_usd: float | None
    device: str | None
    target: ScheduleTarget
    next_fire: str | None
    next_fire_local: str | None
    last_fire: str | None
    last_task_id: str | None = Field(description="the run or turn that it has started last")
    last_session_id: str | None
    failures: int = Field(description="in a row")
    last_error: str | None
    chat_session_id: str | None = Field(description="the session in which somebody asked for it")
    created_at: str
    updated_at: str


class ScheduleList(BaseModel):
    """The caller's schedules, the oldest first."""

    schedules: list[ShownSchedule]


class FireTime(BaseModel):
    """An instant."""

    at: str
    local: str


class SchedulePreview(BaseModel):
    """The next five times; fewer if there are no more. `timezone`: on whose clocks the schedule is."""

    timezone: str
    next_fires: list[FireTime]


class ShownFire(BaseModel):
    """What became of one fire."""

    fire: str = Field(description="when it was to be")
    fire_local: str
    at: str = Field(description="when it was dealt with")
    outcome: Literal["started", "skipped", "missed", "failed"]
    reason: str | None = Field(description="why nothing was started: a code, see docs/schedules.md")
    task_id: str | None
    session_id: str | None
    result: Literal["completed", "failed", "cancelled"] | None = Field(description="null: it has not ended")
    error: str | None


class ScheduleHistory(BaseModel):
    """The last 50 fires, the newest first."""

    fires: list[ShownFire]


_NEW_AGENT_SCHEDULE = {
    "name": "River levels",
    "target": {"type": "agent", "library_agent_id": examples.LIBRARY_AGENT_ID, "inputs": {"river": "Elbe"}},
    "cron": "30 9 * * 1-5",
    "timezone": "Europe/Berlin",
    "overlap": "skip",
    "jitter_seconds": 120,
}
_NEW_FOLLOW_UP = {
    "name": "Ask again",
    "target": {"type": "message", "message": "Has the level fallen?", "session_id": examples.SESSION_ID},
    "delay_seconds": 3_600,
    "request_id": "ask-again-2025-07-18",
}
_SCHEDULE: dict[str, Any] = {
    "id": examples.SCHEDULE_ID,
    "name": "River levels",
    "status": "active",
    "reason": None,
    "cron": "30 9 * * 1-5",
    "at": None,
    "once": False,
    "timezone": "Europe/Berlin",
    "ends_at": None,
    "overlap": "skip",
    "catch_up": "run",
    "jitter_seconds": 120,
    "max_failures": 3,
    "max_tokens": None,
    "max_cost_usd": None,
    "device": None,
    "target": {
        "type": "agent",
        "library_agent_id": examples.LIBRARY_AGENT_ID,
        "graph_id": examples.GRAPH_ID,
        "inputs": {"river": "Elbe"},
    },
    "next_fire": "2025-07-21T07:30:00.000Z",
    "next_fire_local": "2025-07-21T08:30:00+01:00",
    "last_fire": "2025-07-18T07:30:00.000Z",
    "last_task_id": examples.TASK_ID,
    "last_session_id": examples.SESSION_ID,
    "failures": 0,
    "last_error": None,
    "chat_session_id": None,
    "created_at": examples.CREATED,
    "updated_at": examples.CREATED,
}
_PAUSED_SCHEDULE = {**_SCHEDULE, "status": "paused", "reason": "user", "next_fire": None, "next_fire_local": None}
_SCHEDULES = {"schedules": [_SCHEDULE]}
_SCHEDULE_PREVIEW = {
    "timezone": "Europe/Berlin",
    "next_fires": [{"at": "2025-07-21T07:30:00.000Z", "local": "2025-07-21T08:30:00+01:00"}],
}
_SCHEDULE_HISTORY = {
    "fires": [
        {
            "fire": "2025-07-18T07:30:00.000Z",
            "fire_local": "2025-07-18T08:30:00+01:00",
            "at": "2025-07-18T07:32:04.120Z",
            "outcome": "started",
            "reason": None,
            "task_id": examples.TASK_ID,
            "session_id": examples.SESSION_ID,
            "result": "completed",
            "error": None,
        }
    ]
}
_OF_SCHEDULE = ("login_required", "SCHEDULE_NOT_FOUND")
_OF_AGENT = ("AGENT_NOT_FOUND", "GRAPH_NOT_FOUND")
_UNFIT = ("invalid_inputs", "invalid_agent", "not_schedulable", "never_fires")

SCHEDULE_ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/schedules"): Route(
        {201: Answer("The schedule.", ShownSchedule, _SCHEDULE)},
        (
            "login_required",
            *_OF_AGENT,
            "SESSION_NOT_FOUND",
            "SCHEDULE_NOT_FOUND",
            "credentials_missing",
            "request_id_used",
            "too_many_schedules",
            "inputs_too_large",
            *_UNFIT,
            *OF_BODIES,
        ),
        Body((NewSchedule,), {"run of an agent": _NEW_AGENT_SCHEDULE, "message": _NEW_FOLLOW_UP}),
    ),
    ("GET", "/api/schedules"): Route(
        {200: Answer("The schedules.", ScheduleList, _SCHEDULES)},
        ("login_required", "validation_failed"),
    ),
    ("POST", "/api/schedules/preview"): Route(
        {200: Answer("The times.", SchedulePreview, _SCHEDULE_PREVIEW)},
        ("login_required", *OF_BODIES),
        Body((PreviewRequest,), {"cron": {"cron": "30 9 * * 1-5", "timezone": "Europe/Berlin"}}),
    ),
    ("GET", "/api/schedules/{schedule_id}"): Route(
        {200: Answer("The schedule.", ShownSchedule, _SCHEDULE)},
        _OF_SCHEDULE,
    ),
    ("PATCH", "/api/schedules/{schedule_id}"): Route(
        {200: Answer("The schedule as it is now.", ShownSchedule, _SCHEDULE)},
        (
            *_OF_SCHEDULE,
            *_OF_AGENT,
            "inputs_too_large",
            *_UNFIT,
            "wrong_kind",
            "schedule_busy",
            *OF_BODIES,
        ),
        Body((ScheduleChange,), {"other times": {"cron": "0 8 * * 1-5", "ends_at": None}}),
    ),
    ("DELETE", "/api/schedules/{schedule_id}"): Route(
        {204: Answer("It fires no more; what it has started goes on.")},
        (*_OF_SCHEDULE, "schedule_busy"),
    ),
    ("POST", "/api/schedules/{schedule_id}/pause"): Route(
        {200: Answer("The schedule.", ShownSchedule, _PAUSED_SCHEDULE)},
        (*_OF_SCHEDULE, "schedule_busy"),
    ),
    ("POST", "/api/schedules/{schedule_id}/resume"): Route(
        {200: Answer("The schedule, which counts from now on.", ShownSchedule, _SCHEDULE)},
        (
            *_OF_SCHEDULE,
            *_OF_AGENT,
            "SESSION_NOT_FOUND",
            *_UNFIT,
            "schedule_busy",
        ),
    ),
    ("POST", "/api/schedules/{schedule_id}/run"): Route(
        {202: Answer("It has begun.", ShownFire, _SCHEDULE_HISTORY["fires"][0])},
        (
            *_OF_SCHEDULE,
            "schedule_running",
            "turn_running",
            "approval_open",
            "agent_deleted",
            "agent_invalid",
            "session_deleted",
            "too_many_runs",
            "too_many_turns",
            "rate_limited",
            "daily_budget",
            "weekly_budget",
            "schedule_busy",
            "session_busy",
        ),
    ),
    ("GET", "/api/schedules/{schedule_id}/history"): Route(
        {200: Answer("What became of its fires.", ScheduleHistory, _SCHEDULE_HISTORY)},
        _OF_SCHEDULE,
    ),
}
