"""The rows of a workspace in the State table.

| record | pk                     | sk                      |
|--------|------------------------|-------------------------|
| file   | `WORKSPACE#{session}`  | `FILE#{path}`           |
| change | `WORKSPACE#{session}`  | `CALL#{task}#{call id}` |
| usage  | `USER#{user}`          | `WORKSPACE`             |

A file's row, the user's usage and the change that a tool call made are written in one transaction: usage is always
the sum of the rows, and a call that is repeated after a kill finds that it has been made. A change expires.
"""

from dataclasses import dataclass

from shared.aws.writes import Item, Key

RECORD_VERSION = 1
CHANGE_SECONDS = 2 * 24 * 3600
"""How long a change is remembered; no turn, and so no repetition, lives that long."""
LEAST_CHARGE = 1024
"""What a file counts at least, so that a million empty ones are not free."""


@dataclass(frozen=True)
class FileRecord:
    """One file."""

    path: str
    size: int
    content_type: str
    modified_at: int
    """Milliseconds since the epoch."""
    object_key: str
    """Where its bytes are; another one after each write."""

    @property
    def charge(self) -> int:
        """Bytes that it counts against its owner's quota."""
        return max(self.size, LEAST_CHARGE)

    def to_item(self, session_id: str) -> Item:
        """The stored form."""
        return {
            **file_row(session_id, self.path),
            "v": RECORD_VERSION,
            "size": self.size,
            "content_type": self.content_type,
            "modified_at": self.modified_at,
            "object_key": self.object_key,
        }

    @classmethod
    def from_item(cls, item: Item) -> "FileRecord":
        """The file from its stored form."""
        return cls(
            path=item["sk"].removeprefix("FILE#"),
            size=item["size"],
            content_type=item["content_type"],
            modified_at=item["modified_at"],
            object_key=item["object_key"],
        )


@dataclass(frozen=True)
class Change:
    """What one tool call did."""

    path: str
    size: int
    removed_key: str = ""
    """The object that it made superfluous."""


def workspace(session_id: str) -> str:
    """The partition of a session's files."""
    return f"WORKSPACE#{session_id}"


def file_row(session_id: str, path: str) -> dict[str, str]:
    """The key of a file's row."""
    return {"pk": workspace(session_id), "sk": f"FILE#{path}"}


def change_row(session_id: str, task_id: str, call_id: str) -> dict[str, str]:
    """The key of a change."""
    return {"pk": workspace(session_id), "sk": f"CALL#{task_id}#{call_id}"}


def usage_row(user_id: str) -> Key:
    """The key of a user's counter."""
    return {"pk": f"USER#{user_id}", "sk": "WORKSPACE"}
