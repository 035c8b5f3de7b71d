"""The file tools on a workspace: what a model can do with the files of its session, and no others."""

import base64

import pytest

from shared.aws.writes import Put
from shared.kernel.errors import ToolError
from shared.tools.workspace.records import FileRecord
from shared.tools.workspace.store import Workspace
from tests.support.workspace import Desk


def code_of(refused: pytest.ExceptionInfo[ToolError]) -> str:
    return refused.value.code


def test_what_is_written_can_be_read(desk: Desk) -> None:
    """A file comes back as it was written, with its size, type and time."""
    desk.write("notes/plan.md", "Grüße\n")

    found = desk.read("./notes/plan.md")

    assert (found.content, found.size, found.content_type) == ("Grüße\n", 8, "text/markdown")
    assert (found.encoding, found.next_offset, found.modified_at) == ("text", None, "2025-06-15T15:06:40.000Z")


def test_bytes_are_written_as_base64(desk: Desk) -> None:
    """What is no text is described, and comes as base64 in ranges."""
    body = bytes(range(256))
    desk.write("picture.png", None, content_base64=base64.b64encode(body).decode())

    described, read = desk.read("picture.png"), desk.read("picture.png", offset=10, length=20)

    assert (described.encoding, described.content, described.size) == ("none", None, 256)
    assert described.content_type == "image/png"
    assert (read.encoding, read.next_offset) == ("base64", 30)
    assert base64.b64decode(read.content or "") == body[10:30]


def test_an_empty_file_is_a_file(desk: Desk) -> None:
    """Nothing is something: it can be listed and read."""
    desk.write("empty.txt", "")

    assert desk.read("empty.txt").content == ""
    assert desk.paths() == ["empty.txt"]


def test_exactly_one_content(desk: Desk) -> None:
    """Both or none is refused, and so is base64 that is none."""
    with pytest.raises(ToolError) as both:
        desk.write("a", "text", content_base64="AAAA")
    with pytest.raises(ToolError) as none:
        desk.write("a", None)
    with pytest.raises(ToolError) as broken:
        desk.write("a", None, content_base64="%%%")

    assert [code_of(e) for e in (both, none, broken)] == ["content_ambiguous", "content_missing", "content_invalid"]
    assert desk.object_keys() == []


def test_what_is_too_long_for_a_call_is_refused(desk: Desk) -> None:
    """Counted in bytes, as it is stored."""
    desk.write("fits", "\u20ac" * 25_000)
    with pytest.raises(ToolError) as refused:
        desk.write("a", "\u20ac" * 25_001)
    assert code_of(refused) == "content_too_large"


def test_empty_arguments_hint_at_a_truncated_call() -> None:
    """A model that ran out of tokens hears why nothing arrived."""
    from shared.tools.write_workspace_file import WriteWorkspaceFileInput

    with pytest.raises(ToolError, match="truncated") as refused:
        WriteWorkspaceFileInput.model_validate({})
    assert code_of(refused) == "arguments_truncated"


def test_a_file_is_not_overwritten_by_mistake(desk: Desk) -> None:
    """An existing file is only replaced when that is said; its old bytes are gone then."""
    desk.write("a.txt", "old")

    with pytest.raises(ToolError) as refused:
        desk.write("a.txt", "new")
    replaced = desk.write("a.txt", "new", overwrite=True)

    assert code_of(refused) == "file_exists"
    assert replaced.replaced
    assert desk.read("a.txt").content == "new"
    assert len(desk.object_keys()) == 1


def test_a_deleted_file_is_gone(desk: Desk) -> None:
    """Its row, its bytes and its share of the quota."""
    desk.write("a.txt")
    desk.delete("a.txt")

    with pytest.raises(ToolError) as again:
        desk.delete("a.txt")
    with pytest.raises(ToolError) as read:
        desk.read("a.txt")

    assert code_of(again) == code_of(read) == "file_not_found"
    assert (desk.object_keys(), desk.paths(), desk.used()) == ([], [], 0)


def test_a_list_has_pages_and_prefixes(desk: Desk) -> None:
    """Files come in the order of their paths, in pages that neither skip nor repeat."""
    for path in ("b/2.txt", "a.txt", "b/1.txt", "bc.txt", "b/3/x.txt"):
        desk.write(path)

    pages, cursor = [], None
    while True:
        page = desk.page(limit=2, cursor=cursor)
        pages.append([file.path for file in page.files])
        cursor = page.next_cursor
        if cursor is None:
            break

    assert pages == [["a.txt", "b/1.txt"], ["b/2.txt", "b/3/x.txt"], ["bc.txt"]]
    assert [file.path for file in desk.page(prefix="b/").files] == ["b/1.txt", "b/2.txt", "b/3/x.txt"]
    assert [file.path for file in desk.page(prefix="b").files] == ["b/1.txt", "b/2.txt", "b/3/x.txt", "bc.txt"]
    assert desk.page(prefix="b/", cursor="a.txt").files[0].path == "b/1.txt"
    assert desk.page(prefix="none/").message == "There are no such files."


def test_a_list_of_long_paths_stays_small(desk: Desk) -> None:
    """A page ends before it would be too large for a row; its cursor goes on."""
    for number in range(100):
        file = FileRecord(f"{number:03}/" + "\u20ac" * 166, 1, "text/plain", 0, "key")
        desk.database.write(Put(file.to_item("S1")))

    first = desk.page(limit=100)
    rest = desk.page(limit=100, cursor=first.next_cursor)

    assert len(first.model_dump_json().encode()) < 64_000
    assert first.next_cursor == first.files[-1].path
    assert len(first.files) + len(rest.files) == 100


def test_other_sessions_files_do_not_exist(desk: Desk) -> None:
    """Neither another user's session nor another one of one's own can be listed, read, replaced or deleted."""
    desk.write("secret.txt", "mine")
    for stranger in (desk.call(user="bob", session="S2"), desk.call(user="ada", session="S2")):
        with pytest.raises(ToolError) as read:
            desk.read("secret.txt", stranger)
        with pytest.raises(ToolError) as delete:
            desk.delete("secret.txt", stranger)
        assert code_of(read) == code_of(delete) == "file_not_found"
        assert desk.paths(stranger) == []
    desk.write("secret.txt", "theirs", desk.call(user="bob", session="S2"))

    assert desk.read("secret.txt").content == "mine"


def test_a_long_text_is_read_in_ranges(desk: Desk) -> None:
    """Over 32 KB there is a preview; ranges that follow next_offset give the whole, whole characters each."""
    text = "".join(f"{number}: 20 € für Möhren 🥕\n" for number in range(2_000))
    desk.write("long.txt", text[:100_000][: len(text)])
    whole = text.encode()

    preview = desk.read("long.txt")
    pieces, offset = [], 0
    while True:
        read = desk.read("long.txt", offset=offset, length=9_999)
        pieces.append(read.content or "")
        if read.next_offset is None:
            break
        offset = read.next_offset

    assert (preview.content, preview.preview) == (None, text[:500])
    assert str(len(whole)) in preview.message
    assert "".join(pieces) == text


def test_a_range_within_a_character_begins_with_the_next(desk: Desk) -> None:
    """Offsets are bytes; the answer says at which byte its text really begins."""
    desk.write("a.txt", "€€€")

    read = desk.read("a.txt", offset=1, length=6)

    assert (read.content, read.offset, read.next_offset) == ("€", 3, 6)


@pytest.mark.parametrize(("offset", "length"), [(9, 10), (100, 1), (0, 2)])
def test_a_range_without_text_is_refused(desk: Desk, offset: int, length: int) -> None:
    """Behind the end, or narrower than a character: an answer would lead to asking the same again."""
    desk.write("a.txt", "€€€")

    with pytest.raises(ToolError) as refused:
        desk.read("a.txt", offset=offset, length=length)
    assert code_of(refused) == "range_invalid"


@pytest.mark.parametrize("character", ['"', "\\", "\n", "€"])
def test_an_answer_fits_into_a_row(desk: Desk, character: str) -> None:
    """A text whose JSON is far longer comes in more pieces, never as an answer that would be cut."""
    text = character * 10_900
    for path in ("a.txt", "b.txt", "c.txt"):
        desk.write(path, text)
    desk.write("long.txt", character * 24_000)

    for path in ("a.txt", "long.txt"):
        read = desk.read(path, offset=0)
        assert len(read.model_dump_json().encode()) < 64_000
        assert read.content
        assert read.next_offset is None or read.next_offset == len(read.content.encode())


def test_the_place_of_tool_outputs_is_not_writable(desk: Desk) -> None:
    """What tools said can't be forged or removed."""
    for act in (lambda: desk.write("tool-outputs/call_1.json"), lambda: desk.delete("tool-outputs/call_1.json")):
        with pytest.raises(ToolError) as refused:
            act()
        assert code_of(refused) == "path_invalid"


def test_a_bucket_that_does_not_answer_is_told_to_the_model(desk: Desk) -> None:
    """The turn goes on; nothing is counted for a file that isn't there."""
    desk.s3.delete_bucket(Bucket="workspace")

    with pytest.raises(ToolError) as refused:
        desk.write("a.txt")

    assert code_of(refused) == "workspace_unavailable"
    assert (desk.used(), desk.paths()) == (0, [])


def test_a_reader_gets_the_old_file_or_the_new_one(desk: Desk) -> None:
    """A file that is replaced between the look at its row and the reading of its bytes is read anew."""
    desk.write("a.txt", "old")
    found = desk.workspace.find("S1", "a.txt")
    assert found is not None
    desk.write("a.txt", "new", overwrite=True)

    assert desk.workspace.read("S1", found) == b"new"


def test_a_forgotten_session_leaves_nothing(desk: Desk) -> None:
    """Files, kept outputs, notes and their share of the quota go; it can be interrupted and taken up again."""
    for number in range(3):
        desk.write(f"{number}.txt")
    desk.outputs.keep(desk.call(), b"{}")
    desk.write("other.txt", context=desk.call(session="S2"))

    def forget(steps: int) -> bool:
        left = iter(range(steps))
        return Workspace(desk.database, desk.objects, desk.clock, desk.quota).forget_session(
            ["ada"], "S1", lambda: next(left, None) is not None
        )

    assert [forget(4), forget(4), forget(4)] == [False, False, True]
    assert [key.split("/")[3] for key in desk.object_keys()] == ["S2"]
    assert list(desk.database.query("#pk = :pk", {"pk": "WORKSPACE#S1"})) == []
    assert desk.used() == 1024
