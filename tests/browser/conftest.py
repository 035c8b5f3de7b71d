"""A browser, and tabs of it that are signed in."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.console import sign_in_link
from tests.browser.devtools import Browser, Page, browser, find_chromium


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    command = find_chromium()
    if command is None:
        reason = "CHROMIUM IS NOT INSTALLED: nothing of the console was tested in a browser"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with browser(command, tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.page() as tab:
        tab.look(width=1280, height=800)
        yield tab


@pytest.fixture
def ada(page: Page, region: dict[str, Any]) -> Page:
    """The page, signed in as Ada by her link, with no chat open."""
    page.open(sign_in_link(region, "ada"))
    page.until("document.querySelector('#connection').dataset.state === 'connected'", "the socket connects")
    return page
