"""Finding agents by words that people remember, with the mistakes that they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Generic, TypeVar

from shared.tools.docs.ranking import words

MAX_QUERY_CHARACTERS = 400
_MOST_WORDS = 8
"""Of a query."""
_DESCRIPTION_CHARACTERS = 500
"""Of each description: what a search looks at is bounded."""
_ALIKE = 0.75
"""From which ratio on a word counts as another one with a mistake in it."""
_NAME_ALIKE = 0.7
_OF_DESCRIPTION = 0.6
"""What a word of a description is worth, next to one of a name."""
_PART_OF_NAME = 0.8
_LEAST = 0.3

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Candidate(Generic[ItemT]):
    """What may be meant."""

    item: ItemT
    name: str
    description: str


@dataclass(frozen=True)
class Match(Generic[ItemT]):
    """What fits, and how well: 1 is best."""

    item: ItemT
    score: float


def matches(query: str, candidates: Iterable[Candidate[ItemT]], limit: int) -> list[Match[ItemT]]:
    """Those that fit the query, the best first, equals in their own order."""
    query = query[:MAX_QUERY_CHARACTERS]
    wanted = list(dict.fromkeys(_words(query)))[:_MOST_WORDS]
    indexed = [
        (one, frozenset(_words(one.name)), frozenset(_words(one.description[:_DESCRIPTION_CHARACTERS])))
        for one in candidates
    ]
    vocabulary = sorted({word for _, name, description in indexed for word in name | description})
    likenesses = [_likenesses(word, vocabulary) for word in wanted]
    plain = " ".join(query.casefold().split())
    found = [
        Match(one.item, max(_words_score(likenesses, name, description), _name_score(plain, one.name)))
        for one, name, description in indexed
    ]
    fitting = [match for match in found if match.score >= _LEAST]
    return sorted(fitting, key=lambda match: -match.score)[:limit]


def _words(text: str) -> list[str]:
    """The words that count; all of them if none does."""
    return words(text) or text.casefold().split()


def _likenesses(word: str, vocabulary: Sequence[str]) -> dict[str, float]:
    """The words that `word` may stand for, and how sure that is."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(word)
    found: dict[str, float] = {}
    for other in vocabulary:
        if other == word:
            found[other] = 1.0
        elif len(word) >= 3 and other.startswith(word):
            found[other] = 0.9
        elif (ratio := _ratio(matcher, other, _ALIKE)) >= _ALIKE:
            found[other] = ratio * 0.9
    return found


def _ratio(matcher: "SequenceMatcher[str]", other: str, least: float) -> float:
    """How alike they are; 0 as soon as it is clear that it is less than `least`."""
    matcher.set_seq1(other)
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    return matcher.ratio()


def _words_score(likenesses: Sequence[dict[str, float]], name: frozenset[str], description: frozenset[str]) -> float:
    """How many of the wanted words there are, and how surely; a name that has fewer others stands before."""
    if not likenesses:
        return 0.0
    in_name = [_best(likeness, name) for likeness in likenesses]
    in_description = [_best(likeness, description) * _OF_DESCRIPTION for likeness in likenesses]
    found = sum(map(max, in_name, in_description)) / len(likenesses)
    named = min(1.0, sum(in_name) / max(1, len(name)))
    return found * (0.95 + 0.05 * named)


def _best(likeness: dict[str, float], present: frozenset[str]) -> float:
    return max((score for word, score in likeness.items() if word in present), default=0.0)


def _name_score(query: str, name: str) -> float:
    """For names that are written as one word, or taken apart; parts of them in scripts that write no spaces."""
    name = " ".join(name.casefold().split())
    if query and not query.isascii() and query in name:
        return _PART_OF_NAME
    matcher = SequenceMatcher(a="", b=query, autojunk=False)
    return _ratio(matcher, name, _NAME_ALIKE)
