"""JSON as models write it: with code fences, and with words before and behind."""

import json
from typing import Any

from shared.agents.blocks.rules.json_text import read_json

_MOST_ATTEMPTS = 200
"""Braces that are tried: words may be full of them."""


def object_in(text: str) -> dict[str, Any] | None:
    """The longest JSON object in a text, whatever surrounds it; None if there is none."""
    decoder, place, best = json.JSONDecoder(), 0, ""
    for _ in range(_MOST_ATTEMPTS):
        place = text.find("{", place)
        if place < 0 or len(text) - place <= len(best):
            break
        try:
            end = decoder.raw_decode(text, place)[1]
        except (ValueError, RecursionError):
            place += 1
            continue
        best = max(best, text[place:end], key=len)
        place = end
    try:
        value = read_json(best)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
