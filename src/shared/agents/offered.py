"""The blocks that a chat may run by itself."""

from shared.agents.blocks import registry
from shared.agents.blocks.contract import BlockContext, BlockServices
from shared.agents.blocks.registry import AnyBlock
from shared.tools.contract import ToolContext


class OfferedBlocks:
    """Shipped blocks, less those that this deployment can't run, a chat has a tool for, or the session may not use."""

    def __init__(self, services: BlockServices) -> None:
        self._services = services

    def all(self, context: ToolContext) -> list[AnyBlock]:
        """By name."""
        return [block for block in self.runnable() if context.permissions.allows_block(block.named())]

    def runnable(self) -> list[AnyBlock]:
        """The same for a session that may use everything."""
        return [block for block in registry.shipped_blocks() if block.in_chat and block.is_available(self._services)]

    def search(self, context: ToolContext, query: str, limit: int) -> list[AnyBlock]:
        """Those that fit the query, the best first."""
        return registry.search(self.all(context), query, limit)

    def context(self, context: ToolContext) -> BlockContext:
        """What a block is given that a tool call runs."""
        return BlockContext(context, self._services, context.permissions)
