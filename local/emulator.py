"""The emulated AWS region: MiniStack, with IAM enforced, on the loopback interface, its state kept in files."""

import os
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from local import processes
from local.places import ROOT, Places
from local.processes import LOOPBACK, Process
from local.streams import forget_positions

REGION = "us-east-1"
ACCOUNT = "000000000000"
# The emulator's administrator: these three are not secret, and good for this region only.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
USUAL_PORT = 4566
START_SECONDS = 180.0
STOP_SECONDS = 30.0


class RegionError(Exception):
    """The region could not be brought up; the message is for the person at the keyboard."""


def endpoint(port: int) -> str:
    """The address of all services."""
    return f"http://{LOOPBACK}:{port}"


def start(places: Places, port: int) -> Process:
    """Start the emulator and wait until it answers."""
    clear_scratch(places)
    places.scratch.mkdir(parents=True)
    (places.data / "s3").mkdir(parents=True, exist_ok=True)
    forget_positions(places.data)
    log = places.logs / "region.log"
    command = [str(places.region_python), "-m", "ministack"]
    emulator = processes.start(command, log, environment(places, port), ROOT)
    try:
        _wait_until_ready(emulator, port, log)
    except BaseException:
        processes.stop(emulator, patience_seconds=2)
        raise
    return emulator


def _wait_until_ready(emulator: Process, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(port):
        if not emulator.is_running:
            raise RegionError(f"The emulated region ended while starting. The end of {log}:\n{_tail(log.read_text())}")
        if time.monotonic() > deadline:
            raise RegionError(f"The emulated region didn't answer within {START_SECONDS:.0f} s; see {log}.")
        time.sleep(0.1)


def environment(places: Places, port: int) -> dict[str, str]:
    """Nothing of the developer's own environment but what a process needs: functions inherit all of it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    first = os.environ.get("PARLEY_FUNCTIONS_PATH", "")  # tests let functions load another network than the machine's
    return {
        **kept,
        **({"PYTHONPATH": first} if first else {}),
        **CREDENTIALS,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(places.data),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(places.data / "s3"),
        "TMPDIR": str(places.scratch),
        "LAMBDA_EXECUTOR": "local",
        # Services that would listen on ports of their own, and containers: not ours to touch.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{places.scratch}/no-docker.sock",
        "LOG_LEVEL": "INFO",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def move_queues(places: Places, port: int) -> None:
    """Let the stored addresses of queues follow the port. What users stored stays as it is."""
    for path in places.data.glob("*.json"):
        if path.name != "dynamodb.json":
            stored = path.read_text()
            moved = re.sub(rf"//{LOOPBACK}:\d+/{ACCOUNT}/", f"//{LOOPBACK}:{port}/{ACCOUNT}/", stored)
            if moved != stored:
                path.write_text(moved)


def stop(places: Places, emulator: Process) -> bool:
    """Let the emulator store its state and end; whether it did."""
    saved = processes.stop(emulator, patience_seconds=STOP_SECONDS)
    clear_scratch(places)
    return saved


def clear_scratch(places: Places) -> None:
    """Remove what functions were unpacked to: the emulator doesn't."""
    shutil.rmtree(places.scratch, ignore_errors=True)


def is_ready(port: int) -> bool:
    """Whether the emulator has loaded its state and serves."""
    try:
        with urllib.request.urlopen(f"{endpoint(port)}/_ministack/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.splitlines()[-lines:])
