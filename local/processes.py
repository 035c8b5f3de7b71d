"""Processes that outlive the command that started them: started with a log, recognized later, stopped by pid."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Process:
    """A process and when it started: a pid alone may have been given to another one since."""

    pid: int
    started: str

    @property
    def is_running(self) -> bool:
        """Whether that very process is still there."""
        return self.started != "" and _start_time(self.pid) == self.started


def start(command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> Process:
    """Start a process in a session of its own, so that a Ctrl-C here leaves it to be stopped in order."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    return Process(child.pid, _start_time(child.pid))


def stop(process: Process, *, patience_seconds: float) -> bool:
    """Ask the process to end, then make it and its children; whether it ended by itself."""
    if not process.is_running:
        return True
    os.kill(process.pid, signal.SIGTERM)
    ended = _wait_for_end(process, patience_seconds)
    try:
        os.killpg(process.pid, signal.SIGKILL)  # the group: also children that it left behind
    except (ProcessLookupError, PermissionError):
        return ended
    _wait_for_end(process, 2.0)
    return ended


def port_is_free(port: int) -> bool:
    """Whether one may listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _wait_for_end(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.is_running:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _start_time(pid: int) -> str:
    """When a process started, in words of `ps`; empty when there is none, or it has ended and waits to be reaped."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours would stay a zombie
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()
