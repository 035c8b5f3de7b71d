"""Blocks in the chats of tests: one that paints, and what calls of it are answered with."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from shared.accounts.credits import Credits
from shared.agents.blocks.contract import Block, BlockContext, BlockInput, BlockOutput, BlockServices, Category
from shared.agents.blocks.registry import AnyBlock
from shared.agents.offered import OfferedBlocks
from shared.agents.reviews.reviews import Reviews
from shared.agents.tools.block_calls import BlockCalls
from shared.agents.tools.continue_run_block import ContinueRunBlock
from shared.agents.tools.find_block import FindBlock
from shared.agents.tools.run_block import RunBlock
from shared.chat.asking import Means
from shared.chat.block_model import BlockModel
from shared.chat.sessions import Session, create_session
from shared.chat.sub_sessions import SubSessionTurns
from shared.tasks.records import Task
from tests.support.checks import check_over
from tests.support.credentials import SIGNING, open_safe
from tests.support.model import calls, says
from tests.support.region import Parley


class PaintInput(BlockInput):
    """What to paint."""

    text: str


class PaintOutput(BlockOutput):
    """The picture."""

    picture: str = ""


class Paint(Block[PaintInput, PaintOutput]):
    """Costs four credits, and needs what a test says."""

    id: ClassVar[str] = "11111111-1111-4111-8111-111111111111"
    name: ClassVar[str] = "Paint"
    description: ClassVar[str] = "Paint a picture."
    category: ClassVar[Category] = "data"
    input_model: ClassVar[type[BlockInput]] = PaintInput
    output_model: ClassVar[type[BlockOutput]] = PaintOutput
    examples: ClassVar[Sequence[Any]] = ()
    price_credits: ClassVar[int] = 4

    def __init__(self, needs: Sequence[str] = (), *, acts: bool = False) -> None:
        self.painted: list[str] = []
        self.credentials = needs  # type: ignore[misc]
        self.side_effect = self.needs_review = acts  # type: ignore[misc]

    def run(self, context: BlockContext, inputs: PaintInput) -> PaintOutput:
        self.painted.append(inputs.text)
        return PaintOutput(picture=inputs.text.upper())

    def rehearse(self, context: BlockContext, inputs: PaintInput) -> PaintOutput:
        return PaintOutput(picture="(none)")


class Offered(OfferedBlocks):
    """The shipped ones, and one more."""

    def __init__(self, services: BlockServices, more: Paint | None) -> None:
        super().__init__(services)
        self._more = more

    def runnable(self) -> list[AnyBlock]:
        return [*super().runnable(), *([self._more] if self._more else [])]


def with_blocks(parley: Parley, more: Paint | None = None) -> None:
    model = BlockModel(parley.services, Means(parley.model, parley.engine.workers, parley.engine.prices, None))
    safe = open_safe(parley.database, parley.clock)
    safe.connect(SIGNING)
    services = BlockServices(parley.clock, model, SubSessionTurns(parley.services), credentials=safe.vault)
    blocks, reviews = Offered(services, more), Reviews(parley.database, parley.clock)
    block_calls = BlockCalls(blocks, Credits(parley.database, parley.clock))
    run_block, go_on = RunBlock(block_calls, reviews), ContinueRunBlock(block_calls, reviews, parley.clock)
    parley.with_tools(FindBlock(blocks), run_block, go_on)


def begin(parley: Parley, *asked: tuple[str, Mapping[str, Any]], **session: Any) -> tuple[Session, Task]:
    made = create_session(parley.database, parley.clock, parley.services.ids, "ada", **session)
    wanted = [(f"c{number}", name, json.dumps(arguments)) for number, (name, arguments) in enumerate(asked)]
    parley.scripted(calls(*wanted), says("Done"))
    task = parley.send(made).task
    parley.drain_queue()
    return made, task


def results(parley: Parley, session: Session) -> list[dict[str, Any]]:
    return [json.loads(row.content) for row in parley.transcript(session) if row.role == "tool"]


def run(parley: Parley, *asked: tuple[str, Mapping[str, Any]], **session: Any) -> list[dict[str, Any]]:
    """What a turn's calls are answered with."""
    made, task = begin(parley, *asked, **session)
    check_over(parley, made, task.id, "completed")
    return results(parley, made)


def paint(text: str = "river") -> tuple[str, Mapping[str, Any]]:
    return ("run_block", {"block_id": "Paint", "input_data": {"text": text}})


def balance(parley: Parley) -> int:
    return Credits(parley.database, parley.clock).balance("ada")
