"""The workspace bucket's client."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from shared.aws.objects import NewObject, S3Objects
from shared.kernel.errors import Retryable
from tests.support.aws import aws_client


@pytest.fixture
def objects() -> Iterator[S3Objects]:
    """An empty bucket."""
    with mock_aws():
        client = aws_client("s3", "us-east-1")
        client.create_bucket(Bucket="bucket")
        yield S3Objects(lambda: client, "bucket")


def test_an_object_comes_back_whole_or_in_ranges(objects: S3Objects) -> None:
    """Ranges end where the object does; behind it there is nothing."""
    objects.put(NewObject("a", b"0123456789", "text/plain", labels={"task": "T1"}))

    assert objects.get("a") == b"0123456789"
    assert objects.get("a", 3) == b"3456789"
    assert objects.get("a", 3, 4) == b"3456"
    assert objects.get("a", 8, 10) == b"89"
    assert objects.get("a", 10, 1) == b""
    assert objects.get("a", 0, 0) == b""
    found = objects.head("a")
    assert found is not None
    assert (found.key, found.size, found.labels) == ("a", 10, {"task": "T1"})


def test_what_is_not_there_is_none(objects: S3Objects) -> None:
    """A missing object is no failure, and neither is deleting it."""
    assert objects.get("a") is None
    assert objects.head("a") is None
    objects.delete("a")


def test_an_object_can_be_put_only_once(objects: S3Objects) -> None:
    """The second put of that kind says so, and changes nothing."""
    assert objects.put(NewObject("a", b"1"), only_if_absent=True)
    assert not objects.put(NewObject("a", b"2"), only_if_absent=True)
    assert objects.get("a") == b"1"
    assert objects.put(NewObject("a", b"3"))


def test_a_list_has_what_begins_with_the_prefix(objects: S3Objects) -> None:
    """In order, and nothing else."""
    for key in ("users/a/2", "users/a/1", "users/ab/1", "other"):
        objects.put(NewObject(key, b"x"))

    assert [found.key for found in objects.list("users/a/")] == ["users/a/1", "users/a/2"]


def test_a_bucket_that_does_not_answer_is_retryable() -> None:
    """Every operation says so in the same way."""
    with mock_aws():
        client = aws_client("s3", "us-east-1")
        objects = S3Objects(lambda: client, "nobody-made-this-one")

        def unreachable(**_: object) -> None:
            raise EndpointConnectionError(endpoint_url="s3")

        for attempt in range(2):
            for act in (
                lambda: objects.put(NewObject("a", b"")),
                lambda: objects.get("a"),
                lambda: list(objects.list("a")),
                lambda: objects.delete("a"),
            ):
                with pytest.raises(Retryable) as failure:
                    act()
                assert failure.value.code == "objects_unavailable"
            if attempt == 0:
                client.meta.events.register("before-call.s3.*", unreachable)


def test_the_client_is_made_when_it_is_needed() -> None:
    """A cold start doesn't pay for S3."""
    made: list[str] = []

    def make() -> object:
        made.append("client")
        raise Retryable("not here")

    objects = S3Objects(make, "bucket")  # type: ignore[arg-type]
    assert made == []
    with pytest.raises(Retryable):
        objects.head("a")
    assert made == ["client"]
