"""Clients of boto3 that moto answers."""

import functools
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

REGION = "eu-central-1"
_UNSIGNED = Config(signature_version=UNSIGNED, user_agent="tests")
"""Nobody looks at a signature; it takes a tenth of a call's time."""


@functools.cache
def _session() -> boto3.session.Session:
    """One for all tests: it reads botocore's large data files once."""
    return boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


def aws_client(service: str, region: str = REGION) -> Any:
    """A client of that service; its calls must be made inside `mock_aws`."""
    return _session().client(service, region_name=region, config=_UNSIGNED if service == "dynamodb" else None)
