"""What a region writes down between commands: its settings, what it started, and where everything is."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from local import people
from local.places import Places
from local.processes import Process


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Only one command at a time changes a region."""
    places.state.mkdir(parents=True, exist_ok=True)
    with places.lock.open("w") as handle:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            print("Another command is at work on this region; waiting for it ...", flush=True)
            flock(handle, LOCK_EX)
        yield


def settings(places: Places) -> dict[str, Any]:
    """Ports and secret; the secret is made at the first start."""
    known = _read(places.settings) or {}
    for secret in ("jwt_secret", "operations_api_key"):
        known.setdefault(secret, people.new_secret())
    return known


def description(places: Places) -> dict[str, Any] | None:
    """region.json, if the region was up."""
    return _read(places.description)


def process(known: dict[str, Any], name: str) -> Process | None:
    """A process that region.json names, if it still runs."""
    pid = known["pids"].get(name)
    found = Process(**pid) if pid else None
    return found if found and found.is_running else None


def started(places: Places) -> dict[str, Process]:
    """Everything that was started and not yet stopped, also by a start that failed half-way."""
    return {name: Process(**pid) for name, pid in (_read(places.started) or {}).items()}


def note_started(places: Places, processes: dict[str, Process]) -> None:
    """Note what has been started so far."""
    write(places.started, {name: asdict(process) for name, process in processes.items()})


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file at once and for its owner only: some hold tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f"{path.name}.{os.getpid()}")
    building.touch(mode=0o600)
    building.write_text(json.dumps(content, indent=2) + "\n")
    building.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return content
