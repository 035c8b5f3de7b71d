"""What one 12 s answer of 500 tokens costs, watched and unwatched: counted calls and units, priced.

Run: python -m bench.turn_cost
"""

import io
import os
import sys
from contextlib import redirect_stdout

from moto import mock_aws

from bench.meter import PRICES, Meter
from shared.chat.accept import Requester
from shared.chat.model import ModelFinished, TextDelta
from shared.kernel import telemetry
from tests.support.mended_moto import mended_moto
from tests.support.region import build_parley

SECONDS, TOKENS = 12.0, 500
WORKER_GB = 0.5
PLATFORM_LOG_BYTES = 2 * 500
"""What Lambda itself writes about two invocations: START, END, REPORT."""


def measure(*, watched: bool) -> dict[str, float]:
    """One turn; its counts and its price for 1,000 of them."""
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
    output = io.StringIO()
    telemetry.logger.registered_handler.setStream(output)  # type: ignore[attr-defined]
    with mended_moto(), mock_aws(), redirect_stdout(output):
        parley = build_parley()
        parley.with_turns(5, 15)
        session = parley.new_session()
        script: list[object] = []
        for number in range(TOKENS):
            script += [SECONDS / TOKENS, TextDelta(f"word{number:03d} ")]
        parley.scripted([*script, ModelFinished("stop", 1000, TOKENS)])  # type: ignore[list-item]
        client = parley.database._client
        meter = Meter(client)
        meter.attach(client, parley.sqs)
        requester = Requester("connection", "request") if watched else None
        accepted = parley.send(session, requester=requester)
        accept_calls = sum(meter.calls.values())
        parley.work(accepted.task.id)
        frames = sum(len(frames) for frames in parley.sockets.frames.values())
        rows = len(list(parley.services.log.rows(accepted.task.id)))
        telemetry.flush_metrics()
    return _priced(meter, accept_calls, frames, rows, len(output.getvalue()) + PLATFORM_LOG_BYTES)


def _priced(meter: Meter, accept_calls: int, frames: int, rows: int, log_bytes: int) -> dict[str, float]:
    queue_requests = 3  # send, receive, delete
    cost = (
        meter.write_units * PRICES["write_unit"]
        + meter.read_units * PRICES["read_unit"]
        + queue_requests * PRICES["sqs_request"]
        + (frames + 1) * PRICES["socket_message"]
        + log_bytes * PRICES["log_byte"]
        + 2 * PRICES["lambda_request"]
        + (SECONDS + 0.1) * WORKER_GB * PRICES["lambda_gb_second"]
    )
    return {
        "aws_calls": sum(meter.calls.values()),
        "of_them_to_accept": accept_calls,
        "write_units": meter.write_units,
        "read_units": meter.read_units,
        "chunk_rows": rows,
        "frames": frames,
        "log_bytes": log_bytes,
        "usd_per_1000": round(cost * 1000, 4),
    }


def main() -> int:
    """Print both, and hold them against the goals."""
    goals = {True: (130, 0.25), False: (60, 0.13)}
    missed = False
    for watched, (units, usd) in goals.items():
        result = measure(watched=watched)
        missed |= result["write_units"] > units or result["usd_per_1000"] > usd
        print("watched  " if watched else "unwatched", result, f"goals: {units} write units, ${usd}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
