"""What was logged and measured, as it would leave the function."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.kernel import telemetry


@dataclass
class Logged:
    """Lines in the order in which they were written."""

    lines: list[str] = field(default_factory=list)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The lines, parsed."""
        return [json.loads(line) for line in self.lines]

    @property
    def events(self) -> list[str]:
        """Their names."""
        return [entry["event"] for entry in self.entries]

    def one(self, event: str) -> dict[str, Any]:
        """The only entry of an event."""
        (found,) = [entry for entry in self.entries if entry["event"] == event]
        return found


class _Lines(logging.Handler):
    def __init__(self, logged: Logged) -> None:
        super().__init__()
        self._logged = logged
        self.setFormatter(telemetry.logger.registered_formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self._logged.lines.append(self.format(record))


@contextmanager
def logged() -> Iterator[Logged]:
    """Collect the log lines of a block, in the form in which CloudWatch gets them."""
    lines = Logged()
    handler = _Lines(lines)
    telemetry.logger.addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger(telemetry.logger.name).removeHandler(handler)


def metrics_in(output: str) -> dict[str, float | list[float]]:
    """All metrics of the blobs in a function's output, added up by name."""
    found: dict[str, Any] = {}
    for line in output.splitlines():
        if not line.startswith('{"_aws"'):
            continue
        blob = json.loads(line)
        for metric in blob["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            value = blob[metric["Name"]]
            before = found.get(metric["Name"], [] if isinstance(value, list) else 0)
            found[metric["Name"]] = before + value
    return found
