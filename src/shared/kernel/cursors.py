"""Cursors of lists: where the next page begins, as text that clients pass back and don't read."""

import base64
import binascii
import json

from shared.kernel.errors import Invalid


def cursor_of(*places: str | int) -> str:
    """The cursor of a page that begins behind these values."""
    return base64.urlsafe_b64encode(json.dumps(places).encode()).decode()


def place_of(cursor: str, *kinds: type[str] | type[int]) -> list[str | int]:
    """What `cursor_of` was given, if it was values of these kinds.

    Raises:
        Invalid: it is no cursor of such a list.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor))
        if [type(value) for value in found] != list(kinds):
            raise TypeError("other values")
        for value in found:
            str(value).encode()  # half of a surrogate pair is no key
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise Invalid("The cursor is not one that this list has given.", code="invalid_cursor") from error
    return list(found)
