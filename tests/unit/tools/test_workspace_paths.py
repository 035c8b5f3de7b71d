"""Which paths a file may have."""

import pytest

from shared.kernel.errors import ToolError
from shared.tools.workspace.paths import file_key, normal_path, output_key, output_path, session_prefix


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("notes.md", "notes.md"),
        ("a/b/c.txt", "a/b/c.txt"),
        ("./a//b/./c.txt", "a/b/c.txt"),
        ("folder/", "folder"),
        ("workspace://tool-outputs/call_1.json", "tool-outputs/call_1.json"),
        ("Entwu\u0308rfe/Pla\u0308ne.md", "Entw\u00fcrfe/Pl\u00e4ne.md"),
        ("two words.txt", "two words.txt"),
        ("..hidden/...", "..hidden/..."),
        ("%2e%2e/secret", "%2e%2e/secret"),
        ("x" * 512, "x" * 512),
    ],
)
def test_a_path_has_one_spelling(written: str, normal: str) -> None:
    """Dots, doubled slashes and ways to write an umlaut don't make different files; nothing is decoded."""
    assert normal_path(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "./",
        "..",
        "../other",
        "a/../b",
        "a/..",
        "/etc/passwd",
        "workspace:///etc/passwd",
        "workspace://../x",
        "a\\b",
        "..\\x",
        "a\x00b",
        "a\nb",
        "a\x7fb",
        "a\u2028b",
        "txt.\u202egpj.exe",
        "\ud800",
        "x" * 513,
        "\u00fc" * 257,
    ],
)
def test_what_is_no_path_is_refused(written: str) -> None:
    """Climbing, absolute, with backslashes, control or reversing characters, too long in bytes, or nothing."""
    with pytest.raises(ToolError) as refused:
        normal_path(written)
    assert refused.value.code == "path_invalid"


def test_only_a_prefix_may_be_empty() -> None:
    """Everything is a list, not a file."""
    assert normal_path("", or_empty=True) == ""


def test_keys_stay_below_their_session() -> None:
    """Whatever a provider calls a user or a call, the key is below one session's prefix, and ids don't collide."""
    assert file_key("ada", "S1", "a.txt", "T1#c1").startswith("users/ada/sessions/S1/files/a.txt/")
    assert output_key("ada", "S1", output_path("call_1")) == "users/ada/sessions/S1/tool-outputs/call_1.json"
    odd = ["auth0|ada", "../../bob", "bob/sessions/S9", "", ".", "x" * 300]
    prefixes = {session_prefix(user, "S1") for user in odd}
    assert len(prefixes) == len(odd)
    assert all(prefix.count("/") == 4 and ".." not in prefix for prefix in prefixes)
    assert output_path("../x").count("/") == 1
    assert len(file_key("x" * 300, "S" * 300, "p" * 512, "c").encode()) <= 1024
