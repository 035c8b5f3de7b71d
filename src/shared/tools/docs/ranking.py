"""Ranking texts by their words: Okapi BM25 (Robertson and Zaragoza, 2009), for collections that fit into memory."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COMMON = frozenset(
    _WORD.findall(
        "a an and are as at be by can do does for from has have how i in is it its my not of on or that the this "
        "to was what when where which who why will with you your"
    )
)
_SATURATION = 1.2
"""How soon more of the same word stops to count (k1)."""
_LENGTH = 0.75
"""How much a long text has to say a word more often (b)."""


@dataclass(frozen=True)
class Hit:
    """A text that matches, by its position in the collection."""

    position: int
    score: float


def words(text: str) -> list[str]:
    """The words of a text as they are compared: lower case, without the commonest, plurals as singulars.

    `TURN_MAX_STEPS` and `TurnMaxSteps` are three words each.
    """
    found = (word.lower() for piece in _WORD.findall(text) for word in _CAMEL.split(piece))
    return [_singular(word) for word in found if word not in _COMMON]


class Ranking:
    """An index over texts. Make it once; asking it changes nothing."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        self._lengths = [sum(count.values()) for count in counts]
        self._average = max(1.0, sum(self._lengths) / max(1, len(texts)))
        self._places: dict[str, list[tuple[int, int]]] = {}
        for position, count in enumerate(counts):
            for word, times in count.items():
                self._places.setdefault(word, []).append((position, times))

    def best(self, query: str, limit: int) -> list[Hit]:
        """The best matches first, equals in their own order; only texts that have a word of the query."""
        scores: dict[int, float] = {}
        for word in dict.fromkeys(words(query)):
            places = self._places.get(word, [])
            rarity = math.log(1 + (len(self._lengths) - len(places) + 0.5) / (len(places) + 0.5))
            for position, times in places:
                length = 1 - _LENGTH + _LENGTH * self._lengths[position] / self._average
                gain = rarity * times * (_SATURATION + 1) / (times + _SATURATION * length)
                scores[position] = scores.get(position, 0.0) + gain
        ranked = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))
        return [Hit(position, score) for position, score in ranked[:limit]]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
