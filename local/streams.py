"""A table's stream over a restart of the emulated region.

MiniStack keeps in its files how far a function has read a stream, but not the stream itself, which begins anew at
0. A function would be told nothing until the new stream is longer than the old one was.
"""

import json
from pathlib import Path

_STATE = "lambda.json"
_POSITIONS = "dynamodb_stream_positions"


def forget_positions(data: Path) -> None:
    """In a region that is down: have each function read its stream from the beginning."""
    path = data / _STATE
    if not path.exists():
        return
    state = json.loads(path.read_text())
    positions = state.get("payload", {}).get(_POSITIONS, {}).get("data")
    if positions:
        positions.clear()
        path.write_text(json.dumps(state))
