"""What arguments of tools look like."""

from typing import Annotated

from pydantic import StringConstraints

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
"""A name, an id or the like; empty: not given."""
