"""What DynamoDB refuses may pass, and is in the log for whoever wonders why it doesn't."""

import pytest

from shared.aws.writes import Put
from shared.kernel.errors import Retryable
from tests.support.logs import logged
from tests.support.region import Parley


def test_a_refusal_is_logged_with_its_code(parley: Parley) -> None:
    """A mistake of ours looks to callers as if it might pass; the log tells them apart."""
    with logged() as log, pytest.raises(Retryable) as refused:
        parley.database.write(Put({"pk": "", "sk": "META"}))
    assert refused.value.code == "storage_unavailable"
    assert log.one("database.refused")["code"] == "ValidationException"
