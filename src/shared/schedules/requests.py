"""What clients send about schedules, validated."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.accounts.profile import TimeZone
from shared.agents.scheduling import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS
from shared.chat.requests import Body
from shared.kernel.validating import saying
from shared.schedules.cron import MAX_CHARACTERS, checked_cron
from shared.schedules.records import CatchUp, Overlap

MAX_NAME_CHARACTERS = 100
MAX_INPUT_BYTES = 32_000
MAX_MESSAGE_CHARACTERS = 16_000
MAX_JITTER_SECONDS = 3_600
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Instants that clients give are before this one: every zone can show them, and due rows sort by 13 digits."""
NAMES_ARE = f"one line of 1 to {MAX_NAME_CHARACTERS} characters, such as 'Morning report'"
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"


def _in_reach(time: datetime) -> datetime:
    if not EARLIEST <= time < LATEST:
        raise ValueError("out of reach")
    return time


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=_ONE_LINE),
    saying(f"must be {NAMES_ARE}"),
]
CronText = Annotated[
    str,
    Field(examples=["30 9 * * 1-5"], json_schema_extra={"maxLength": MAX_CHARACTERS}),
    AfterValidator(checked_cron),
]
Instant = Annotated[
    AwareDatetime,
    Field(examples=["2030-01-31T09:00:00Z"]),
    AfterValidator(_in_reach),
    saying("must be a time with its offset from UTC, in the years 2000 to 2099, such as '2030-01-31T09:00:00Z'"),
]
Delay = Annotated[
    int,
    Field(ge=MIN_DELAY_SECONDS, le=MAX_DELAY_SECONDS),
    saying(f"must be {MIN_DELAY_SECONDS} to {MAX_DELAY_SECONDS} whole seconds, such as 3600 for an hour"),
]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MessageText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]
DeviceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$"),
    saying("must be a device's id of 1 to 100 ASCII characters without spaces, or 'any'"),
]
Jitter = Annotated[
    int,
    Field(ge=0, le=MAX_JITTER_SECONDS),
    saying(f"must be 0 to {MAX_JITTER_SECONDS} whole seconds, such as 300 for up to five minutes"),
]
Failures = Annotated[
    int,
    Field(ge=0, le=100, description="so many in a row pause it; 0: never"),
    saying("must be a whole number from 0 to 100, such as 3; 0 lets it go on whatever fails"),
]
Tokens = Annotated[
    int, Field(ge=1, le=1_000_000_000), saying("must be a whole number from 1 to 1000000000, such as 50000")
]
Dollars = Annotated[
    float,
    Field(gt=0, le=10_000, allow_inf_nan=False),
    saying("must be a number of US dollars, more than 0 and at most 10000, such as 0.5"),
]


class AgentTarget(Body):
    """A run of an agent of the library."""

    type: Literal["agent"]
    library_agent_id: Identifier
    inputs: dict[str, Any] = Field(default_factory=dict)


class MessageTarget(Body):
    """A message of the user's, in a session or in a new one each time."""

    type: Literal["message"]
    message: MessageText
    session_id: Identifier | None = None


class Times(Body):
    """By exactly one of `cron`, `at` and `delay_seconds`."""

    cron: CronText | None = None
    at: Instant | None = Field(default=None, description="once, at this instant, before 2100")
    delay_seconds: Delay | None = Field(default=None, description="once, so many seconds from now")
    timezone: TimeZone | None = Field(default=None, description="default: the profile's, else UTC")
    ends_at: Instant | None = Field(default=None, description="no fire is later; before 2100")

    @model_validator(mode="after")
    def _by_one(self) -> "Times":
        given = [name for name in ("cron", "at", "delay_seconds") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of cron, at and delay_seconds, such as cron '30 9 * * 1-5'")
        return self


class PreviewRequest(Times):
    """POST /schedules/preview."""


class NewSchedule(Times):
    """POST /schedules."""

    name: Name
    target: Annotated[AgentTarget | MessageTarget, Field(discriminator="type")]
    once: bool = Field(default=False, description="whether the first fire of `cron` is the only one")
    overlap: Overlap = "skip"
    catch_up: CatchUp = "run"
    jitter_seconds: Jitter = 0
    max_failures: Failures = 3
    max_tokens: Tokens | None = Field(default=None, description="of each run or turn and all that it starts")
    max_cost_usd: Dollars | None = Field(default=None, description="of each run or turn and all that it starts")
    device: DeviceName | None = Field(default=None, description="waits for this device, or for one: `any`")
    request_id: Identifier | None = Field(
        default=None, description="The same id again, within a day, makes nothing new."
    )


_MAY_BE_NULL = ("ends_at", "max_tokens", "max_cost_usd", "device")


def _without_null(schema: dict[str, Any]) -> None:
    """In the description: only what null takes away may be null."""
    for name, shown in schema["properties"].items():
        if name not in _MAY_BE_NULL:
            (kind,) = (one for one in shown.pop("anyOf") if one != {"type": "null"})
            shown.pop("default")
            shown.update(kind)


class ScheduleChange(Body):
    """PATCH /schedules/{id}: what is given is replaced; null takes an end, a bound or a device away."""

    model_config = ConfigDict(json_schema_extra=_without_null)

    name: Name | None = None
    cron: CronText | None = None
    at: Instant | None = None
    timezone: TimeZone | None = None
    ends_at: Instant | None = None
    once: bool | None = None
    overlap: Overlap | None = None
    catch_up: CatchUp | None = None
    jitter_seconds: Jitter | None = None
    max_failures: Failures | None = None
    max_tokens: Tokens | None = None
    max_cost_usd: Dollars | None = None
    device: DeviceName | None = None
    inputs: dict[str, Any] | None = None
    message: MessageText | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: Any, given: ValidationInfo) -> Any:
        if value is None and given.field_name not in _MAY_BE_NULL:
            raise ValueError(f"can't be null: leave it out, and it stays; null is for {', '.join(_MAY_BE_NULL)}")
        return value

    @model_validator(mode="after")
    def _something(self) -> "ScheduleChange":
        if not self.model_fields_set:
            raise ValueError("give at least one field to change, such as name")
        if self.cron and self.at:
            raise ValueError("give cron or at, not both")
        return self


def millis_of(time: datetime | None) -> int:
    """An instant that a client has given; 0: none."""
    return int(time.timestamp() * 1000) if time else 0
