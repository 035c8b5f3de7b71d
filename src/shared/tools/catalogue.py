"""The tools that Parley ships."""

from typing import Any

from shared.accounts.profile import Profiles
from shared.tools.add_understanding import AddUnderstanding
from shared.tools.contract import Tool
from shared.tools.web_fetch import WebFetch


def all_tools(profiles: Profiles) -> list[Tool[Any]]:
    """One instance of each."""
    return [AddUnderstanding(profiles), WebFetch()]
