"""Signatures of webhooks, as the Standard Webhooks specification has them: receivers have libraries for it."""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def signed_headers(secret: str, message_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows who has sent the body, and when.

    `secret` is `whsec_` and base64, or else its own bytes.
    """
    signed = f"{message_id}.{unix_seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(unix_seconds),
        "Webhook-Signature": f"v1,{signature}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            return secret.encode()
    return secret.encode()
