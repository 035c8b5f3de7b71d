"""Files and large values: one private bucket.

The client is made at the first use, not at import: most turns never touch a file, and S3's is the
largest of all service descriptions.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from shared.kernel.clock import to_millis
from shared.kernel.errors import Retryable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})


@dataclass(frozen=True)
class StoredObject:
    """What is known of an object without reading it."""

    key: str
    size: int
    modified_at: int
    """Milliseconds since the epoch."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewObject:
    """What is to be stored."""

    key: str
    body: bytes
    content_type: str = "application/octet-stream"
    labels: Mapping[str, str] = field(default_factory=dict)
    """Short ASCII facts that `head` tells again."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the bucket's lifecycle rules look at."""


class Objects(Protocol):
    """Where files are. Every method raises `Retryable` (`objects_unavailable`) if the bucket doesn't answer."""

    def put(self, new: NewObject, *, only_if_absent: bool = False) -> bool:
        """Store it; False if `only_if_absent` was asked for and there is one already."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        """The bytes from `offset` on, `length` at most; fewer at the end, None if there is no such object."""

    def head(self, key: str) -> StoredObject | None:
        """What is known of the object, or None."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key begins with `prefix`, in order, read page by page."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing there is fine."""


class S3Objects:
    """The objects of one S3 bucket."""

    def __init__(self, make_client: Callable[[], "S3Client"], bucket: str) -> None:
        self._make_client = make_client
        self._bucket = bucket
        self._lock = threading.Lock()
        self._made: S3Client | None = None

    def put(self, new: NewObject, *, only_if_absent: bool = False) -> bool:
        """Store it, in one request."""
        options: dict[str, Any] = {"Tagging": urlencode(new.tags)} if new.tags else {}
        if only_if_absent:
            options["IfNoneMatch"] = "*"
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=new.key,
                Body=new.body,
                ContentType=new.content_type,
                Metadata=dict(new.labels),
                **options,
            )
        except ClientError as error:
            if only_if_absent and _code(error) in _TAKEN:
                return False
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return True

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        """Read a range."""
        if length is not None and length <= 0:
            return b""
        last = "" if length is None else str(offset + length - 1)
        # A range header on an empty object is refused, so the whole is asked for without one.
        wanted: dict[str, Any] = {} if offset == 0 and length is None else {"Range": f"bytes={offset}-{last}"}
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key, **wanted)["Body"].read()
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            if _code(error) in {"InvalidRange", "416"}:
                return b""
            raise _unavailable(error) from error
        except (BotoCoreError, OSError) as error:  # OSError: the body broke off
            raise _unavailable(error) from error

    def head(self, key: str) -> StoredObject | None:
        """Ask without reading."""
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        modified_at = to_millis(found["LastModified"].timestamp())
        return StoredObject(key, found["ContentLength"], modified_at, found.get("Metadata", {}))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List page by page."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"], to_millis(entry["LastModified"].timestamp()))
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error

    def delete(self, key: str) -> None:
        """Remove it."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error

    @property
    def _client(self) -> "S3Client":
        with self._lock:  # tools run side by side, and making a client is not safe for threads
            if self._made is None:
                self._made = self._make_client()
            return self._made


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _unavailable(error: Exception) -> Retryable:
    return Retryable(f"The workspace bucket did not answer ({type(error).__name__})", code="objects_unavailable")
