"""The public keys of whoever signs users in: cached, rotated, and not fetched at a stranger's command."""

import json
import threading
from collections.abc import Callable
from typing import Any

import jwt
from jwt import PyJWK, PyJWKSet

from shared.accounts.key_server import KeysUnavailable
from shared.kernel.clock import Clock
from shared.kernel.errors import Unauthenticated
from shared.kernel.telemetry import log_event, log_problem

ALGORITHMS = frozenset({"RS256", "ES256"})
FRESH_SECONDS = 600.0
RETRY_SECONDS = 60.0
"""Between two fetches, whatever tokens come and whether or not the last one succeeded."""
MIN_RSA_BITS = 2048
_MAX_KEY_ID_CHARACTERS = 256


class SigningKeys:
    """Finds keys by id. Any number of threads may ask; one of them fetches."""

    def __init__(self, fetch: Callable[[], bytes], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._stale_at = 0.0
        self._next_fetch = 0.0

    def find(self, key_id: object, algorithm: str) -> PyJWK:
        """The key of that id that is made for that algorithm.

        Old keys stay good while a new set can't be had: a sign-in server that is down locks nobody out.

        Raises:
            Unauthenticated: there is no such key, or no key set at all.
        """
        if not isinstance(key_id, str) or len(key_id) > _MAX_KEY_ID_CHARACTERS:
            raise _unknown_key()
        wanted = (key_id, algorithm)
        with self._lock:
            now = self._clock.now()
            if (wanted not in self._keys or now >= self._stale_at) and now >= self._next_fetch:
                self._refresh(now)
            found, any_keys = self._keys.get(wanted), bool(self._keys)
        if found is not None:
            return found
        if any_keys:
            raise _unknown_key()
        raise Unauthenticated("Tokens can't be checked right now; try again in a minute.", code="keys_unavailable")

    def _refresh(self, now: float) -> None:
        self._next_fetch = now + RETRY_SECONDS
        try:
            self._keys = _usable(self._fetch())
        except KeysUnavailable as failure:
            log_problem("identity.keys_unavailable", reason=str(failure), known_keys=len(self._keys))
            return
        self._stale_at = now + FRESH_SECONDS
        log_event("identity.keys_fetched", known_keys=len(self._keys))


def _usable(body: bytes) -> dict[tuple[str, str], PyJWK]:
    """The keys of a set that can check our algorithms, by id and algorithm."""
    try:
        entries = json.loads(body)["keys"]
        fitting = [entry for entry in entries if isinstance(entry, dict) and _is_for_signatures(entry)]
        keys = {(str(key.key_id), key.algorithm_name): key for key in PyJWKSet(fitting) if _fits(key)}
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KeysUnavailable(f"not a key set ({type(error).__name__})") from error
    if not keys:
        raise KeysUnavailable("no usable key")
    return keys


def _is_for_signatures(entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops")
    return (
        isinstance(entry.get("kid"), str)
        and entry.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _fits(key: PyJWK) -> bool:
    """Whether the key is of the kind that its algorithm needs, and long enough."""
    match key.algorithm_name:
        case "RS256":
            return key.key_type == "RSA" and key.key.key_size >= MIN_RSA_BITS
        case "ES256":
            return key.key_type == "EC" and key.key.curve.name == "secp256r1"
        case _:
            return False


def _unknown_key() -> Unauthenticated:
    return Unauthenticated("The token is signed with a key that is not known.", code="token_key_unknown")
