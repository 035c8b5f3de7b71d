"""What a session may use: tools and blocks, as allow or deny lists. Pure rules, and their stored form.

A child gets a parent's permissions as further levels, and each level must allow: so whatever the lists say,
the child is never wider. (Two disjoint allow lists leave nothing; joined to one list they would be empty,
and an empty list means everything.)
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_SHORT_BLOCK_ID = 8


@dataclass(frozen=True)
class BlockName:
    """The ways in which a list may name a block: its name in any case, its UUID, or how that begins."""

    id: str
    name: str

    @property
    def forms(self) -> frozenset[str]:
        """All of them, normalized."""
        block_id = _normal_id(self.id)
        return frozenset({_normal_name(self.name), block_id, block_id[:_SHORT_BLOCK_ID]})


@dataclass(frozen=True)
class Level:
    """One session's own lists; an empty list allows everything, whatever its kind."""

    tools: frozenset[str] = frozenset()
    tools_exclude: bool = True
    """The tools are those that are denied; False: the only ones allowed."""
    blocks: frozenset[str] = frozenset()
    blocks_exclude: bool = True

    def allows_tool(self, name: str) -> bool:
        """Whether this level lets the tool be used."""
        return not self.tools or (name in self.tools) is not self.tools_exclude

    def allows_block(self, block: BlockName) -> bool:
        """Whether this level lets the block be used."""
        if not self.blocks:
            return True
        listed = not block.forms.isdisjoint({_normal_block(name) for name in self.blocks})
        return listed is not self.blocks_exclude

    def to_item(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "tools": sorted(self.tools),
            "tools_exclude": self.tools_exclude,
            "blocks": sorted(self.blocks),
            "blocks_exclude": self.blocks_exclude,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Level":
        """The level from its stored form."""
        return cls(
            frozenset(item.get("tools", ())),
            item.get("tools_exclude", True),
            frozenset(item.get("blocks", ())),
            item.get("blocks_exclude", True),
        )


@dataclass(frozen=True)
class Permissions:
    """A session's levels, its own first, and the tools that it may use only with the user's approval."""

    levels: tuple[Level, ...] = ()
    needs_approval: frozenset[str] = frozenset()

    def allows_tool(self, name: str) -> bool:
        """Whether each level lets the tool be used."""
        return all(level.allows_tool(name) for level in self.levels)

    def allows_block(self, block: BlockName) -> bool:
        """Whether each level lets the block be used."""
        return all(level.allows_block(block) for level in self.levels)

    def allowed(self, tools: Iterable[str]) -> frozenset[str]:
        """Those of the tools that may be used: of a child, the intersection of its own and its parent's."""
        return frozenset(name for name in tools if self.allows_tool(name))

    def within(self, parent: "Permissions") -> "Permissions":
        """What a child that asks for these gets from `parent`: never wider, and asking at least as often."""
        levels = dict.fromkeys((*self.levels, *parent.levels))
        return Permissions(tuple(levels), self.needs_approval | parent.needs_approval)

    def is_within(self, parent: "Permissions") -> bool:
        """Whether each of the parent's levels binds here too, and what it asks for is asked for here."""
        return set(self.levels) >= set(parent.levels) and self.needs_approval >= parent.needs_approval

    def to_item(self) -> dict[str, Any]:
        """The stored form; {} allows everything."""
        item: dict[str, Any] = {}
        if self.levels:
            item["levels"] = [level.to_item() for level in self.levels]
        if self.needs_approval:
            item["needs_approval"] = sorted(self.needs_approval)
        return item

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Permissions":
        """The permissions from their stored form."""
        levels = tuple(Level.from_item(level) for level in item.get("levels", ()))
        return cls(levels, frozenset(item.get("needs_approval", ())))

    @classmethod
    def of_lists(
        cls,
        tools: Collection[str] = (),
        blocks: Collection[str] = (),
        needs_approval: Collection[str] = (),
        *,
        tools_exclude: bool = True,
        blocks_exclude: bool = True,
    ) -> "Permissions":
        """Those of a session of its own."""
        level = Level(frozenset(tools), tools_exclude, frozenset(blocks), blocks_exclude)
        return cls((level,) if tools or blocks else (), frozenset(needs_approval))

    def unknown_tools(self, known: Collection[str]) -> list[str]:
        """The names in the lists that no tool has."""
        named = self.needs_approval.union(*(level.tools for level in self.levels))
        return sorted(named.difference(known))

    def unknown_blocks(self, known: Iterable[BlockName]) -> list[str]:
        """The entries of the lists that mean no block."""
        forms = frozenset[str]().union(*(block.forms for block in known))
        named = frozenset[str]().union(*(level.blocks for level in self.levels))
        return sorted(entry for entry in named if _normal_block(entry) not in forms)


def _normal_block(entry: str) -> str:
    """An entry of a list as `BlockName.forms` has it, if it means a block."""
    try:
        return _normal_id(entry)
    except ValueError:
        return _normal_name(entry)


def _normal_id(text: str) -> str:
    return str(UUID(text))


def _normal_name(text: str) -> str:
    return text.strip().casefold()
