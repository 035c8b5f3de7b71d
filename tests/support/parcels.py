"""A tool that waits for something that others do, and those who do it."""

from collections.abc import Mapping
from typing import Any, Literal

from shared.aws.writes import Put
from shared.kernel.clock import to_millis
from shared.tasks.wait import Wait
from shared.tasks.waits import wake_waiters
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from tests.support.region import Parley


class FetchInput(ToolInput):
    """Which parcels to wait for."""

    parcels: list[str]
    need: Literal["any", "all"] = "any"
    seconds: int = 3600


class Fetched(ToolResponse):
    """What has arrived."""

    type: Literal["fetched"] = "fetched"
    arrived: list[str]


class Fetch(Tool[FetchInput]):
    """Waits for parcels, which are records that somebody else closes."""

    name = "fetch"
    description = "Fetch parcels."
    input_model = FetchInput

    def __init__(self, parley: Parley) -> None:
        self._parley = parley
        self.begun = 0
        self.resumed: list[Mapping[str, Any]] = []

    def run(self, context: ToolContext, arguments: FetchInput) -> Fetched | Wait:
        self.begun += 1
        until = to_millis(self._parley.clock.now()) + arguments.seconds * 1000
        on = tuple(f"PARCEL#{name}" for name in arguments.parcels)
        return Wait(on, until, arguments.need, {"for": context.tool_call_id})

    def resume(self, context: ToolContext, arguments: FetchInput, note: Mapping[str, Any]) -> Fetched | Wait:
        self.resumed.append(note)
        rows = [self._parley.database.get({"pk": f"PARCEL#{name}", "sk": "META"}) for name in arguments.parcels]
        return Fetched(
            arrived=[
                name for name, row in zip(arguments.parcels, rows, strict=True) if row and row["status"] == "arrived"
            ]
        )


def order(parley: Parley, *names: str) -> None:
    """Parcels on their way."""
    for name in names:
        parley.database.write(Put({"pk": f"PARCEL#{name}", "sk": "META", "status": "pending"}))


def arrive(parley: Parley, name: str) -> None:
    """The record changes; the stream tells of it when `parcel_told` is called."""
    parley.database.write(Put({"pk": f"PARCEL#{name}", "sk": "META", "status": "arrived"}))


def told(parley: Parley, name: str) -> int:
    """What the State table's stream causes."""
    return wake_waiters(parley.database, parley.services.queue, parley.clock, f"PARCEL#{name}")
