"""The route about blocks."""

from collections.abc import Callable
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Query

from shared.accounts.users import User


def blocks_router(signed_in: Callable[..., User]) -> APIRouter:
    """The routes; `signed_in` finds the caller."""
    router = APIRouter(prefix="/api", tags=["agents"])

    @router.get("/blocks")
    def list_blocks(
        _: Annotated[User, Depends(signed_in)],
        search: Annotated[str, Query(max_length=400)] = "",
        category: Annotated[str, Query(max_length=50)] = "",
    ) -> dict[str, Any]:
        """The blocks that agents are made of, by name; with `search`, those that fit, the best first."""
        from shared.agents.blocks import registry  # many models, of which a cold start needs none
        from shared.agents.blocks.contract import Category

        blocks = [block for block in registry.shipped_blocks() if category in {"", block.category}]
        if search.strip():
            blocks = registry.search(blocks, search, len(blocks))
        return {"blocks": [registry.public(block) for block in blocks], "categories": list(get_args(Category))}

    return router
