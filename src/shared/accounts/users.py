"""Users, and guests: people who chat before they have signed in."""

from dataclasses import dataclass

GUEST_PREFIX = "guest:"
"""How a guest's id begins. Only tokens that Parley has issued itself may name such a user."""


@dataclass(frozen=True)
class User:
    """The caller."""

    id: str
    name: str | None = None

    @property
    def is_guest(self) -> bool:
        """Whether the caller has not signed in."""
        return is_guest(self.id)


def is_guest(user_id: str) -> bool:
    """Whether it is the id of somebody who has not signed in."""
    return user_id.startswith(GUEST_PREFIX)
