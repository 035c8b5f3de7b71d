"""Waiting for something that happens in another thread or process, up to a deadline."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

PATIENCE = 150
"""Seconds after which a test gives up, on whatever machine: long, for it waits that long only to fail."""


def eventually(look: Callable[[], ResultT], what: str, seconds: float = PATIENCE) -> ResultT:
    """The first true value that `look` answers."""
    limit = time.monotonic() + seconds
    nothing = threading.Event()
    while not (found := look()):
        assert time.monotonic() < limit, f"It did not happen within {seconds} s: {what}"
        nothing.wait(0.02)
    return found
