"""The names under which agents are published: `username/agent-slug`."""

import re

from shared.agents.library.shipped import PUBLISHER

MAX_SLUG_CHARACTERS = 60
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
USERNAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
RESERVED_USERNAMES = frozenset(
    {PUBLISHER, "admin", "administrator", "anonymous", "api", "guest", "help", "library", "me", "moderator", "null"}
    | {"official", "owner", "root", "security", "staff", "store", "support", "system", "team", "undefined"}
)


def is_slug(written: str) -> bool:
    """Whether it is of the form `username/agent-slug`."""
    username, _, agent_slug = written.partition("/")
    fits = re.fullmatch(USERNAME_PATTERN, username) and re.fullmatch(SLUG_PATTERN, agent_slug)
    return bool(fits) and max(len(username), len(agent_slug)) <= MAX_SLUG_CHARACTERS


def slug_from(name: str) -> str:
    """A slug for an agent of that name; may be empty, if nothing of it can be written so."""
    return "-".join(re.findall("[a-z0-9]+", name.lower()))[:MAX_SLUG_CHARACTERS].strip("-")
