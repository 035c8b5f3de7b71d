"""What a session may use, and what its children get of it."""

import itertools

import pytest

from shared.accounts.permissions import BlockName, Permissions

TOOLS = ("a", "b", "c", "d")
SUBSETS = [frozenset(chosen) for size in range(3) for chosen in itertools.combinations(TOOLS, size)]
LISTS = [Permissions.of_lists(chosen, tools_exclude=deny) for chosen in SUBSETS for deny in (True, False)]
TEMPLATE = BlockName("db7d8f02-2f44-4c55-ab7a-eae0941f0c30", "Text Template")


def test_empty_lists_allow_everything() -> None:
    """Whichever kind of list they are."""
    for deny in (True, False):
        permissions = Permissions.of_lists(tools_exclude=deny, blocks_exclude=deny)
        assert permissions.allowed(TOOLS) == set(TOOLS)
        assert permissions.allows_block(TEMPLATE)
        assert permissions.to_item() == {}


def test_a_list_denies_unless_it_says_that_it_allows() -> None:
    """`tools_exclude` is true by default."""
    assert Permissions.of_lists(["a"]).allowed(TOOLS) == {"b", "c", "d"}
    assert Permissions.of_lists(["a"], tools_exclude=False).allowed(TOOLS) == {"a"}


def test_a_child_gets_the_intersection() -> None:
    """For any two lists, and for a third below them: exactly the tools that each level allows, never more."""
    for parent, child in itertools.product(LISTS, LISTS):
        inherited = child.within(parent)
        assert inherited.allowed(TOOLS) == parent.allowed(TOOLS) & child.allowed(TOOLS)
        assert Permissions.from_item(inherited.to_item()).allowed(TOOLS) == inherited.allowed(TOOLS)
    for grandchild in LISTS:
        below = grandchild.within(LISTS[7].within(LISTS[12]))
        assert below.allowed(TOOLS) <= LISTS[12].allowed(TOOLS) & LISTS[7].allowed(TOOLS)


def test_two_lists_with_nothing_in_common_leave_nothing() -> None:
    """And not everything, as an empty list would."""
    one, other = (Permissions.of_lists([name], tools_exclude=False) for name in ("a", "b"))
    assert one.within(other).allowed(TOOLS) == frozenset()


def test_a_child_asks_at_least_as_often() -> None:
    """Approval that the parent needs, the child needs too."""
    parent, child = Permissions.of_lists(needs_approval=["a"]), Permissions.of_lists(needs_approval=["b"])
    assert child.within(parent).needs_approval == {"a", "b"}


@pytest.mark.parametrize(
    "entry", ["text template", " TEXT Template", "db7d8f02-2f44-4c55-ab7a-eae0941f0c30", "DB7D8F02", "db7d8f02"]
)
def test_a_block_has_several_names(entry: str) -> None:
    """Its name in any case, its whole UUID, or the first 8 digits."""
    assert not Permissions.of_lists(blocks=[entry]).allows_block(TEMPLATE)
    assert Permissions.of_lists(blocks=[entry], blocks_exclude=False).allows_block(TEMPLATE)
    assert Permissions.of_lists(blocks=[entry]).unknown_blocks([TEMPLATE]) == []


def test_every_level_must_allow_a_block() -> None:
    """However deep."""
    parent = Permissions.of_lists(blocks=["Text Template"])
    child = Permissions.of_lists(blocks=["db7d8f02"], blocks_exclude=False)
    assert child.allows_block(TEMPLATE)
    assert not child.within(parent).allows_block(TEMPLATE)


def test_unknown_names_are_found() -> None:
    """So that a session with a typing error in its lists is never created."""
    permissions = Permissions.of_lists(["a", "x"], ["nope", "db7d8f0"], needs_approval=["y"])
    assert permissions.unknown_tools(TOOLS) == ["x", "y"]
    assert permissions.unknown_blocks([TEMPLATE]) == ["db7d8f0", "nope"]
