"""How somebody outside proves that they may complete an operation: the deployment's key, or a signed address.

The address is signed with a key that is derived from the deployment's. It is good until the operation's
deadline, for this operation, and for one outcome: that is the operation's own rule.
"""

from collections.abc import Callable

from shared.kernel.clock import Clock
from shared.kernel.errors import Retryable, Unauthenticated
from shared.kernel.signatures import same, sign

_PURPOSE = "complete an operation"
_MAX_DIGITS = 15

ReadKey = Callable[[], str | None]
"""The deployment's key for completions; None if it has none."""


class Callbacks:
    """Signs addresses, and checks who calls."""

    def __init__(self, http_url: str, read_key: ReadKey) -> None:
        self._http_url = http_url.rstrip("/")
        self._read_key = read_key

    def address_of(self, operation_id: str, deadline: int) -> str:
        """Where the operation is completed until `deadline` (ms); empty if nothing is configured for it."""
        key = self._read_key()
        if not key or not self._http_url:
            return ""
        expires = deadline // 1000
        signature = sign(key, _PURPOSE, operation_id, str(expires))
        path = f"/api/chat/operations/{operation_id}/complete"
        return f"{self._http_url}{path}?expires={expires}&signature={signature}"

    def check(self, clock: Clock, operation_id: str, given_key: str, expires: str, signature: str) -> None:
        """Let only those pass who may complete the operation.

        Raises:
            Retryable: the deployment has no key, so nobody may.
            Unauthenticated: neither the key nor the signature is right, or the address has expired.
        """
        key = self._read_key()
        if not key:
            raise Retryable("Completions are not configured.", code="completions_not_configured")
        if given_key and same(given_key, key):
            return
        if signature and len(expires) <= _MAX_DIGITS and same(signature, sign(key, _PURPOSE, operation_id, expires)):
            if int(expires) >= clock.now():
                return
            raise Unauthenticated("This address has expired.", code="signature_expired")
        raise Unauthenticated("The key is not right.", code="api_key_invalid")
