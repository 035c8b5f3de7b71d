"""What viewers of a run are shown: how far each node is, where the run is, and at the end what it has brought.

Each node's part replaces its earlier one. Parts go out together, at most once a second: a loop of a thousand rounds
doesn't make a thousand rows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.agents.graphs.model import Graph
from shared.agents.graphs.schemas import FindBlock
from shared.agents.running import RunStatus
from shared.kernel.clock import Clock
from shared.runs.records import Execution
from shared.stream import parts as wire
from shared.stream.parts import Part, encode
from shared.tasks.records import Task

EVERY_SECONDS = 1.0
_RUN = "run"
_OUTPUT_BYTES = 48_000
_VALUES = 10
_NAMES = 20
_CHARACTERS = 400


@dataclass
class _Count:
    running: int = 0
    waiting: int = 0
    done: int = 0
    failed: int = 0


class Progress:
    """Counts what nodes do, and says when to show it."""

    def __init__(self, graph: Graph, find_block: FindBlock, clock: Clock, ended: Sequence[Execution]) -> None:
        self._clock = clock
        blocks = {node.id: find_block(node.block_id) for node in graph.nodes}
        names = {node_id: block.name if block else "" for node_id, block in blocks.items()}
        self._names = {node.id: (node.title or names[node.id], names[node.id]) for node in graph.nodes}
        self._counts = {node.id: _Count() for node in graph.nodes}
        for one in ended:
            self._add(one.node_id, one.status)
        self._changed: dict[str, None] = {}
        self._shown_at = 0.0

    def begins(self, node_id: str) -> None:
        """An execution of the node runs."""
        self._counts[node_id].running += 1
        self._changed[node_id] = None

    def waits(self, node_id: str) -> None:
        """One that ran waits."""
        self._counts[node_id].running -= 1
        self._counts[node_id].waiting += 1
        self._changed[node_id] = None

    def goes_on(self, node_id: str) -> None:
        """One that waited runs."""
        self._counts[node_id].waiting -= 1
        self._counts[node_id].running += 1
        self._changed[node_id] = None

    def ends(self, node_id: str, status: str) -> None:
        """One that ran has ended."""
        self._counts[node_id].running -= 1
        self._add(node_id, status)
        self._changed[node_id] = None

    def _add(self, node_id: str, status: str) -> None:
        if node_id not in self._counts:
            return
        if status == "failed":
            self._counts[node_id].failed += 1
        else:
            self._counts[node_id].done += 1

    @property
    def due_at(self) -> float | None:
        """When there is something to show; None: nothing has changed."""
        return self._shown_at + EVERY_SECONDS if self._changed else None

    def due(self) -> list[Part]:
        """What has changed, if it is time to show it."""
        return self.all() if self.due_at is not None and self._clock.now() >= self.due_at else []

    def all(self) -> list[Part]:
        """What has changed since it was shown last."""
        changed, self._changed = list(self._changed), {}
        self._shown_at = self._clock.now()
        return [self._part(node_id) for node_id in changed]

    def nothing_runs(self) -> list[Part]:
        """The same at the end: what has not ended never will."""
        for node_id, count in self._counts.items():
            if count.running or count.waiting:
                count.running = count.waiting = 0
                self._changed[node_id] = None
        return self.all()

    def _part(self, node_id: str) -> Part:
        title, name = self._names[node_id]
        told = {"node_id": node_id, "title": title, "block_name": name, **vars(self._counts[node_id])}
        return wire.data("node", told, node_id)


def opening_parts(task: Task) -> list[Part]:
    """The message begins."""
    return [wire.start(task.message_id), status_part(task.id, "running")]


def status_part(run_id: str, status: RunStatus) -> Part:
    """Where the run is."""
    return wire.data("run", {"run_id": run_id, "status": status}, _RUN)


def last_status(parts: Iterable[Part]) -> RunStatus:
    """Where the run is as far as viewers know."""
    said: list[RunStatus] = [part["data"]["status"] for part in parts if part["type"] == "data-run"]
    return said[-1] if said else "running"


def closing_parts(run_id: str, status: RunStatus, outputs: Mapping[str, Sequence[Any]], error: str) -> list[Part]:
    """How it has ended, and what it has brought."""
    told = [status_part(run_id, status), wire.data("run-outputs", preview(outputs))]
    if status == "completed":
        return [*told, wire.finish("stop")]
    if status == "failed":
        return [*told, wire.error(error), wire.finish("error")]
    return [*told, wire.finish("other")]


def preview(outputs: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The outputs, cut where they are long; `complete` says whether they are whole."""
    if len(encode(outputs).encode(errors="replace")) <= _OUTPUT_BYTES:
        return {"outputs": outputs, "complete": True}
    cut = {name: [_cut(value) for value in values[:_VALUES]] for name, values in list(outputs.items())[:_NAMES]}
    while len(encode(cut).encode(errors="replace")) > _OUTPUT_BYTES:
        cut.popitem()
    return {"outputs": cut, "complete": False}


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"
