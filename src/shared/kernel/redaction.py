"""Secrets that others put into what they send us are not shown on."""

from typing import Any

REDACTED = "[REDACTED]"
SECRET_KEYS = frozenset(
    {
        *("api_key", "apikey", "api_secret", "password", "secret", "credentials", "credential"),
        *("token", "access_token", "refresh_token", "private_key", "privatekey", "auth", "authorization"),
    }
)


def redact(value: Any) -> Any:
    """A JSON value without what stands under a secret's name, in any case of letters and at any depth."""
    if isinstance(value, dict):
        return {key: REDACTED if str(key).lower() in SECRET_KEYS else redact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    return value
