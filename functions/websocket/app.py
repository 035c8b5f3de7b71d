"""The WebSocket API: connections come and go, frames are handled, and nothing is ever raised."""

from typing import Any

from shared import wiring
from shared.kernel.errors import ParleyError
from shared.kernel.settings import StorageSettings
from shared.kernel.telemetry import log_event, log_problem, logger, observed
from shared.socket.connections import forget_connection, remember_connection
from shared.socket.handle import SocketHandler

_services = wiring.services(StorageSettings.from_environment())
_handler = SocketHandler(_services)
_OK = {"statusCode": 200}


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle one route's event; always 200, except for a connection that can't be kept."""
    request = event["requestContext"]
    connection_id = request["connectionId"]
    user_id = (request.get("authorizer") or {}).get("user_id")
    logger.set_correlation_id(request.get("requestId", ""))
    match request["routeKey"]:
        case "$connect":
            return _connect(connection_id, user_id)
        case "$disconnect":
            return _disconnect(connection_id)
        case _:
            _handler.handle(connection_id, user_id, event.get("body") or "")
            return _OK


def _connect(connection_id: str, user_id: str | None) -> dict[str, Any]:
    if not user_id:
        return {"statusCode": 401}
    try:
        remember_connection(_services.database, _services.clock, connection_id, user_id)
    except ParleyError as error:
        log_problem("socket.connect_failed", code=error.code, user_id=user_id, connection_id=connection_id)
        return {"statusCode": 503}
    log_event("socket.connected", user_id=user_id, connection_id=connection_id)
    return _OK


def _disconnect(connection_id: str) -> dict[str, Any]:
    try:
        user_id = forget_connection(_services.database, connection_id)
    except ParleyError as error:  # its rows expire by themselves
        log_problem("socket.disconnect_failed", code=error.code, connection_id=connection_id)
        return _OK
    log_event("socket.disconnected", user_id=user_id, connection_id=connection_id)
    return _OK
