"""How long this invocation may still work."""

from dataclasses import dataclass
from typing import Protocol

from shared.kernel.clock import Clock


class LambdaContext(Protocol):
    """The part of Lambda's context object that Parley reads."""

    aws_request_id: str
    function_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda kills this invocation."""


@dataclass(frozen=True)
class Deadline:
    """An instant, in epoch seconds, after which nothing may be started."""

    at: float
    clock: Clock

    @classmethod
    def of(cls, context: LambdaContext, clock: Clock) -> "Deadline":
        """The instant at which Lambda ends this invocation."""
        return cls(clock.now() + context.get_remaining_time_in_millis() / 1000, clock)

    @property
    def seconds_left(self) -> float:
        """Never below zero."""
        return max(0.0, self.at - self.clock.now())
