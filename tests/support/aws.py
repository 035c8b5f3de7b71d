"""Clients of boto3 that moto answers."""

import functools
from typing import Any

import boto3

REGION = "eu-central-1"


@functools.cache
def _session() -> boto3.session.Session:
    """One for all tests: it reads botocore's large data files once."""
    return boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


def aws_client(service: str, region: str = REGION) -> Any:
    """A client of that service; its calls must be made inside `mock_aws`."""
    return _session().client(service, region_name=region)
