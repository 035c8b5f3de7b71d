"""Where the console is, and what tests of it do besides looking."""

import json
import urllib.request
from typing import Any

from tests.browser.devtools import Page


def console_address(region: dict[str, Any]) -> str:
    """Without a fragment."""
    return str(region["console_url"]).partition("#")[0]


def sign_in_link(region: dict[str, Any], user: str) -> str:
    """What a demo user opens; more may follow after `&`."""
    return f"{console_address(region)}#token={region['tokens'][user]}"


def say(page: Page, text: str) -> None:
    """Type a message and send it."""
    page.type("#message", text)
    page.press("Enter")


def ask(region: dict[str, Any], method: str, path: str, body: Any = None, user: str = "ada") -> Any:
    """One request to the API; its JSON, or None if there is none."""
    request = urllib.request.Request(
        f"{region['http_url']}/api/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {region['tokens'][user]}"},
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None
