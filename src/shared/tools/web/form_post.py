"""A form sent to a server of the public internet, by the rules of fetching; redirects are not followed."""

import time
from collections.abc import Mapping
from urllib.parse import urlencode

from shared.accounts.credentials.tokens import FormAnswer
from shared.kernel.errors import Retryable, ToolError
from shared.tools.contract import Cancellation
from shared.tools.web.content_types import decode_text
from shared.tools.web.limits import FetchLimits
from shared.tools.web.network import Network
from shared.tools.web.watch import Watch


class FormPost:
    """What talks to token endpoints."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> FormAnswer:
        """The server's answer, whatever its status.

        Raises:
            Retryable: there is none, or it is no text.
        """
        from shared.tools.web.hop import Outgoing, Redirect, request  # brings httpcore

        limits = FetchLimits()
        watch = Watch(Cancellation(), limits.total_seconds, time.monotonic)
        outgoing = Outgoing("POST", headers, urlencode(fields).encode())
        try:
            reply = request(self._network.read_url(url), self._network, watch, limits, outgoing)
        except ToolError as error:
            raise Retryable("The provider does not answer.", code="provider_unavailable") from error
        if isinstance(reply, Redirect):
            return FormAnswer(reply.status, "")
        return FormAnswer(reply.status, decode_text(reply.body, reply.content_type))
