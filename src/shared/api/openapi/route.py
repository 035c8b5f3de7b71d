"""What is said of a route: what it takes and answers, and what may go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Answer:
    """An answer that is not an error. Without a model it has no body, or is an event stream."""

    says: str
    model: type[BaseModel] | None = None
    example: Any = None
    events: Mapping[str, str] = field(default_factory=dict)
    """Examples of an event stream, by name."""
    schema: Mapping[str, Any] | None = None
    """In place of a model."""


@dataclass(frozen=True)
class Body:
    """What a request brings. It is parsed as JSON whatever its content type says."""

    models: tuple[type[BaseModel], ...]
    examples: Mapping[str, Any]
    required: bool = True


@dataclass(frozen=True)
class Route:
    """One operation."""

    answers: Mapping[int, Answer]
    problems: tuple[str, ...] = ()
    """Codes of `problems.py` beyond those of every route."""
    body: Body | None = None
    signed_in: bool = True
    has_key: bool = False
    """Whether its caller is a service with the deployment's key."""
    other_status: Mapping[str, int] = field(default_factory=dict)
    """Codes that have another status here than elsewhere."""
