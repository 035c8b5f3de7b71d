"""The deployed template on a local region of the tests' own, IAM enforced."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class DeployedPlace:
    """Where one front door of the deployment is."""

    url: str


@dataclass(frozen=True)
class Deployed:
    """A deployment, described by its region.json."""

    description: dict[str, Any]

    @property
    def http(self) -> DeployedPlace:
        return DeployedPlace(self.description["http_url"])

    @property
    def sockets(self) -> DeployedPlace:
        return DeployedPlace(self.description["ws_url"])

    def token(self, user: str) -> str:
        """The bearer token of a demo user."""
        token: str = self.description["tokens"][user]
        return token

    def workers(self, function: str) -> list[int]:
        """The process ids of a function's warm workers in this region."""
        region = self.description["pids"]["region"]
        parent = region["pid"] if isinstance(region, dict) else region
        found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in found if f"-{function}-" in _function_name(int(pid))]


def _function_name(pid: int) -> str:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has just ended
        return ""
    return next((entry for entry in environment if entry.startswith("AWS_LAMBDA_FUNCTION_NAME=")), "")


@contextmanager
def deployed(name: str, model_url: str | None = None, **environment_of_it: str) -> Iterator[Deployed]:
    """A region for the length of a block. Its data stay for the next run, which then starts faster."""
    if not (ROOT / ".local" / "sam-venv").is_dir():
        _missing("the environments of the region are not there: run `make setup`")
    folder = Path(".local") / name
    hidden = {"OPENAI_BASE_URL", "OPENAI_API_KEY", "PARLEY_MODEL", "AWS_ENDPOINT_URL"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment |= {"PARLEY_LOCAL_DIR": str(folder), **environment_of_it}
    command = [sys.executable, "-m", "local.region"]
    wanted = ["--model-url", model_url] if model_url else []
    started = subprocess.run([*command, "up", "--detach", *wanted], cwd=ROOT, env=environment, capture_output=True)
    if started.returncode != 0:
        pytest.fail(f"The region did not come up:\n{(started.stdout + started.stderr).decode()}", pytrace=False)
    try:
        yield Deployed(json.loads((ROOT / folder / "region.json").read_text()))
    finally:
        subprocess.run([*command, "down"], cwd=ROOT, env=environment, capture_output=True, check=False)


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(f"THE DEPLOYED TEMPLATE WAS NOT TRIED: {what}")
