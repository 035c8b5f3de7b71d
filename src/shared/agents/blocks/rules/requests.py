"""One exchange with a server of the public internet, by the rules of `tools/web`: whoever chooses the URL is hostile.

What a caller sends of its own (method, headers, body) goes to the address that was checked, and its headers don't
follow a redirect to another site.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.agents.blocks.contract import BlockContext
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


def exchange(context: BlockContext, url: str, outgoing: "Outgoing", *, page_text: bool = False) -> Reply:
    """Send it. Redirects are followed for GET and HEAD; for others the redirect is the answer.

    With `page_text` an HTML page is its readable text, cut as `web_fetch` cuts it.

    Raises:
        ToolError: with the codes of `web_fetch`, or `header_not_allowed`.
    """
    _require_harmless(outgoing.headers)
    limits, network = FetchLimits(), context.services.network
    watch = Watch(context.call.cancellation, min(limits.total_seconds, context.call.timeout_seconds), time.monotonic)
    watch.check()
    target = network.read_url(url)
    from shared.tools.web.hop import Redirect, request  # brings httpcore, which no cold start should pay for

    for _ in range(limits.redirects + 1):
        reply = request(target, network, watch, limits, outgoing)
        if not isinstance(reply, Redirect):
            return _read_page(reply, limits, watch) if page_text else _read(reply)
        if outgoing.method not in _SAFE:
            return Reply(target.url, reply.status, "", "")
        following = network.read_url(join_redirect(target, reply.location))
        if not _same_site(target, following):
            outgoing = replace(outgoing, headers={})
        target = following
    raise ToolError(f"The page redirects more than {limits.redirects} times.", code="too_many_redirects")


def rehearsed(context: BlockContext, url: str, headers: Mapping[str, str]) -> str:
    """The URL in its normal form, if a request to it could be sent; no name is looked up.

    Raises:
        ToolError: as `exchange` does.
    """
    _require_harmless(headers)
    network = context.services.network
    target = network.read_url(url)
    if target.literal is not None and not network.is_allowed(target.literal):
        raise not_allowed("The host is not on the public internet.")
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


def _read_page(answer: "Answer", limits: FetchLimits, watch: Watch) -> Reply:
    from shared.tools.web.content_types import decode_text, recognise
    from shared.tools.web.html_text import read_html

    content_type = recognise(answer.content_type, answer.body)
    if not content_type.is_html:
        return _read(answer)
    page = read_html(decode_text(answer.body, content_type), limits.characters, watch.check)
    return Reply(answer.target.url, answer.status, content_type.media_type, page.text[: limits.characters])


def _read(answer: "Answer") -> Reply:
    from shared.tools.web.content_types import decode_text, recognise

    content_type = recognise(answer.content_type, answer.body)
    text = decode_text(answer.body, content_type)
    content: Any = text
    if "json" in content_type.media_type:
        try:
            content = read_json(text)
        except ValueError:  # it said so, and isn't
            content = text
    return Reply(answer.target.url, answer.status, content_type.media_type, content)
