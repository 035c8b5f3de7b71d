"""Schedules as tools ask for them (`agents.scheduling.Scheduling`)."""

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from shared.agents.scheduling import (
    MAX_DELAY_SECONDS,
    MIN_DELAY_SECONDS,
    AgentRun,
    FollowUp,
    ScheduleRequest,
    ScheduleView,
    When,
)
from shared.chat.services import Services
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.time_zones import known_time_zone
from shared.schedules import showing
from shared.schedules.book import ScheduleBook, Terms
from shared.schedules.cron import EXAMPLE, checked_cron
from shared.schedules.requests import MAX_MESSAGE_CHARACTERS, NAMES_ARE, Name, Times

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_NAME_FROM_MESSAGE_CHARACTERS = 60
_JOINERS = "\u200c\u200d"
"""They are not to be seen, but without them words and pictures fall apart."""


class UserSchedules:
    """The schedules of users, for whoever acts for them."""

    def __init__(self, services: Services) -> None:
        self._book = ScheduleBook(services.database, services.clock)

    def create(self, request: ScheduleRequest) -> ScheduleView:
        """Make the schedule, once for each `request.id`."""
        user_id, target = request.user_id, request.target
        if isinstance(target, FollowUp):
            _check_message(target.message)
        name, times = _name(request), _times(request.when)
        terms = Terms(
            name,
            max_tokens=request.max_tokens,
            max_cost_micros=request.max_cost_micros,
            chat_session_id=request.chat_session_id,
            permissions=dict(request.permissions),
        )
        if isinstance(target, AgentRun):
            made = self._book.schedule_agent(user_id, request.id, times, terms, target.agent, target.inputs)
        else:
            made = self._book.schedule_message(user_id, request.id, times, terms, target.message, target.session_id)
        return showing.view(made, self._book.zone_of(user_id))

    def list(self, user_id: str, library_agent_id: str = "", graph_id: str = "") -> Sequence[ScheduleView]:
        """The user's schedules that fit, the oldest first."""
        zone = self._book.zone_of(user_id)
        return [showing.view(schedule, zone) for schedule in self._book.list(user_id, library_agent_id, graph_id)]

    def delete(self, user_id: str, schedule_id: str) -> ScheduleView | None:
        """Take it away; None if there is no such schedule."""
        try:
            return showing.view(self._book.delete(user_id, schedule_id), self._book.zone_of(user_id))
        except NotFound:
            return None


def _times(when: When) -> Times:
    """The same as a client gives them.

    Raises:
        Invalid: they make no sense; each code says which part doesn't.
    """
    if bool(when.cron) == (when.delay_seconds is not None):
        raise Invalid(f"Give exactly one of cron and delay_seconds: cron is {EXAMPLE}.", code="invalid_times")
    if when.delay_seconds is not None and not MIN_DELAY_SECONDS <= when.delay_seconds <= MAX_DELAY_SECONDS:
        message = f"delay_seconds is {MIN_DELAY_SECONDS} to {MAX_DELAY_SECONDS}, such as 3600 for an hour."
        raise Invalid(message, code="invalid_delay")
    try:
        cron = checked_cron(when.cron) if when.cron else None
    except ValueError as error:
        raise Invalid(f"cron: {error}.", code="invalid_cron") from error
    try:
        zone = known_time_zone(when.timezone) if when.timezone else None
    except ValueError as error:
        raise Invalid(f"timezone {error}.", code="invalid_timezone") from error
    return Times(cron=cron, delay_seconds=when.delay_seconds, timezone=zone)


def _check_message(message: str) -> None:
    if not message.strip() or len(message) > MAX_MESSAGE_CHARACTERS:
        raise Invalid(f"A message has 1 to {MAX_MESSAGE_CHARACTERS} characters.", code="invalid_message")


def _name(request: ScheduleRequest) -> str:
    name = " ".join(request.name.split())
    if not name and isinstance(request.target, FollowUp):
        name = _name_from(request.target.message)
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise Invalid(f"A schedule's name is {NAMES_ARE}.", code="invalid_name") from error


def _name_from(message: str) -> str:
    """The beginning of a message, without what nobody could see."""
    seen = "".join(one for one in message if one.isprintable() or one.isspace() or one in _JOINERS)
    name = " ".join(seen.split())[:_NAME_FROM_MESSAGE_CHARACTERS].strip()
    return name if name.strip(_JOINERS) else "Follow-up"
