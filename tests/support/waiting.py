"""Waiting for something that happens in another thread or process, up to a deadline."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


def eventually(look: Callable[[], ResultT], what: str, seconds: float = 10) -> ResultT:
    """The first true value that `look` answers."""
    limit = time.monotonic() + seconds
    nothing = threading.Event()
    while not (found := look()):
        assert time.monotonic() < limit, f"It did not happen within {seconds} s: {what}"
        nothing.wait(0.02)
    return found
