"""The Node side of the contract tests: the official clients, and a model server that nobody here wrote."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import PATIENCE

CLIENTS = Path(__file__).parents[1] / "clients"


def require_node() -> None:
    """Skip, loudly, where the official clients can't run; fail in CI, where they must."""
    missing = None
    if shutil.which("node") is None:
        missing = "Node.js is not installed"
    elif not (CLIENTS / "node_modules" / "ai").is_dir():
        missing = "tests/clients/node_modules is missing: run `make clients` (npm ci in tests/clients)"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing}, and CI must run the official clients", pytrace=False)
    if missing:
        pytest.skip(f"THE OFFICIAL CLIENTS WERE NOT TRIED: {missing}")


@contextmanager
def model_server() -> Iterator[str]:
    """The address of a running model server."""
    process = subprocess.Popen(
        ["node", "model_server.mjs"], cwd=CLIENTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def model_requests(model_url: str, containing: str) -> list[dict[str, Any]]:
    """The requests that the model server got about what a user said."""
    with urllib.request.urlopen(f"{model_url}/__aimock/journal?limit=10000") as response:
        journal = json.load(response)
    entries = journal if isinstance(journal, list) else journal["entries"]
    return [entry for entry in entries if containing in json.dumps(entry["body"])]


@dataclass(frozen=True)
class Place:
    """Where the clients find Parley."""

    http_url: str
    ws_url: str


def drive(place: Place, jobs: Sequence[dict[str, Any]], concurrency: int = 4) -> list[Any]:
    """Let the official clients do `jobs` (see tests/clients/drive.mjs); what became of each."""
    work = {"http_url": place.http_url, "ws_url": place.ws_url, "concurrency": concurrency, "jobs": list(jobs)}
    done = subprocess.run(
        ["node", "drive.mjs"], cwd=CLIENTS, input=json.dumps(work), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results: list[Any] = json.loads(done.stdout)["results"]
    return results


def parsed_by_versions(streams: dict[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """What several versions of the official client make of recorded streams (see tests/clients/older.mjs)."""
    done = subprocess.run(
        ["node", "older.mjs"],
        cwd=CLIENTS,
        input=json.dumps({"streams": streams}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results: dict[str, dict[str, dict[str, Any]]] = json.loads(done.stdout)
    return results
