"""What the tools about runs of agents work with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.agents.library.library import Library
from shared.agents.library.marketplace import Marketplace
from shared.agents.running import AgentRuns
from shared.agents.scheduling import Scheduling
from shared.aws.database import Database
from shared.kernel.clock import Clock

if TYPE_CHECKING:
    from shared.agents.blocks.contract import CredentialSource
    from shared.agents.graphs.schemas import FindBlock


@dataclass(frozen=True)
class AgentMeans:
    """Handed in by whoever lists the tools."""

    database: Database
    clock: Clock
    runs: AgentRuns
    scheduling: Scheduling | None = None
    """None: this deployment keeps no schedules."""
    credentials: "CredentialSource | None" = None
    """None: this deployment keeps no users' credentials."""
    find_block: "FindBlock | None" = None
    """None: the blocks that Parley ships."""

    @property
    def library(self) -> Library:
        """The agents of users."""
        return Library(self.database, self.clock)

    @property
    def marketplace(self) -> Marketplace:
        """Published agents."""
        return Marketplace(self.database, self.clock)
