"""Envelope encryption: what is sealed for one context is opened for no other.

A data key of its own encrypts each secret (AES-256-GCM); KMS keeps the key's key. The context is bound twice: KMS
opens the data key for it alone, and it is the cipher's associated data.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.aws.keys import DataKey, DataKeys, KeyRefused

_NONCE_BYTES = 12


class SealBroken(Exception):
    """It was sealed for another context, or changed since."""


@dataclass(frozen=True)
class Sealed:
    """A secret as it is stored."""

    key: bytes
    """The data key, encrypted by KMS."""
    nonce: bytes
    text: bytes

    def to_item(self) -> dict[str, bytes]:
        """The stored form."""
        return {"key": self.key, "nonce": self.nonce, "text": self.text}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Sealed":
        """The secret from its stored form."""
        return cls(item["key"], item["nonce"], item["text"])


def seal(keys: DataKeys, context: Mapping[str, str], values: Mapping[str, str]) -> Sealed:
    """Encrypt `values` under a data key of their own.

    Raises:
        Retryable: KMS does not answer.
    """
    return seal_with(keys.new(context), context, values)


def seal_with(key: DataKey, context: Mapping[str, str], values: Mapping[str, str]) -> Sealed:
    """Encrypt `values` under a key that was made for them alone; nothing is asked of KMS."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # no cold start needs it

    nonce = secrets.token_bytes(_NONCE_BYTES)
    text = AESGCM(key.plain).encrypt(nonce, json.dumps(dict(values)).encode(), _associated(context))
    return Sealed(key.encrypted, nonce, text)


def unseal(keys: DataKeys, context: Mapping[str, str], sealed: Sealed) -> dict[str, str]:
    """The values.

    Raises:
        SealBroken: they were sealed for another context, or changed since.
        Retryable: KMS does not answer.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        key = keys.opened(sealed.key, context)
        opened: dict[str, str] = json.loads(AESGCM(key).decrypt(sealed.nonce, sealed.text, _associated(context)))
    except (KeyRefused, InvalidTag) as error:
        raise SealBroken from error
    return opened


def _associated(context: Mapping[str, str]) -> bytes:
    return json.dumps(dict(context), sort_keys=True, ensure_ascii=True).encode()
