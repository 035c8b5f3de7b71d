"""Names of time zones, as the IANA database has them."""

import re

_NAME = re.compile(r"(?!posix/|right/)[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,2}")
_NOT_PLACES = frozenset({"Factory", "localtime", "posixrules"})
_MAX_CHARACTERS = 64


def known_time_zone(name: str) -> str:
    """`name`, if it is a zone of the IANA database.

    Raises:
        ValueError: it is not.
    """
    from zoneinfo import ZoneInfo  # looks for its database when it is imported; a cold start need not

    # The pattern comes first: ZoneInfo opens a file of that name.
    if len(name) <= _MAX_CHARACTERS and _NAME.fullmatch(name) and name not in _NOT_PLACES:
        try:
            return ZoneInfo(name).key
        except (LookupError, ValueError, OSError):
            pass
    raise ValueError("must be an IANA time zone such as Europe/Berlin")
