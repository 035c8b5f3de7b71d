"""The quota, repeated calls and interrupted ones: usage is the sum of the files, whatever happens."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial

import pytest

from shared.kernel.errors import ToolError
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.workspace import Desk


def charged(desk: Desk) -> int:
    """What the files of the session S1 should count."""
    return sum(max(file.size, 1024) for file in desk.page(limit=100).files)


def test_a_full_workspace_takes_nothing_more(desk: Desk) -> None:
    """The write that would exceed the quota is refused, and leaves nothing; room that is made can be used."""
    desk.quota = 10_000
    desk.write("a.txt", "a" * 6_000)

    with pytest.raises(ToolError, match="6,000 of 10,000") as refused:
        desk.write("b.txt", "b" * 4_001)
    desk.write("c.txt", "c" * 4_000)
    desk.delete("a.txt")
    desk.write("b.txt", "b" * 4_001)

    assert refused.value.code == "quota_exceeded"
    assert desk.used() == charged(desk) == 8_001
    assert len(desk.object_keys()) == 2


def test_a_replaced_file_counts_its_difference(desk: Desk) -> None:
    """Shrinking always works; growing only as far as there is room."""
    desk.quota = 10_000
    desk.write("a.txt", "a" * 9_000)
    desk.write("a.txt", "a" * 10_000, overwrite=True)
    with pytest.raises(ToolError):
        desk.write("a.txt", "a" * 10_001, overwrite=True)
    desk.write("a.txt", "a" * 2_000, overwrite=True)

    assert desk.used() == 2_000
    assert len(desk.object_keys()) == 1


def test_small_files_are_not_free(desk: Desk) -> None:
    """A file counts a kilobyte at least."""
    desk.quota = 3_000
    desk.write("a", "")
    desk.write("b", "")
    with pytest.raises(ToolError):
        desk.write("c", "")


def test_the_quota_is_the_users(desk: Desk) -> None:
    """All sessions of a user count together, and no other user's."""
    desk.quota = 2_000
    desk.write("a", context=desk.call(session="S1"))
    with pytest.raises(ToolError):
        desk.write("a", context=desk.call(session="S2"))
    desk.write("a", context=desk.call(user="bob", session="S3"))


def test_parallel_writes_cannot_exceed_the_quota(desk: Desk) -> None:
    """Of many writes at once so many pass as fit; the counter has the last word."""
    desk.quota = 10_500

    def write(number: int) -> str:
        try:
            desk.write(f"{number}.txt", "x" * 2_000)
        except ToolError as error:
            return error.code
        return "kept"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(write, range(12)))

    assert outcomes == ["kept"] * 5 + ["quota_exceeded"] * 7
    assert desk.used() == charged(desk) == 10_000
    assert len(desk.object_keys()) == 5


def test_room_that_is_taken_during_the_upload_is_not_taken_twice(desk: Desk) -> None:
    """The early look at the counter is only a courtesy: the transaction refuses, and the upload is removed."""
    desk.quota = 3_000

    def meanwhile(name: str, number: int) -> None:
        if name == "PutObject":
            desk.watch.on_call = None
            desk.write("first.txt", "x" * 2_000)

    desk.watch.on_call = meanwhile
    with pytest.raises(ToolError) as refused:
        desk.write("second.txt", "x" * 2_000)

    assert refused.value.code == "quota_exceeded"
    assert desk.paths() == ["first.txt"]
    assert len(desk.object_keys()) == 1


def test_two_writers_of_one_file_leave_one(desk: Desk) -> None:
    """The later one replaces the earlier if it may; else it hears of it. Usage and bytes fit to what is left."""
    for overwrite, text in ((True, "later"), (False, "first")):
        path = f"{overwrite}.txt"

        def meanwhile(name: str, number: int, path: str = path) -> None:
            if name == "PutObject":
                desk.watch.on_call = None
                desk.write(path, "first")

        desk.watch.on_call = meanwhile
        with nullcontext() if overwrite else pytest.raises(ToolError, match="already"):
            desk.write(path, "later", overwrite=overwrite)
        assert desk.read(path).content == text
    assert desk.used() == charged(desk) == 2_048


def test_a_repeated_call_changes_nothing_more(desk: Desk) -> None:
    """A write or a delete that is run again with its call's id answers as at first, whatever happened since."""
    write, delete = desk.call(call_id="w"), desk.call(call_id="d")
    first = desk.write("a.txt", "one", write)
    desk.write("a.txt", "two", overwrite=True)

    again = desk.write("a.txt", "one", write)
    assert desk.read("a.txt").content == "two"
    desk.delete("a.txt", delete)
    desk.write("a.txt", "three")
    desk.delete("a.txt", delete)

    assert again == first
    assert desk.read("a.txt").content == "three"


def test_the_same_id_in_another_turn_is_another_call(desk: Desk) -> None:
    """Some providers count their calls from 0 in every turn."""
    desk.write("a.txt", "one", desk.call(call_id="call_0", task="T1"))
    desk.write("a.txt", "two", desk.call(call_id="call_0", task="T2"), overwrite=True)

    assert desk.read("a.txt").content == "two"


@pytest.mark.parametrize("fault", FAULT_KINDS)
def test_an_interrupted_change_happens_once(desk: Desk, fault: FaultKind) -> None:
    """A kill or a lost answer at any call to AWS, and the call again: one change, counted once, nothing left over."""
    at = 0
    while True:
        path, call = f"old_{at}.txt", desk.call(call_id=f"call_{at}", task=fault)
        desk.write(path, "x" * 3_000)
        struck = _interrupted(desk, at, fault, partial(desk.write, path, "new", call, overwrite=True))
        assert desk.write(path, "new", call, overwrite=True).size == 3
        assert desk.read(path).content == "new"
        assert desk.used() == charged(desk) == 1_024
        assert len(desk.object_keys()) == 1

        gone = desk.call(call_id=f"gone_{at}", task=fault)
        struck |= _interrupted(desk, at, fault, partial(desk.delete, path, gone))
        desk.delete(path, gone)
        assert (desk.used(), desk.object_keys(), desk.paths()) == (0, [], [])
        if not struck:
            break
        at += 1
    assert at >= 5


def _interrupted(desk: Desk, at: int, fault: FaultKind, act: Callable[[], object]) -> bool:
    """Run `act` with a fault at its call number `at`; whether it came so far."""
    desk.watch.reset(at, fault)
    with suppress(ToolError, Killed):
        act()
    struck = len(desk.watch.calls) > at
    desk.watch.reset()
    return struck
