"""Data keys from KMS, each bound to a context: whoever opens one must name the context it was made for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from shared.kernel.errors import Retryable

_REFUSED = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "AccessDeniedException"})


class KmsClient(Protocol):
    """What is used of boto3's client."""

    def generate_data_key(self, *, KeyId: str, KeySpec: str, EncryptionContext: Mapping[str, str]) -> Any:
        """A new key: plain, and encrypted."""

    def decrypt(self, *, CiphertextBlob: bytes, KeyId: str, EncryptionContext: Mapping[str, str]) -> Any:
        """An encrypted key in plain."""


class KeyRefused(Exception):
    """The key was not made for this context, or has been changed, or this function may not open it."""


@dataclass(frozen=True)
class DataKey:
    """A key of 256 bits."""

    plain: bytes = field(repr=False)
    encrypted: bytes
    """What is stored."""


class DataKeys:
    """Makes and opens data keys under one key of KMS."""

    def __init__(self, connect: Callable[[], KmsClient], key_id: str) -> None:
        """`connect` is called when the first key is needed; `key_id` is the KMS key's ARN, id or alias."""
        self._connect = connect
        self._key_id = key_id

    @cached_property
    def _client(self) -> KmsClient:
        return self._connect()

    def new(self, context: Mapping[str, str]) -> DataKey:
        """A new key for this context.

        Raises:
            KeyRefused: this function may not make any.
            Retryable: KMS does not answer.
        """
        with_key = {"KeyId": self._key_id, "KeySpec": "AES_256", "EncryptionContext": context}
        made = _called(self._client.generate_data_key, with_key)
        return DataKey(made["Plaintext"], made["CiphertextBlob"])

    def opened(self, encrypted: bytes, context: Mapping[str, str]) -> bytes:
        """The plain key.

        Raises:
            KeyRefused: it is not a key of this context.
            Retryable: KMS does not answer.
        """
        with_key = {"KeyId": self._key_id, "CiphertextBlob": encrypted, "EncryptionContext": context}
        plain: bytes = _called(self._client.decrypt, with_key)["Plaintext"]
        return plain


def _called(operation: Callable[..., Any], request: Mapping[str, Any]) -> Any:
    try:
        return operation(**request)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _REFUSED:
            raise KeyRefused(code) from error
        raise Retryable(f"KMS refused: {code}", code="encryption_unavailable") from error
    except BotoCoreError as error:
        raise Retryable("KMS did not answer.", code="encryption_unavailable") from error
