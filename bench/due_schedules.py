"""How many schedules that are due at once are spread over invocations, counted; what each starts is left out.

The rows are real, and so are the tick and what it hands on; what looks at a row only counts it.

Run: python -m bench.due_schedules
"""

import io
import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from moto import mock_aws

from shared.kernel import telemetry
from shared.schedules.records import DueRow
from shared.schedules.tick import ERRAND, PORTION, Tick
from tests.support.mended_moto import mended_moto
from tests.support.region import Parley, build_parley, put_rows

DUE = 100_000
_SIDE_BY_SIDE = 8


@dataclass
class Spread:
    """What it took to look at each row."""

    invocations: int = 0
    queries: int = 0
    largest: int = 0
    """The most rows of one invocation."""
    event_bytes: int = 0
    """The largest event that was handed on: Lambda takes 256 KB."""
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """How many schedules were looked at."""
        return len(self.seen)

    @property
    def most_often(self) -> int:
        """How often the one was that was looked at most."""
        return max(self.seen.values())

    def look_at(self, row: DueRow) -> bool:
        """Stands for what fires."""
        self.seen[row.schedule_id] += 1
        return True


def spread(parley: Parley, count: int) -> Spread:
    """A tick with so many rows that are due, and all invocations that come of it."""
    put_rows(DueRow(0, 1_000 + number, f"schedule-{number}", "ada").to_item() for number in range(count))
    found, errands = Spread(), list[dict[str, Any]]()
    parley.watch.reset()
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        tick = Tick(parley.database, parley.clock, lambda: found, errands.append, pool)
        found.largest = tick.look()
        found.invocations = 1
        while errands:
            event = errands.pop()
            found.event_bytes = max(found.event_bytes, len(json.dumps(event)))
            found.largest = max(found.largest, tick.do(event[ERRAND]))
            found.invocations += 1
    found.queries = parley.watch.calls.count("Query")
    return found


def main() -> int:
    """Print what was counted; each row must have been looked at once, in portions of the promised size."""
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
    output = io.StringIO()
    telemetry.logger.registered_handler.setStream(output)  # type: ignore[attr-defined]
    with mended_moto(), mock_aws(), redirect_stdout(output):
        found = spread(build_parley(), DUE)
    print(f"due at once        {DUE:>10,}")
    print(f"looked at          {found.rows:>10,}")
    print(f"invocations        {found.invocations:>10,}")
    print(f"most rows of one   {found.largest:>10,}")
    print(f"queries            {found.queries:>10,}")
    print(f"largest event      {found.event_bytes:>10,} bytes")
    return 0 if (found.rows, found.most_often) == (DUE, 1) and found.largest <= PORTION else 1


if __name__ == "__main__":
    sys.exit(main())
