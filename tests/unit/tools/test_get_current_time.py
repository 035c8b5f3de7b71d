"""What time it is, somewhere."""

import pytest

from shared.kernel.errors import ToolError
from shared.tools.get_current_time import CurrentTime, GetCurrentTime, GetCurrentTimeInput
from tests.support.time import FakeClock
from tests.unit.tools.loopback import context


def at(seconds: float, **where: str) -> CurrentTime:
    return GetCurrentTime(FakeClock(seconds)).run(context(), GetCurrentTimeInput.model_validate(where))


def test_the_time_is_utc_unless_a_zone_is_named() -> None:
    """Date, weekday and offset, to the second."""
    now = at(1_750_000_000.9)

    assert (now.iso, now.weekday, now.utc_offset) == ("2025-06-15T15:06:40+00:00", "Sunday", "+00:00")
    assert (now.timezone, now.abbreviation, now.unix_seconds) == ("UTC", "UTC", 1_750_000_000)


@pytest.mark.parametrize(
    ("seconds", "zone", "iso", "weekday", "abbreviation"),
    [
        (1_750_000_000, "Europe/Berlin", "2025-06-15T17:06:40+02:00", "Sunday", "CEST"),
        (1_735_689_600, "Europe/Berlin", "2025-01-01T01:00:00+01:00", "Wednesday", "CET"),
        (1_750_000_000, "Asia/Kathmandu", "2025-06-15T20:51:40+05:45", "Sunday", "+0545"),
        (1_750_000_000, "America/Argentina/Ushuaia", "2025-06-15T12:06:40-03:00", "Sunday", "-03"),
        (1_743_296_399, "Europe/Berlin", "2025-03-30T01:59:59+01:00", "Sunday", "CET"),
        (1_743_296_400, "Europe/Berlin", "2025-03-30T03:00:00+02:00", "Sunday", "CEST"),
        (1_735_689_599, "Pacific/Kiritimati", "2025-01-01T13:59:59+14:00", "Wednesday", "+14"),
    ],
)
def test_zones_have_their_own_day_and_offset(
    seconds: int, zone: str, iso: str, weekday: str, abbreviation: str
) -> None:
    """Summer time, quarters of an hour, and a weekday that differs from that of UTC."""
    now = at(seconds, timezone=zone)

    assert (now.iso, now.weekday, now.abbreviation) == (iso, weekday, abbreviation)
    assert iso.endswith(now.utc_offset)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "", "Europe/", "a\x00b"])
def test_an_unknown_zone_is_an_error_for_the_model(zone: str) -> None:
    """Also one that is the name of a folder or of a file elsewhere."""
    with pytest.raises(ToolError) as refused:
        at(0, timezone=zone)
    assert refused.value.code == "unknown_timezone"
