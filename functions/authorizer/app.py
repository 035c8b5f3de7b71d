"""Admits WebSocket connections: a ticket, once, from an allowed origin."""

from typing import Any

from shared import wiring
from shared.accounts.tickets import redeem_ticket
from shared.kernel.clock import SystemClock
from shared.kernel.settings import OriginSettings, TableSettings
from shared.kernel.telemetry import log_event, observed

_clock = SystemClock()
_database = wiring.tables(TableSettings.from_environment(), _clock)
_origins = OriginSettings.from_environment().origins


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Allow or deny `$connect`."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    ticket = (event.get("queryStringParameters") or {}).get("ticket", "")
    user_id = redeem_ticket(_database, _clock, ticket) if _origin_allowed(headers.get("origin")) else None
    log_event("socket.authorized" if user_id else "socket.refused", user_id=user_id)
    return {
        "principalId": user_id or "nobody",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if user_id else "Deny",
                    "Resource": event["methodArn"],
                }
            ],
        },
        "context": {"user_id": user_id or ""},
    }


def _origin_allowed(origin: str | None) -> bool:
    """Programs that are not browsers send none; the ticket is what they are trusted for."""
    return origin is None or "*" in _origins or origin in _origins
