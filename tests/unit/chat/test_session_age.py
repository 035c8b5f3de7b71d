"""Nothing grows with age: what a send, its turn and a page of messages cost does not depend on what came before."""

from dataclasses import asdict

import pytest
from bench.session_age import GOAL, compare, ratio


def test_a_long_session_costs_what_a_short_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same calls to AWS, the same units; the bytes of a summary at most on top."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    young, old = compare(10, 300)
    assert list(young) == list(old) == ["send", "first part", "whole turn", "newest page", "older page"]
    for what, cost in young.items():
        assert cost.aws_calls > 0
        assert cost.read_units > 0
        for counted in ("aws_calls", "write_units", "read_units"):
            assert asdict(old[what])[counted] == asdict(cost)[counted], (what, counted)
        assert ratio(old[what].bytes_sent, cost.bytes_sent) <= GOAL
        assert ratio(old[what].bytes_read, cost.bytes_read) <= GOAL
