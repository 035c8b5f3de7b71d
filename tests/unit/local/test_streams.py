"""What a restart of the emulated region must not lose."""

import json
from pathlib import Path

from local.streams import forget_positions


def test_functions_read_a_stream_that_begins_anew_from_its_beginning(tmp_path: Path) -> None:
    """How far they had read the old one is forgotten; everything else stays."""
    kept = {"esms": {"m1": {"BatchSize": 25}}}
    positions = {"__account_region_scoped__": True, "data": {"000000000000 us-east-1 'm1'": 154}}
    stored = {"__ministack_format__": 2, "payload": {**kept, "dynamodb_stream_positions": positions}}
    (tmp_path / "lambda.json").write_text(json.dumps(stored))

    forget_positions(tmp_path)

    emptied = {"__account_region_scoped__": True, "data": {}}
    assert json.loads((tmp_path / "lambda.json").read_text()) == {
        "__ministack_format__": 2,
        "payload": {**kept, "dynamodb_stream_positions": emptied},
    }


def test_a_region_that_was_never_up_has_nothing_to_forget(tmp_path: Path) -> None:
    """There is no file, and none is made."""
    forget_positions(tmp_path)
    assert list(tmp_path.iterdir()) == []
