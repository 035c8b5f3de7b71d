"""Cutting a text so that an answer stays below what a row may hold."""

import json
from bisect import bisect_right


def fitting(text: str, json_bytes: int) -> str:
    """The longest beginning of `text` that needs no more than `json_bytes` as a JSON string in UTF-8."""
    sizes = range(1, len(text) + 1)
    return text[: bisect_right(sizes, json_bytes, key=lambda length: _size(text[:length]))]


def _size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())
