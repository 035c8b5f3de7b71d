"""Parts that wait to be stored: deltas are joined as they are written, and flushed in good time."""

from dataclasses import dataclass, field

from shared.kernel.clock import Clock
from shared.stream.parts import DELTA_FIELDS, VISIBLE, Part, delta_key, encode, join
from shared.stream.replay import MAX_DELTA_CHARACTERS

FLUSH_WATCHED_SECONDS = 0.2
FLUSH_UNWATCHED_SECONDS = 1.0
FLUSH_BYTES = 16 * 1024


@dataclass
class PartBuffer:
    """Collects parts and says when they are due."""

    clock: Clock
    _parts: list[Part] = field(default_factory=list)
    _bytes: int = 0
    _since: float = 0.0
    _step_is_visible: bool = False
    _urgent: bool = False

    def add(self, part: Part) -> None:
        """Append, joined with the last part where both are deltas of one block."""
        if not self._parts:
            self._since = self.clock.now()
        key = delta_key(part)
        self._bytes += len(part[DELTA_FIELDS[part["type"]]]) if key else len(encode(part))
        if self._parts and key and delta_key(self._parts[-1]) == key:
            grown = join(self._parts[-1], part)
            if len(grown[DELTA_FIELDS[part["type"]]]) <= MAX_DELTA_CHARACTERS:
                self._parts[-1] = grown
                return
        self._parts.append(part)
        if part["type"] in VISIBLE and not self._step_is_visible:
            self._step_is_visible = self._urgent = True

    def new_step(self) -> None:
        """The next visible part is again the first of its step, and goes out at once."""
        self._step_is_visible = self._urgent = False

    @property
    def full(self) -> bool:
        """Whether a row holds no more: it must be stored before anything is added."""
        return self._bytes >= FLUSH_BYTES

    def due_at(self, watched: bool) -> float | None:
        """When the parts must be stored, in epoch seconds; None while there are none."""
        if not self._parts:
            return None
        if self._urgent or self.full:
            return self._since
        return self._since + (FLUSH_WATCHED_SECONDS if watched else FLUSH_UNWATCHED_SECONDS)

    def take(self) -> list[Part]:
        """Everything collected; the buffer is empty afterwards."""
        parts, self._parts = self._parts, []
        self._bytes = 0
        self._urgent = False
        return parts
