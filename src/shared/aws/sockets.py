"""Frames to WebSocket connections."""

from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from shared.kernel.telemetry import count

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

MAX_FRAME_BYTES = 128 * 1024
"""API Gateway closes the connection (1009) over this."""


class ConnectionGone(Exception):
    """The client has left; nothing more can be posted to it."""


class ConnectionSlow(Exception):
    """The client's buffer is full or the post failed in passing; try later."""


class Sockets(Protocol):
    """Where frames go."""

    def post(self, connection_id: str, frame: bytes) -> None:
        """Deliver one frame. Raises `ConnectionGone` or `ConnectionSlow`."""

    def close(self, connection_id: str) -> None:
        """Close the connection, so that its client reconnects and resumes; never raises."""


class ApiGatewaySockets:
    """@connections of the WebSocket API."""

    def __init__(self, client: "ApiGatewayManagementApiClient") -> None:
        self._client = client

    def post(self, connection_id: str, frame: bytes) -> None:
        """Deliver one frame."""
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=frame)
            count("FramesPosted")
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # 410: gone. 400 and 403: not a connection of this API (any more). 413 can't pass either.
            if status in {400, 403, 404, 410, 413}:
                count("FrameGone")
                raise ConnectionGone(connection_id) from error
            raise ConnectionSlow(connection_id) from error
        except BotoCoreError as error:
            raise ConnectionSlow(connection_id) from error

    def close(self, connection_id: str) -> None:
        """Close the connection."""
        try:
            self._client.delete_connection(ConnectionId=connection_id)
        except (ClientError, BotoCoreError):
            return
