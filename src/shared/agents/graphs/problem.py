"""What is wrong with a graph, said so that whoever builds it knows what to do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

MOST_PROBLEMS = 100
_MOST_NAMES = 20
_MOST_CHARACTERS = 80
_MOST_MESSAGE = 600


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    code: str
    """Stable; docs/agents.md lists them."""
    node_id: str
    """The node where it is to be put right; empty: the graph as a whole."""
    message: str
    """A sentence that says what to do."""

    @classmethod
    def at(cls, node_id: str, code: str, message: str) -> "Problem":
        """A problem of bounded length."""
        return cls(code, node_id, message if len(message) <= _MOST_MESSAGE else f"{message[: _MOST_MESSAGE - 1]}…")


def bounded(problems: Iterator[Problem]) -> list[Problem]:
    """The first hundred, and how many more there are."""
    first = list(islice(problems, MOST_PROBLEMS))
    more = sum(1 for _ in problems)
    if more:
        first.append(Problem("too_many_problems", "", f"There are {more} more; repair these first."))
    return first


def quoted(name: object) -> str:
    """A name as messages show it."""
    text = str(name)
    return f'"{text}"' if len(text) <= _MOST_CHARACTERS else f'"{text[:_MOST_CHARACTERS]}…"'


def listed(names: Iterable[object], none: str = "none") -> str:
    """Some names, the first twenty."""
    shown: Sequence[str] = [quoted(name) for name in islice(names, _MOST_NAMES + 1)]
    if len(shown) > _MOST_NAMES:
        shown = [*shown[:_MOST_NAMES], "…"]
    return ", ".join(shown) or none
