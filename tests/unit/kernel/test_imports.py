"""What an entry point may load: imports are what a cold start costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {"openai", "fastapi", "mangum", "httpx", "httpx2", "jwt", "moto", "mcp", "jinja2"}
ALLOWED = {
    "api": {"fastapi", "mangum", "jwt"},
    "authorizer": set(),
    "websocket": set(),
    "turn_worker": {"openai", "httpx2"},
    "run_worker": {"openai", "httpx2"},
    "scheduler": set(),
    "dead_letters": set(),
    "state_changes": set(),
}
ENVIRONMENT = {
    "STATE_TABLE": "state",
    "CHUNKS_TABLE": "chunks",
    "TURN_QUEUE_URL": "https://queue.example/turns",
    "RUN_QUEUE_URL": "https://queue.example/runs",
    "WEBSOCKET_ENDPOINT": "https://socket.example/local",
    "WEBSOCKET_URL": "wss://socket.example/local",
    "JWT_SECRET_PARAMETER": "/parley/jwt-secret",
    "MODEL_BASE_URL": "http://127.0.0.1:1/v1",
    "MODEL_NAME": "model",
    "MODEL_API_KEY_PARAMETER": "/parley/model-api-key",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "POWERTOOLS_METRICS_NAMESPACE": "Parley",
}


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_an_entry_point_loads_only_what_it_needs(function: str) -> None:
    """The heavy packages are loaded by the one function that needs each."""
    program = "import app, sys; print(*sys.modules)"
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "functions" / function)]),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    loaded = HEAVY & set(done.stdout.split())
    assert loaded <= ALLOWED[function]


def test_an_incomplete_environment_names_the_variable() -> None:
    """A function that can't work refuses to start, and says why."""
    from shared.kernel.errors import ConfigError
    from shared.kernel.settings import StorageSettings

    with pytest.raises(ConfigError, match="STATE_TABLE"):
        StorageSettings.from_environment({})
