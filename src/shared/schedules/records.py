"""Schedules, the rows by which the tick finds what is due, and what has become of their fires.

| record   | pk                  | sk                            | notes                                             |
|----------|---------------------|-------------------------------|---------------------------------------------------|
| schedule | `SCHEDULES#{user}`  | `SCHEDULE#{id}`               | `revision` rises with each change                 |
| number   | `SCHEDULES#{user}`  | `COUNT`                       | how many the user has                             |
| made     | `SCHEDULES#{user}`  | `MADE#{id}`                   | stays 30 days: an id makes one schedule           |
| request  | `SCHEDULES#{user}`  | `REQUEST#{id}`                | a day: a caller's own id makes one schedule       |
| due      | `FIRE#{shard}`      | `{due, 13 digits}#{schedule}` | one, as long as the schedule is to fire           |
| fired    | `SCHEDULE#{id}`     | `FIRED#{place, 2 digits}`     | the last 50: a new one takes the oldest's place   |

A schedule's record names its due row (`due`), and both change in one transaction. `next_fire` is the time that the
user has chosen; the row is due at that time, or later by the schedule's jitter, or when it is looked at again.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from shared.agents.scheduling import ScheduleKind, ScheduleStatus
from shared.aws.writes import Check, Delete, Item, Key, Put, Update, Write
from shared.kernel.ids import dated_id, derived_id, stable_number
from shared.tasks.lineage import Lineage

RECORD_VERSION = 1
SHARDS = 16
MAX_SCHEDULES = 100
"""Of one user."""
KEPT_FIRES = 50
MOST_ERROR_CHARACTERS = 500
_FIRES_KEPT_SECONDS = 90 * 86_400
_MADE_KEPT_SECONDS = 30 * 86_400
"""Longer than the call that has asked for it can be repeated."""
_REQUESTS_KEPT_SECONDS = 86_400

Overlap = Literal["skip", "queue", "cancel"]
"""What happens while the run before still runs: this one is left out, waits for its end, or stops it."""
CatchUp = Literal["run", "skip"]
"""What happens to fires that were missed: they become one run, or none."""
Outcome = Literal["started", "skipped", "missed", "failed"]
Result = Literal["completed", "failed", "cancelled"]
ANY_DEVICE = "any"


@dataclass(frozen=True)
class Occasion:
    """Why a schedule starts something now. What it starts has its ids from the `key`: one key, one run or message."""

    kind: Literal["due", "now", "first"]
    fire: int
    """The time that the history has."""
    key: str

    @classmethod
    def due(cls, schedule: "Schedule") -> "Occasion":
        """Its time has come."""
        return cls("due", schedule.next_fire, str(schedule.next_fire))

    @classmethod
    def now(cls, schedule: "Schedule", now: int) -> "Occasion":
        """Its user wants it at once. Until that is recorded, or another fire is, a second click means the same."""
        return cls("now", now, f"now-{schedule.fires}")

    @classmethod
    def first(cls, schedule: "Schedule") -> "Occasion":
        """Its device has come, and it has never run."""
        return cls("first", schedule.created_at, "first")


@dataclass(frozen=True)
class Schedule:
    """What a user wants to happen, when, and how far it is. Times are milliseconds since the epoch, 0: none."""

    id: str
    user_id: str
    name: str
    kind: ScheduleKind
    timezone: str
    created_at: int
    updated_at: int
    cron: str = ""
    """Empty: it fires once, at `at`."""
    at: int = 0
    once: bool = False
    """Whether the first fire of `cron` is the only one."""
    ends_at: int = 0
    """No fire is later."""
    overlap: Overlap = "skip"
    catch_up: CatchUp = "run"
    jitter_seconds: int = 0
    """At most so much later than chosen; always the same for the same schedule."""
    max_failures: int = 3
    """So many in a row pause it; 0: never."""
    max_tokens: int = 0
    """Of each run and all that it starts; 0: no more than what the deployment allows."""
    max_cost_micros: int = 0
    """The same in millionths of a US dollar."""
    device: str = ""
    """Empty: it runs in the cloud. A device's id, or `any`: it waits for that device, or for one."""

    library_agent_id: str = ""
    graph_id: str = ""
    inputs: str = "{}"
    """JSON text."""
    checked_version: int = 0
    """The version of the graph that these inputs were last found to fit."""
    message: str = ""
    session_id: str = ""
    """Where the message is heard; empty: in a new session each time."""
    permissions: dict[str, Any] = field(default_factory=dict)
    chat_session_id: str = ""
    """The session in which somebody asked for it."""
    request_id: str = ""
    """What its maker calls the request for it; empty: nothing."""
    request_digest: str = ""
    """Of all that was asked for under that id."""

    status: ScheduleStatus = "active"
    reason: str = ""
    """Why it is not active: a code."""
    next_fire: int = 0
    due: int = 0
    waits_since: int = 0
    """When its fire was first put off, because a limit of its user kept it from starting."""
    last_fire: int = 0
    last_task: str = ""
    last_counted: bool = False
    """Whether the end of `last_task` was counted when its fire was in the history no more."""
    last_session: str = ""
    fires: int = 0
    """How many have been recorded."""
    failures: int = 0
    """In a row."""
    last_error: str = ""
    revision: int = 0

    @property
    def recurs(self) -> bool:
        """Whether it may fire more than once."""
        return bool(self.cron) and not self.once

    @property
    def offset(self) -> int:
        """By how many milliseconds each of its fires is late on purpose."""
        return stable_number(self.id, self.jitter_seconds + 1) * 1000

    def run_of(self, occasion: Occasion) -> str:
        """The id of the run that is started: the same, however often it is tried."""
        return dated_id(occasion.fire, "fire", self.id, occasion.key)

    def message_of(self, occasion: Occasion) -> str:
        """The same for the message that is sent."""
        return derived_id("fired-message", self.id, occasion.key)

    def session_of(self, occasion: Occasion) -> str:
        """The same for the session in which that is heard."""
        return self.session_id or derived_id("fired-session", self.id, occasion.key)

    @property
    def lineage(self) -> Lineage:
        """What binds what it starts."""
        return Lineage(
            permissions=self.permissions,
            tree_max_tokens=self.max_tokens,
            tree_max_micros=self.max_cost_micros,
            schedule_id=self.id,
        )

    def to_item(self) -> Item:
        """The stored form; what is as usual is left out."""
        known = {name: value for name, value in vars(self).items() if value != _USUAL.get(name)}
        always = {"v": RECORD_VERSION, "revision": self.revision, "status": self.status}  # the stream's filter wants it
        return {**known, **schedule_key(self.user_id, self.id), **always}

    @classmethod
    def from_item(cls, item: Item) -> "Schedule":
        """The record from its stored form; fields of later versions are left out."""
        return cls(**{name: item[name] for name in cls.__dataclass_fields__ if name in item})

    def stopped(self, status: ScheduleStatus, reason: str) -> "Schedule":
        """The same, which doesn't fire any more."""
        return replace(self, status=status, reason=reason, next_fire=0, due=0)


_USUAL: dict[str, Any] = {
    **{name: known.default for name, known in Schedule.__dataclass_fields__.items()},
    "permissions": {},
}


@dataclass(frozen=True)
class Fire:
    """What became of one fire."""

    schedule_id: str
    place: int
    """Which of the schedule's fires it is, from 0."""
    fire: int
    """When it was to be."""
    at: int
    """When it was dealt with."""
    outcome: Outcome
    reason: str = ""
    """Why nothing was started: a code."""
    task_id: str = ""
    session_id: str = ""
    result: Result | None = None
    """How what was started has ended."""
    error: str = ""

    @classmethod
    def of(
        cls, schedule: Schedule, occasion: Occasion, now: int, outcome: Outcome = "started", reason: str = ""
    ) -> "Fire":
        """The schedule's next one."""
        return cls(schedule.id, schedule.fires, occasion.fire, now, outcome, reason)

    def to_item(self) -> Item:
        """The stored form."""
        known = {name: value for name, value in vars(self).items() if value and name != "schedule_id"}
        return {
            **known,
            **fired_key(self.schedule_id, self.place),
            "v": RECORD_VERSION,
            "place": self.place,
            "expires_at": self.at // 1000 + _FIRES_KEPT_SECONDS,
        }

    @classmethod
    def from_item(cls, item: Item) -> "Fire":
        """The record from its stored form."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        return cls(**{**known, "schedule_id": str(item["pk"]).removeprefix("SCHEDULE#")})


@dataclass(frozen=True)
class DueRow:
    """A row by which the tick finds a schedule."""

    shard: int
    due: int
    schedule_id: str
    user_id: str

    def to_item(self) -> Item:
        """The stored form."""
        return {**due_key(self.schedule_id, self.due), "v": RECORD_VERSION, "user_id": self.user_id}

    @classmethod
    def from_item(cls, item: Item) -> "DueRow":
        """The row from its stored form."""
        due, _, schedule_id = str(item["sk"]).partition("#")
        return cls(int(str(item["pk"]).removeprefix("FIRE#")), int(due), schedule_id, item["user_id"])


def schedule_key(user_id: str, schedule_id: str) -> Key:
    """Where a schedule's record is."""
    return {"pk": f"SCHEDULES#{user_id}", "sk": f"SCHEDULE#{schedule_id}"}


def count_key(user_id: str) -> Key:
    """Where the number of a user's schedules is."""
    return {"pk": f"SCHEDULES#{user_id}", "sk": "COUNT"}


def made_key(user_id: str, schedule_id: str) -> Key:
    """Where it is kept that this schedule was made, though it may be gone."""
    return {"pk": f"SCHEDULES#{user_id}", "sk": f"MADE#{schedule_id}"}


def request_key(user_id: str, request_id: str) -> Key:
    """Where it is kept which schedule was made under a caller's own id."""
    return {"pk": f"SCHEDULES#{user_id}", "sk": f"REQUEST#{request_id}"}


def fired_key(schedule_id: str, place: int) -> Key:
    """Where what became of a fire is."""
    return {"pk": f"SCHEDULE#{schedule_id}", "sk": f"FIRED#{place % KEPT_FIRES:02d}"}


def due_key(schedule_id: str, due: int) -> Key:
    """Where a schedule's due row is."""
    return {"pk": f"FIRE#{stable_number(schedule_id, SHARDS)}", "sk": f"{due:013d}#{schedule_id}"}


def creating(schedule: Schedule) -> list[Write]:
    """The writes that make a schedule: the first fails if it was made before, the second if there are too many.

    The last one, if it has a `request_id`, fails if that has made one.
    """
    made = {
        **made_key(schedule.user_id, schedule.id),
        "v": RECORD_VERSION,
        "next_fire": schedule.next_fire,
        "expires_at": schedule.created_at // 1000 + _MADE_KEPT_SECONDS,
    }
    counted = Update(
        count_key(schedule.user_id),
        "SET #v = :v ADD #schedules :one",
        condition="attribute_not_exists(#schedules) OR #schedules < :most",
        values={"v": RECORD_VERSION, "one": 1, "most": MAX_SCHEDULES},
    )
    new = "attribute_not_exists(#pk)"
    put = Put(schedule.to_item(), condition=new)
    return [Put(made, condition=new), counted, put, *_rows_of(schedule), *_requested(schedule)]


def changing(seen: Schedule, schedule: Schedule) -> list[Write]:
    """The writes that put `schedule` in the place of `seen`; the first fails if somebody has changed it meanwhile."""
    changed = replace(schedule, revision=seen.revision + 1)
    put = Put(changed.to_item(), condition="#revision = :seen", values={"seen": seen.revision})
    if (seen.due, seen.user_id) == (schedule.due, schedule.user_id):
        return [put]
    return [put, *_rows_away(seen), *_rows_of(schedule)]


def removing(seen: Schedule) -> list[Write]:
    """The writes that take a schedule away; the first fails if somebody has changed it meanwhile."""
    gone = Delete(schedule_key(seen.user_id, seen.id), condition="#revision = :seen", values={"seen": seen.revision})
    counted = Update(count_key(seen.user_id), "ADD #schedules :less", values={"less": -1})
    return [gone, counted, *_rows_away(seen)]


def forgetting(row: DueRow) -> list[Write]:
    """The writes that take a row away; the first fails if it is the schedule's own, perhaps only since a moment."""
    stale = "attribute_not_exists(#due) OR #due <> :due"
    check = Check(schedule_key(row.user_id, row.schedule_id), stale, values={"due": row.due})
    return [check, Delete(due_key(row.schedule_id, row.due))]


def recording(seen: Schedule, after: Schedule | None, record: Fire) -> list[Write]:
    """The writes behind a fire: its record, and the schedule as it is then; None: it goes. The first fails as above."""
    return [*(changing(seen, after) if after else removing(seen)), Put(record.to_item())]


def _requested(schedule: Schedule) -> list[Write]:
    if not schedule.request_id:
        return []
    now = schedule.created_at // 1000
    row = {
        **request_key(schedule.user_id, schedule.request_id),
        "v": RECORD_VERSION,
        "schedule_id": schedule.id,
        "digest": schedule.request_digest,
        "expires_at": now + _REQUESTS_KEPT_SECONDS,
    }
    return [Put(row, condition="attribute_not_exists(#pk) OR #expires_at <= :now", values={"now": now})]


def _rows_of(schedule: Schedule) -> list[Write]:
    if not schedule.due:
        return []
    shard = stable_number(schedule.id, SHARDS)
    return [Put(DueRow(shard, schedule.due, schedule.id, schedule.user_id).to_item())]


def _rows_away(schedule: Schedule) -> list[Write]:
    return [Delete(due_key(schedule.id, schedule.due))] if schedule.due else []
