"""Which blocks there are: the modules of `library/`, imported when somebody asks for the first time."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any
from uuid import UUID

from shared.accounts.permissions import BlockName
from shared.agents.blocks.contract import Block
from shared.tools.docs.ranking import Ranking

AnyBlock = Block[Any, Any]


@cache
def shipped_blocks() -> tuple[AnyBlock, ...]:
    """One of each block that is not disabled, by name."""
    from shared.agents.blocks import library  # many models: a cold start has no use for them

    return tuple(usable(blocks_in(library)))


@cache
def _shipped_by_id() -> dict[str, AnyBlock]:
    return {block.id: block for block in shipped_blocks()}


def shipped_block(block_id: str) -> AnyBlock | None:
    """The shipped block of that very id."""
    return _shipped_by_id().get(block_id)


def usable(found: Iterable[type[AnyBlock]]) -> list[AnyBlock]:
    """One of each that is not disabled, by name."""
    return sorted((block() for block in found if not block.disabled), key=lambda block: block.name)


def blocks_in(package: ModuleType) -> Iterator[type[AnyBlock]]:
    """The block classes of a package's modules, wherever they are put next."""
    for module_info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            is_block = inspect.isclass(value) and issubclass(value, Block) and not inspect.isabstract(value)
            if is_block and value.__module__ == module.__name__:
                yield value


def known_blocks() -> list[BlockName]:
    """How permissions may name them."""
    return [block.named() for block in shipped_blocks()]


def find(blocks: Iterable[AnyBlock], written: str) -> AnyBlock | None:
    """The block of that id or, in any case, that name."""
    wanted = _normal(written)
    return next((block for block in blocks if wanted in {_normal(block.id), _normal(block.name)}), None)


def search(blocks: Iterable[AnyBlock], query: str, limit: int) -> list[AnyBlock]:
    """Those that fit best, the best first; the one that the query names stands before all."""
    candidates = list(blocks)
    named = find(candidates, query)
    # A name says more than a description.
    ranking = Ranking([f"{block.name} {block.name} {block.category} {block.description}" for block in candidates])
    ranked = [candidates[hit.position] for hit in ranking.best(query, len(candidates))]
    return list(dict.fromkeys([*([named] if named else []), *ranked]))[:limit]


def public(block: AnyBlock) -> dict[str, Any]:
    """What the API tells of a block."""
    return {
        "id": block.id,
        "name": block.name,
        "description": block.description,
        "category": block.category,
        "price_credits": block.price_credits,
        "side_effect": block.side_effect,
        "needs_review": block.needs_review,
        "credentials": list(block.credentials),
        "is_loop": block.is_loop,
        "in_chat": block.in_chat,
        "input_schema": block.input_model.model_json_schema(),
        "output_schema": block.output_model.model_json_schema(),
        "examples": [{"inputs": dict(one.inputs), "outputs": dict(one.outputs)} for one in block.examples],
    }


def _normal(written: str) -> str:
    try:
        return str(UUID(written))
    except ValueError:
        return written.strip().casefold()
