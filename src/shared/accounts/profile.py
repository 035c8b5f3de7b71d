"""What users have told about themselves: it is part of what the model knows in each of their turns.

| record  | pk            | sk        | notes                                                         |
|---------|---------------|-----------|---------------------------------------------------------------|
| profile | `USER#{id}`   | `PROFILE` | `revision` rises with each change; `last_merge` names the call |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from shared.aws.database import ConditionFailed, Database
from shared.aws.writes import Item, Update
from shared.kernel.clock import Clock, iso, to_millis
from shared.kernel.errors import Invalid, Retryable
from shared.kernel.time_zones import known_time_zone

RECORD_VERSION = 1
MAX_INSTRUCTIONS_CHARACTERS = 4_000
MAX_FACTS = 40
_ATTEMPTS = 8

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=_ONE_LINE)]
TimeZone = Annotated[str, AfterValidator(known_time_zone)]
Instructions = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_INSTRUCTIONS_CHARACTERS)]
FactName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=_ONE_LINE)]
FactText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
Facts = Annotated[dict[FactName, FactText], Field(max_length=MAX_FACTS)]


@dataclass(frozen=True)
class Profile:
    """One user's; empty until they say something."""

    name: str | None = None
    timezone: str | None = None
    instructions: str = ""
    understanding: Mapping[str, str] = field(default_factory=dict)
    updated_at: int | None = None

    @classmethod
    def from_item(cls, item: Item) -> "Profile":
        """The record from its stored form."""
        return cls(
            name=item.get("name"),
            timezone=item.get("timezone"),
            instructions=item.get("instructions", ""),
            understanding=item.get("understanding", {}),
            updated_at=item.get("updated_at"),
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing that the model could use."""
        return not (self.name or self.timezone or self.instructions or self.understanding)

    def public(self) -> dict[str, Any]:
        """What the API shows."""
        return {
            "name": self.name,
            "timezone": self.timezone,
            "instructions": self.instructions,
            "understanding": dict(self.understanding),
            "updated_at": iso(self.updated_at) if self.updated_at else None,
        }

    def merged(self, news: "News") -> tuple["Profile", list[str]]:
        """The profile with the news in it, and the names of the fields that are different now.

        Raises:
            Invalid: more facts than a profile holds.
        """
        facts = {name: text for name, text in {**self.understanding, **news.facts}.items() if text}
        if len(facts) > MAX_FACTS:
            raise Invalid(f"A profile holds {MAX_FACTS} facts; take some out first.", code="too_many_facts")
        after = Profile(
            name=self.name if news.name is None else news.name or None,
            timezone=self.timezone if news.timezone is None else news.timezone,
            instructions=self.instructions if news.instructions is None else news.instructions,
            understanding=facts,
        )
        fields = ("name", "timezone", "instructions")
        changed = [name for name in fields if getattr(after, name) != getattr(self, name)]
        learnt = [name for name in news.facts if facts.get(name) != self.understanding.get(name)]
        return after, changed + [f"understanding.{name}" for name in learnt]


@dataclass(frozen=True)
class News:
    """What a profile learns: None leaves a field as it is, and an empty fact takes that fact out."""

    name: str | None = None
    timezone: str | None = None
    instructions: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


class Profiles:
    """Where profiles are kept."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def load(self, user_id: str) -> Profile:
        """The user's profile; an empty one if they have none."""
        return Profile.from_item(self._database.get(_key(user_id)) or {})

    def save(self, user_id: str, profile: Profile) -> Profile:
        """Make this the user's profile, whatever was there."""
        return Profile.from_item(self._database.write(self._change(user_id, profile)))

    def merge(self, user_id: str, news: News, call: str) -> tuple[Profile, list[str]]:
        """Add to the user's profile; the profile as it is now, and the names of the fields that changed.

        `call` says who adds: the same call repeated (after a kill) changes nothing, and gets the same answer.

        Raises:
            Invalid: more facts than a profile holds.
            Retryable: others change the profile all the time.
        """
        for _ in range(_ATTEMPTS):
            item = self._database.get(_key(user_id)) or {}
            before, last = Profile.from_item(item), item.get("last_merge", {})
            if last.get("call") == call:
                return before, list(last["fields"])
            after, changed = before.merged(news)
            if not changed:
                return before, []
            try:
                merge = {"call": call, "fields": changed}
                write = self._change(user_id, after, seen=item.get("revision", 0), merge=merge)
                return Profile.from_item(self._database.write(write)), changed
            except ConditionFailed:
                continue
        raise Retryable("The profile is being changed by others; try again.", code="profile_busy")

    def _change(
        self, user_id: str, profile: Profile, seen: int | None = None, merge: Mapping[str, Any] | None = None
    ) -> Update:
        values: dict[str, Any] = {
            "v": RECORD_VERSION,
            "name": profile.name,
            "timezone": profile.timezone,
            "instructions": profile.instructions,
            "understanding": dict(profile.understanding),
            "updated_at": to_millis(self._clock.now()),
            "last_merge": merge or {},
        }
        sets = ", ".join(f"#{name} = :{name}" for name in values)
        is_as_seen = "attribute_not_exists(#pk)" if seen == 0 else "#revision = :seen"
        return Update(
            _key(user_id),
            f"SET {sets} ADD #revision :one",
            condition=None if seen is None else is_as_seen,
            values={**values, "one": 1, **({"seen": seen} if seen else {})},
        )


def _key(user_id: str) -> dict[str, str]:
    return {"pk": f"USER#{user_id}", "sk": "PROFILE"}
