"""What tools need from whoever keeps schedules: make one, show them, take one away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shared.agents.library.records import LibraryAgent

ScheduleKind = Literal["agent", "message"]
ScheduleStatus = Literal["active", "paused", "disabled"]
MIN_DELAY_SECONDS = 60
MAX_DELAY_SECONDS = 366 * 86_400


@dataclass(frozen=True)
class When:
    """The times of a schedule: by exactly one of `cron` and `delay_seconds`."""

    cron: str = ""
    """Five fields, on the clocks of `timezone`."""
    delay_seconds: int | None = None
    """Once, so many seconds from now: `MIN_DELAY_SECONDS` to `MAX_DELAY_SECONDS`."""
    timezone: str = ""
    """IANA name; empty: the one of the user's profile, else UTC."""


@dataclass(frozen=True)
class AgentRun:
    """What fires is a run of an agent, as it is then. Its inputs have been checked against the agent's schema."""

    agent: LibraryAgent
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class FollowUp:
    """What fires is a message of the user's."""

    message: str
    session_id: str = ""
    """Where it is heard; empty: in a new session each time."""


@dataclass(frozen=True)
class ScheduleRequest:
    """A schedule that is to be."""

    id: str
    """Chosen by whoever asks (`kernel.ids.derived_id`): the same id makes one."""
    user_id: str
    name: str
    """Empty: a follow-up is called as its message begins."""
    when: When
    target: AgentRun | FollowUp
    chat_session_id: str = ""
    """The session in which somebody asked for it."""
    permissions: Mapping[str, Any] = field(default_factory=dict)
    """What its runs and turns may use at most, as `accounts.permissions` stores it."""
    max_tokens: int = 0
    """Of each run or turn and all that it starts; 0: no more than what the deployment allows."""
    max_cost_micros: int = 0
    """The same in millionths of a US dollar."""


@dataclass(frozen=True)
class ScheduleView:
    """A schedule as its user sees it."""

    id: str
    name: str
    kind: ScheduleKind
    status: ScheduleStatus
    reason: str
    """Why it is not active; empty if it is."""
    cron: str
    """Empty: it fires once."""
    timezone: str
    next_fire: int | None
    """Milliseconds since the epoch; None: it doesn't fire."""
    next_fire_shown: str
    """The same for people, as ISO 8601 in the user's own time zone; empty if there is none."""
    library_agent_id: str = ""
    graph_id: str = ""
    session_id: str = ""
    """Where a follow-up is heard; empty: in a new session each time."""
    message: str = ""
    chat_session_id: str = ""
    last_error: str = ""


class Scheduling(Protocol):
    """Schedules of users. What belongs to somebody else does not exist."""

    def create(self, request: ScheduleRequest) -> ScheduleView:
        """Make the schedule, once for each `request.id`.

        Raises:
            Invalid: `invalid_message`, `invalid_name`, `invalid_times`, `invalid_cron`, `invalid_delay` or
                `invalid_timezone`; its words say what is taken.
            NotFound: `SESSION_NOT_FOUND`, the session of a follow-up.
            LimitReached: `too_many_schedules`, the user has as many as one may have.
            Retryable: nothing was decided; ask again.
        """

    def list(self, user_id: str, library_agent_id: str = "", graph_id: str = "") -> Sequence[ScheduleView]:
        """The user's schedules that fit, the oldest first."""

    def delete(self, user_id: str, schedule_id: str) -> ScheduleView | None:
        """Take it away, so that it never fires again; None if there is no such schedule."""
