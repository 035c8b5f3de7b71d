"""The blocks that a chat may run by itself."""

from collections.abc import Mapping
from typing import Any

from shared.agents.blocks import registry
from shared.agents.blocks.contract import BlockContext, BlockServices
from shared.agents.blocks.registry import AnyBlock
from shared.kernel.errors import ToolError
from shared.tools.contract import ToolContext


class OfferedBlocks:
    """Shipped blocks, less those that this deployment can't run, a chat has a tool for, or the session may not use."""

    def __init__(self, services: BlockServices) -> None:
        self._services = services

    def all(self, context: ToolContext) -> list[AnyBlock]:
        """By name."""
        return [block for block in self.runnable() if context.permissions.allows_block(block.named())]

    def for_agents(self, context: ToolContext) -> list[AnyBlock]:
        """What an agent of this session may be built of: also what a chat has tools for."""
        available = [block for block in registry.shipped_blocks() if block.is_available(self._services)]
        return [block for block in available if context.permissions.allows_block(block.named())]

    def runnable(self) -> list[AnyBlock]:
        """The same for a session that may use everything."""
        return [block for block in registry.shipped_blocks() if block.in_chat and block.is_available(self._services)]

    def search(self, context: ToolContext, query: str, limit: int) -> list[AnyBlock]:
        """Those that fit the query, the best first."""
        return registry.search(self.all(context), query, limit)

    def missing_credentials(self, user_id: str, block: AnyBlock, given: Mapping[str, Any]) -> list[str]:
        """The providers that the block needs with these inputs, and of which the user has no account.

        Raises:
            ToolError: `credentials_not_configured`.
        """
        needed = block.credentials_for(given)
        if not needed:
            return []
        if self._services.credentials is None:
            raise ToolError("This deployment keeps no credentials.", code="credentials_not_configured")
        return self._services.credentials.missing(user_id, needed)

    def context(self, context: ToolContext) -> BlockContext:
        """What a block is given that a tool call runs."""
        return BlockContext(context, self._services, context.permissions)
