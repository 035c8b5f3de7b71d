"""The HTTP API. It accepts, reads and replays; it never calls a model."""

import logging
from pathlib import Path
from typing import Any

from mangum import Mangum

from shared import wiring
from shared.accounts.identity import Identity
from shared.api.application import build_application
from shared.aws.secrets import read_secret
from shared.kernel.clock import SystemClock
from shared.kernel.settings import ApiSettings, OperationSettings, StorageSettings
from shared.kernel.telemetry import logger, observed

_settings = ApiSettings.from_environment()
_identity = Identity(_settings, lambda: read_secret(_settings.jwt_secret_parameter), SystemClock())
_operations = OperationSettings.from_environment()
_services = wiring.services(StorageSettings.from_environment())
_console = Path(_settings.console_dir) if _settings.console_dir else Path(__file__).parent / "console"
app = build_application(
    _services,
    _identity,
    _settings.websocket_url,
    _console,
    wiring.optional_secret(_operations.operations_api_key_parameter, read_secret),
    wiring.signing_in(_services, read_secret, _operations.http_url),
)
_serve = Mangum(app, lifespan="off")
# It repeats what `api.failed` has said, with the exception's words, which may quote what a user sent.
logging.getLogger("mangum").setLevel(logging.CRITICAL)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one HTTP request (payload 2.0)."""
    logger.set_correlation_id(event["requestContext"]["requestId"])
    return _serve(event, context)
