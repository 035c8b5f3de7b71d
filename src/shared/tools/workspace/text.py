"""Bytes as text, whole or in ranges that need not respect characters."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def text_of(data: bytes, *, at_start: bool = True, at_end: bool = True) -> tuple[int, str] | None:
    """The text in `data` and how many bytes of it were skipped at the start; None if it is not text.

    A range may begin (`at_start` false) or end (`at_end` false) within a character: what is cut of it is left out.
    """
    skipped = 0
    while not at_start and skipped < min(3, len(data)) and data[skipped] & 0xC0 == 0x80:
        skipped += 1
    for cut in range(1 if at_end else 4):
        try:
            text = data[skipped : len(data) - cut].decode()
        except UnicodeDecodeError:
            continue
        return None if _CONTROL.search(text) else (skipped, text)
    return None
