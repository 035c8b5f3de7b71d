"""Metrics as CloudWatch's embedded metric format: numbers are added up here and leave as one log line.

One dimension, the stage: each further value of a dimension would be billed as a metric of its own.
Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Literal, get_args

Counted = Literal[
    "TurnAccepted",
    "TurnCompleted",
    "TurnFailed",
    "TurnCancelled",
    "RunStarted",
    "RunFinished",
    "Steps",
    "ModelErrors",
    "ToolErrors",
    "ChunkRows",
    "FramesPosted",
    "FrameGone",
    "RateLimited",
    "TaskResent",
    "WorkFailed",
    "DeadLetter",
    "PromptTokens",
    "CompletionTokens",
    "SpendMicros",
    "ScheduleFired",
    "ScheduleFailed",
    "CopilotMessageSent",
    "CopilotToolCalled",
    "CopilotOperationStarted",
    "CopilotOperationFinished",
    "CopilotSubSessionStarted",
    "CopilotAgentRunSuccess",
    "CopilotAgentScheduled",
]
"""Added up between two flushes; look at their Sum. Those of `analytics` begin with `Copilot`."""

Measured = Literal[
    "QueueWait", "TimeToFirstPart", "TurnSeconds", "ModelSeconds", "ToolSeconds", "SweepLag", "ScheduleLag"
]
"""Seconds, each kept; look at their percentiles."""

NAMES: frozenset[str] = frozenset({*get_args(Counted), *get_args(Measured)})
DIMENSION = "Stage"
_MOST_VALUES = 100
"""Of one metric in one line."""


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Metrics:
    """Collects numbers from any thread until they are flushed."""

    def __init__(self, write: Callable[[str], None] = _print_line) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._sums: dict[str, float] = {}
        self._seconds: dict[str, list[float]] = {}

    def add(self, name: Counted, value: float) -> None:
        """Add to a sum."""
        with self._lock:
            self._sums[name] = self._sums.get(name, 0) + value

    def measure(self, name: Measured, seconds: float) -> None:
        """Keep a duration."""
        with self._lock:
            values = self._seconds.setdefault(name, [])
            values.append(round(seconds, 4))
            full = len(values) >= _MOST_VALUES
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what came together since the last time, if anything did."""
        with self._lock:
            sums, self._sums = self._sums, {}
            seconds, self._seconds = self._seconds, {}
        if sums or seconds:
            self._write(_embedded(sums, seconds))


def _embedded(sums: dict[str, float], seconds: dict[str, list[float]]) -> str:
    units = [{"Name": name, "Unit": "Count"} for name in sums] + [{"Name": name, "Unit": "Seconds"} for name in seconds]
    directive = {
        "Namespace": os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Parley"),
        "Dimensions": [[DIMENSION]],
        "Metrics": units,
    }
    blob = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        DIMENSION: os.environ.get("STAGE", "unknown"),
        **sums,
        **seconds,
    }
    return json.dumps(blob, separators=(",", ":"))
