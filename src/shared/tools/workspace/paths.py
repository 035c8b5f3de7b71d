"""Which paths a file may have, and where it is kept. Nothing here can leave the session's own prefix."""

import re
import unicodedata

from shared.kernel.errors import ToolError
from shared.kernel.ids import digest

SCHEME = "workspace://"
TOOL_OUTPUTS = "tool-outputs"
MAX_PATH_BYTES = 512

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, halves of surrogate pairs, line separators
_REFUSED = frozenset("\\\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # and what reverses the reading
_PLAIN = re.compile(r"[A-Za-z0-9_@+=-][A-Za-z0-9_.@+=-]{0,127}")


def normal_path(written: str, *, or_empty: bool = False) -> str:
    """The one spelling of a relative path: `a/b.txt`. `or_empty` allows "" (everything), for prefixes.

    Raises:
        ToolError: `path_invalid`, with what is wrong.
    """
    path = unicodedata.normalize("NFC", written.removeprefix(SCHEME))
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES or character in _REFUSED for character in path):
        raise _invalid("contains a backslash or a control character")
    if path.startswith("/"):
        raise _invalid("is absolute; write it relative to the workspace, such as notes/plan.md")
    segments = [segment for segment in path.split("/") if segment not in {"", "."}]
    if ".." in segments:
        raise _invalid("contains `..`; nothing outside this session's workspace can be reached")
    if not segments and not or_empty:
        raise _invalid("is empty")
    path = "/".join(segments)
    if len(path.encode()) > MAX_PATH_BYTES:
        raise _invalid(f"is longer than {MAX_PATH_BYTES} bytes")
    return path


def is_tool_output(path: str) -> bool:
    """Whether the path names a large output that was kept, or would."""
    return path.partition("/")[0] == TOOL_OUTPUTS


def session_prefix(user_id: str, session_id: str) -> str:
    """What the keys of all objects of a session begin with; no other session's do."""
    return f"users/{_segment(user_id)}/sessions/{_segment(session_id)}/"


def file_key(user_id: str, session_id: str, path: str, written_by: str) -> str:
    """Where one write keeps its bytes. Each write has a key of its own, so a reader never sees half of two."""
    return f"{session_prefix(user_id, session_id)}files/{path}/{digest(written_by)[:24]}"


def output_path(*parts: str) -> str:
    """The path of a kept output, from the ids that name it."""
    return f"{TOOL_OUTPUTS}/{'.'.join(_segment(part) for part in parts)}.json"


def output_key(user_id: str, session_id: str, path: str) -> str:
    """Where a kept output is."""
    return f"{session_prefix(user_id, session_id)}{path}"


def _segment(text: str) -> str:
    """An id as one segment of a key; ids that others chose may hold anything, so the odd ones are hashed."""
    return text if _PLAIN.fullmatch(text) else f"~{digest(text)[:32]}"


def _invalid(what: str) -> ToolError:
    return ToolError(f"The path {what}.", code="path_invalid")
