"""docs/protocol.md knows every code that a client may meet."""

import re
from pathlib import Path

import pytest

from shared.api.openapi.problems import PROBLEMS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
CLIENT_ROOMS = ("api", "chat", "socket")
NEVER_SHOWN = {"queue_unavailable", "stopped", "stopped_by_user", "insufficient_credits", "too_many_operations"}
"""Codes that stay inside: they are logged, or in a tool's response."""


_OF_CALLS = {"tool_call.py", "tool_step.py", "offer.py", "sub_sessions.py"}
"""What answers the model, not the client."""


def codes_in(*rooms: str) -> set[str]:
    """The codes of errors in the source of some rooms, but for those of tool calls."""
    paths = [path for room in rooms for path in (ROOT / "src" / "shared" / room).rglob("*.py")]
    paths += (ROOT / "functions").rglob("*.py")
    texts = [path.read_text() for path in paths if path.name not in _OF_CALLS]
    named = {code for text in texts for code in re.findall(r'code="(\w+)"', text)}
    return named | {code for text in texts for code in re.findall(r'ModelFailed\(\s*"(\w+)"', text)}


@pytest.mark.parametrize("code", sorted(codes_in(*CLIENT_ROOMS) | PROBLEMS.keys()))
def test_every_code_is_explained(code: str) -> None:
    """A new one needs a line in docs/protocol.md."""
    assert code in NEVER_SHOWN or f"`{code}`" in PAGE, f"explain `{code}` in docs/protocol.md, in the section on errors"
