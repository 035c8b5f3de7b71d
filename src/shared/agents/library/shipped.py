"""The agents that come with Parley: files, so that a fresh deployment has them."""

from datetime import datetime
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from shared.agents.graphs.model import Graph
from shared.kernel.clock import to_millis

PUBLISHER = "parley"
"""The username that nobody can claim."""
_FOLDER = Path(__file__).parent / "seeds"


class _File(BaseModel):
    """Of `seeds/`. A graph that is changed gets a higher version: who has added it keeps the one that they have."""

    model_config = ConfigDict(extra="forbid")

    version: int
    published_at: datetime
    graph: Graph


class Shipped(BaseModel):
    """An agent that comes with Parley."""

    model_config = ConfigDict(frozen=True)

    slug: str
    """`parley/agent-slug`."""
    version: int
    published_at: int
    graph: Graph


@cache
def shipped_agents() -> tuple[Shipped, ...]:
    """All of them, by name."""
    found = [_shipped(path) for path in _FOLDER.glob("*.json")]
    return tuple(sorted(found, key=lambda shipped: shipped.graph.name))


def shipped_agent(slug: str) -> Shipped | None:
    """The one of that slug."""
    return next((shipped for shipped in shipped_agents() if shipped.slug == slug), None)


def _shipped(path: Path) -> Shipped:
    file = _File.model_validate_json(path.read_bytes())
    return Shipped(
        slug=f"{PUBLISHER}/{path.stem}",
        version=file.version,
        published_at=to_millis(file.published_at.timestamp()),
        graph=file.graph,
    )
