"""Ids of nodes: each has one that is well-formed and its own, and links follow."""

import re
from typing import Any

from shared.agents.graphs.problem import quoted
from shared.agents.graphs.repairs.form import Draft
from shared.agents.graphs.repairs.notes import Notes

_WELL_FORMED = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 56
"""Of an id that gets a number behind it."""


def repair_ids(draft: Draft, notes: Notes) -> None:
    """Give every node an id; of two with the same one, the second gets another."""
    ids = _Ids(draft["nodes"], notes)
    draft["nodes"] = [node for number, node in enumerate(draft["nodes"], start=1) if ids.settle(number, node)]
    _follow(draft["links"], ids.renamed, notes)


class _Ids:
    """The ids that are taken."""

    def __init__(self, nodes: list[Draft], notes: Notes) -> None:
        self._notes = notes
        self._used = {one for one in (_text(node.get("id")) for node in nodes) if _WELL_FORMED.fullmatch(one)}
        self._firsts: dict[str, Draft] = {}
        """By the id that was written: the first node, as it was."""
        self.renamed: dict[str, str] = {}
        """The id that was written to the one that its first node has."""

    def settle(self, number: int, node: Draft) -> bool:
        """Give the node its id; False if it is a copy of an earlier one."""
        old = _text(node.get("id"))
        first = self._firsts.get(old) if old else None
        if first is not None and first == {**node, "id": old}:
            self._notes.add(f"Left out node {number}: it was the same as {quoted(old)}.")
            return False
        if first is None and old:
            self._firsts[old] = {**node, "id": old}
        new = old if first is None and _WELL_FORMED.fullmatch(old) else self._free(old, number)
        if new != node.get("id"):
            was = f"it was {quoted(old)}" if old else "it had none"
            others = ", as of an earlier one, to which its links go" if first is not None else ""
            self._notes.add(f"Gave node {number} the id {quoted(new)}; {was}{others}.")
        self._used.add(new)
        self.renamed.setdefault(old, new)
        node["id"] = new
        return True

    def _free(self, old: str, number: int) -> str:
        wanted = _NOT_ALLOWED.sub("-", old).strip("-")[:_LONGEST] or f"node-{number}"
        name, count = wanted, 2
        while name in self._used:
            name, count = f"{wanted}-{count}", count + 1
        return name


def _follow(links: list[Draft], renamed: dict[str, str], notes: Notes) -> None:
    for link in links:
        for side in ("source", "sink"):
            _take_apart(link, side, renamed, notes)
            end = link.get(f"{side}_id")
            new = renamed.get(_text(end), _text(end)) if _text(end) else end
            if new != end:
                link[f"{side}_id"] = new
                notes.add(f"Links to {quoted(end)} go to {quoted(new)}.")


def _take_apart(link: Draft, side: str, known: dict[str, str], notes: Notes) -> None:
    """`fetch.body` as an end is the node and the pin."""
    end = link.get(f"{side}_id")
    if not isinstance(end, str) or f"{side}_name" in link or end in known:
        return
    node, dot, pin = end.partition(".")
    if dot and pin and node in known:
        link[f"{side}_id"], link[f"{side}_name"] = node, pin
        notes.add(f"Took {quoted(end)} apart into node and pin.")


def _text(value: Any) -> str:
    """An id as text; "" if it is none."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
