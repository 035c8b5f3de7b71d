"""What routes take in paths and queries: ids, cursors, sizes of pages."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

MAX_ID_CHARACTERS = 64
"""Longer than any id of ours: what is longer is not looked up, and names nothing."""
MAX_CURSOR_CHARACTERS = 300

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
SomeId = Annotated[str, Query(max_length=MAX_ID_CHARACTERS)]
"""In a query; empty: any."""
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR_CHARACTERS)]
