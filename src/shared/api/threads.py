"""Letting the event loop go on while a use case reads and writes."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def in_thread(work: Callable[[], ResultT]) -> ResultT:
    """What `work` returns, done in a thread."""
    return await asyncio.to_thread(work)
