"""What the API says and logs when something fails on our side."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shared.api import errors
from shared.kernel.errors import ConfigError, Retryable
from tests.support.logs import Logged, logged

WORDS = "the user's xylophone"


def _answer(failure: Exception) -> tuple[Any, Logged]:
    """The answer of a route that fails, and what is logged about it."""
    app = FastAPI()
    errors.install(app)

    @app.get("/things/{thing}")
    def read(thing: str) -> None:
        raise failure

    with logged() as log:
        answer = TestClient(app, raise_server_exceptions=False).get("/things/pumpernickel")
    return answer, log


@pytest.mark.parametrize(
    ("failure", "status", "event", "code"),
    [
        (ValueError(WORDS), 500, "api.failed", None),
        (ConfigError("The SSM parameter /parley/jwt-secret cannot be read"), 500, "api.misconfigured", "misconfigured"),
        (Retryable(WORDS, code="storage_unavailable"), 503, "api.unavailable", "storage_unavailable"),
    ],
)
def test_a_failure_of_ours_is_logged_without_words(
    failure: Exception, status: int, event: str, code: str | None
) -> None:
    """The line has the error's code or type and the route's pattern, and neither a text nor a path."""
    answer, log = _answer(failure)
    assert answer.status_code == status
    entry = log.one(event)
    assert entry.get("code") == code
    assert "pumpernickel" not in log.lines[0]
    assert WORDS not in log.lines[0]
    if event != "api.misconfigured":
        assert entry["route"] == "GET /things/{thing}"


def test_the_adapter_to_lambda_repeats_no_exception() -> None:
    """Mangum would log the traceback, and the exception's words with it; the entry point silences it."""
    source = (Path(__file__).parents[3] / "functions" / "api" / "app.py").read_text()
    assert 'logging.getLogger("mangum").setLevel(logging.CRITICAL)' in source
    output = io.StringIO()
    adapter = logging.getLogger("mangum.http")
    handler = logging.StreamHandler(output)
    adapter.addHandler(handler)
    parent = logging.getLogger("mangum")
    before = parent.level
    parent.setLevel(logging.CRITICAL)
    try:
        adapter.error("An error occurred running the application: %s", WORDS)
    finally:
        adapter.removeHandler(handler)
        parent.setLevel(before)
    assert output.getvalue() == ""
