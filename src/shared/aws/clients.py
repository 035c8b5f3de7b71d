"""boto3 clients with time-outs that suit a worker that holds a 15 s lease."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from shared.aws.invocations import LambdaClient
    from shared.aws.keys import KmsClient

_STANDARD = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
    max_pool_connections=20,
)
# A post is never repeated behind our back: the delivery decides, viewer by viewer, so that order holds.
_SINGLE_ATTEMPT = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 1},
    tcp_keepalive=True,
    max_pool_connections=20,
)
# Objects may have megabytes. Checksums only where S3 demands them: TLS guards the way, and the default would send
# chunked bodies, which not every S3-compatible server takes apart.
_OBJECTS = Config(
    connect_timeout=2,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 3},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    max_pool_connections=10,
)


def dynamodb() -> "DynamoDBClient":
    """The client of the tables."""
    client: DynamoDBClient = boto3.client("dynamodb", config=_STANDARD)
    return client


def sqs() -> "SQSClient":
    """The client of the queues."""
    client: SQSClient = boto3.client("sqs", config=_STANDARD)
    return client


def s3() -> "S3Client":
    """The client of the workspace bucket."""
    client: S3Client = boto3.client("s3", config=_OBJECTS)
    return client


def kms() -> "KmsClient":
    """The client of the key that credentials are sealed with."""
    client: KmsClient = boto3.client("kms", config=_STANDARD)
    return client


def functions() -> "LambdaClient":
    """The client that asks for invocations."""
    client: LambdaClient = boto3.client("lambda", config=_STANDARD)
    return client


def sockets(endpoint: str) -> "ApiGatewayManagementApiClient":
    """The client of @connections at `endpoint`."""
    client: ApiGatewayManagementApiClient = boto3.client(
        "apigatewaymanagementapi", endpoint_url=endpoint, config=_SINGLE_ATTEMPT
    )
    return client
