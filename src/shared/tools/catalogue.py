"""The tools that Parley ships."""

from typing import Any

from shared.tools.contract import Tool
from shared.tools.web_fetch import WebFetch


def all_tools() -> list[Tool[Any]]:
    """One instance of each."""
    return [WebFetch()]
