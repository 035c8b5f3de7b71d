"""Posting a task's parts to its viewers, by the one worker that holds the lease.

Every viewer has a lane of its own: one post is in flight at a time, so order needs no locks, and a
slow or dead socket delays nobody else. What a lane still has to post is never queued in the lane; it
is read from the turn's parts, so a viewer that lags costs no memory.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Literal

from shared.aws.sockets import ConnectionGone, ConnectionSlow, Sockets
from shared.kernel.clock import Clock
from shared.kernel.telemetry import log_event
from shared.stream import frames
from shared.stream.parts import Part
from shared.stream.viewers import Viewer

HEARTBEAT_SECONDS = 10.0
_SLOW_RETRY_SECONDS = 0.25
_GIVE_UP_SECONDS = 20.0
"""A viewer that takes nothing for so long is disconnected: its client reconnects and resumes."""


@dataclass(frozen=True)
class _Posted:
    """How far a post came: the next seq to post, and why it stopped there."""

    next_seq: int
    outcome: Literal["ok", "slow", "gone", "ended"]


@dataclass
class _Lane:
    viewer: Viewer
    next_seq: int
    posted_at: float
    retry_at: float = 0.0
    in_flight: Future[_Posted] | None = None
    ended: bool = False
    gone: bool = False


@dataclass
class PartList:
    """The turn's stored parts from seq `base` on, kept by the worker for its viewers."""

    base: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def head(self) -> int:
        """The seq after the last part."""
        return self.base + len(self.parts)

    def since(self, seq: int) -> Sequence[Part]:
        """The parts `[seq, head)`."""
        return self.parts[seq - self.base :]


class Delivery:
    """The lanes of one task's viewers."""

    def __init__(self, sockets: Sockets, clock: Clock, executor: Executor, parts: PartList) -> None:
        self._sockets = sockets
        self._clock = clock
        self._executor = executor
        self._parts = parts
        self._lanes: dict[str, _Lane] = {}
        self._closing = False

    @property
    def watched(self) -> bool:
        """Whether anybody is there."""
        return any(not lane.gone for lane in self._lanes.values())

    def set_viewers(self, viewers: Sequence[Viewer]) -> None:
        """Take note of who watches now: newcomers get a lane, those who left lose theirs."""
        current = {viewer.id: viewer for viewer in viewers}
        for viewer_id in self._lanes.keys() - current.keys():
            self._lanes.pop(viewer_id)
        for viewer_id, viewer in current.items():
            if viewer_id not in self._lanes:
                self._lanes[viewer_id] = _Lane(viewer, viewer.from_seq, posted_at=self._clock.now())

    def pump(self) -> None:
        """Start whatever can be posted now, without waiting for it."""
        for lane in self._lanes.values():
            self._collect(lane)
            if lane.in_flight is None and not lane.gone and lane.retry_at <= self._clock.now():
                self._start(lane)

    def close(self) -> None:
        """The last part is stored: each lane ends with an `end` frame."""
        self._closing = True

    def give_up(self) -> None:
        """Disconnect those who were not served in time: their clients reconnect and resume."""
        for lane in self._lanes.values():
            if not (lane.ended or lane.gone):
                lane.gone = True
                self._sockets.close(lane.viewer.connection_id)

    @property
    def settled(self) -> bool:
        """After `close`: whether every viewer got its `end` or is gone."""
        return all(lane.ended or lane.gone for lane in self._lanes.values())

    @property
    def caught_up(self) -> bool:
        """Whether every viewer has all that is stored, or is gone."""
        return all(
            lane.gone or (lane.in_flight is None and lane.next_seq >= self._parts.head) for lane in self._lanes.values()
        )

    @property
    def busy(self) -> bool:
        """Whether a post is in flight or waits for a retry."""
        return any(not lane.gone and (lane.in_flight or lane.retry_at) for lane in self._lanes.values())

    def _start(self, lane: _Lane) -> None:
        now = self._clock.now()
        backlog = list(self._parts.since(lane.next_seq))
        finishing = self._closing and not lane.ended
        if backlog or finishing:
            lane.in_flight = self._executor.submit(self._post_backlog, lane.viewer, lane.next_seq, backlog, finishing)
        elif not lane.ended and now - lane.posted_at >= HEARTBEAT_SECONDS:
            lane.in_flight = self._executor.submit(self._post_heartbeat, lane.viewer, lane.next_seq)
        if lane.in_flight is not None and lane.in_flight.done():
            self._collect(lane)

    def _post_backlog(self, viewer: Viewer, seq: int, backlog: Sequence[Part], finishing: bool) -> _Posted:
        try:
            for part in backlog:
                self._sockets.post(viewer.connection_id, frames.chunk(viewer.request_id, viewer.sequence(seq), part))
                seq += 1
            if finishing:
                self._sockets.post(viewer.connection_id, frames.end(viewer.request_id))
        except ConnectionSlow:
            return _Posted(seq, "slow")
        except ConnectionGone:
            return _Posted(seq, "gone")
        return _Posted(seq, "ended" if finishing else "ok")

    def _post_heartbeat(self, viewer: Viewer, seq: int) -> _Posted:
        try:
            self._sockets.post(viewer.connection_id, frames.heartbeat())
        except ConnectionSlow:
            return _Posted(seq, "slow")
        except ConnectionGone:
            return _Posted(seq, "gone")
        return _Posted(seq, "ok")

    def _collect(self, lane: _Lane) -> None:
        if lane.in_flight is None or not lane.in_flight.done():
            return
        posted, lane.in_flight = lane.in_flight.result(), None
        now = self._clock.now()
        if posted.next_seq > lane.next_seq or posted.outcome in {"ok", "ended"}:
            lane.posted_at = now
        lane.next_seq = posted.next_seq
        lane.retry_at = 0.0
        if posted.outcome == "ended":
            lane.ended = True
        elif posted.outcome == "gone":
            self._drop(lane)
        elif posted.outcome == "slow":
            lane.retry_at = now + _SLOW_RETRY_SECONDS
            if now - lane.posted_at >= _GIVE_UP_SECONDS:
                self._drop(lane)
                self._sockets.close(lane.viewer.connection_id)

    def _drop(self, lane: _Lane) -> None:
        lane.gone = True
        viewer = lane.viewer
        log_event("viewer.dropped", task_id=viewer.task_id, connection_id=viewer.connection_id)
