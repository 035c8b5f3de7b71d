"""One exchange with a server of the public internet, by the rules of `tools/web`: whoever chooses the URL is hostile.

What a caller sends of its own (method, headers, body) goes to the address that was checked, and its headers don't
follow a redirect to another site.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.accounts.credentials.secrets import Secret
from shared.agents.blocks.contract import BlockContext
from shared.agents.blocks.rules.credentials import opened
from shared.agents.blocks.rules.json_text import read_json
from shared.kernel.errors import ToolError
from shared.tools.web.limits import FetchLimits
from shared.tools.web.url_rules import Target, join_redirect, not_allowed
from shared.tools.web.watch import Watch

if TYPE_CHECKING:
    from shared.tools.web.hop import Answer, Outgoing

MAX_HEADERS = 30
MOST_BODY_BYTES = 80_000
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x20-\x7e]{0,4000}")
_OURS = frozenset(
    {
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer",
        "expect", "accept-encoding",
    }
)  # fmt: skip
"""What frames a message, or decides where it goes."""
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Reply:
    """What the server said, whatever its status."""

    url: str
    status: int
    content_type: str
    content: Any
    """A JSON value, or else text."""


@dataclass(frozen=True)
class Reading:
    """How an answer is read."""

    page_text: bool = False
    without: Secret | None = None
    """What must not be shown."""


def exchange(
    context: BlockContext, url: str, outgoing: "Outgoing", *, page_text: bool = False, credential: str = ""
) -> Reply:
    """Send it. Redirects are followed for GET and HEAD; for others the redirect is the answer.

    With `page_text` an HTML page is its readable text, cut as `web_fetch` cuts it. With `credential`, a provider, the
    user's secret is put into each request to the first site, and taken out of whatever comes back.

    Raises:
        ToolError: with the codes of `web_fetch`, `header_not_allowed`, or those of `opened`.
    """
    _require_harmless(outgoing.headers)
    target = context.services.network.read_url(url)
    if not credential:
        return _followed(context, target, outgoing, Reading(page_text))
    secret = opened(context, credential, target)
    name, value = secret.header
    own = {key: text for key, text in outgoing.headers.items() if key.lower() != name.lower()}
    try:
        reply = _followed(context, target, replace(outgoing, headers={**own, name: value}), Reading(page_text, secret))
    except ToolError as error:  # its words may quote the server
        raise ToolError(secret.hidden_in(error.message), code=error.code) from None
    url, content_type, content = secret.hidden_in([reply.url, reply.content_type, reply.content])
    return Reply(url, reply.status, content_type, content)


def _followed(context: BlockContext, target: Target, outgoing: "Outgoing", reading: Reading) -> Reply:
    from shared.tools.web.hop import Redirect, request  # brings httpcore, which no cold start should pay for

    limits, network = FetchLimits(), context.services.network
    watch = Watch(context.call.cancellation, min(limits.total_seconds, context.call.timeout_seconds), time.monotonic)
    watch.check()
    for _ in range(limits.redirects + 1):
        reply = request(target, network, watch, limits, outgoing)
        if not isinstance(reply, Redirect):
            return _read(reply, reading, limits, watch)
        if outgoing.method not in _SAFE:
            return Reply(target.url, reply.status, "", "")
        following = network.read_url(join_redirect(target, reply.location))
        if not _same_site(target, following):
            outgoing = replace(outgoing, headers={})
        target = following
    raise ToolError(f"The page redirects more than {limits.redirects} times.", code="too_many_redirects")


def rehearsed(context: BlockContext, url: str, headers: Mapping[str, str], credential: str = "") -> str:
    """The URL in its normal form, if a request to it could be sent; no name is looked up.

    What another user has made doesn't learn which accounts there are: for it none is opened.

    Raises:
        ToolError: as `exchange` does.
    """
    _require_harmless(headers)
    network = context.services.network
    target = network.read_url(url)
    if target.literal is not None and not network.is_allowed(target.literal):
        raise not_allowed("The host is not on the public internet.")
    if credential and not context.call.is_foreign:
        opened(context, credential, target)
    return target.url


def _require_harmless(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        lower = name.lower()
        if lower in _OURS or lower.startswith("proxy-"):
            raise ToolError(f"The header {name} can't be set.", code="header_not_allowed")
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ToolError(f"The header {name[:100]!r} is not one line of plain ASCII.", code="header_not_allowed")


def _same_site(one: Target, other: Target) -> bool:
    return (one.scheme, one.server_name, one.port) == (other.scheme, other.server_name, other.port)


def _read(answer: "Answer", reading: Reading, limits: FetchLimits, watch: Watch) -> Reply:
    from shared.tools.web.content_types import decode_text, recognise

    content_type = recognise(answer.content_type, answer.body)
    text = decode_text(answer.body, content_type)
    if reading.without:  # before anything is cut, which would leave a part
        text = reading.without.hidden_in(text)
    content: Any = text
    if content_type.is_html and reading.page_text:
        from shared.tools.web.html_text import read_html

        content = read_html(text, limits.characters, watch.check).text[: limits.characters]
    elif "json" in content_type.media_type:
        try:
            content = read_json(text)
        except ValueError:  # it said so, and isn't
            content = text
    return Reply(answer.target.url, answer.status, content_type.media_type, content)
