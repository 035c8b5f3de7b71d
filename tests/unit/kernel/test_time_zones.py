"""Names of time zones."""

import pytest

from shared.kernel.time_zones import known_time_zone


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Ushuaia", "Etc/GMT+5", "Asia/Kolkata"])
def test_names_of_the_iana_database_are_known(name: str) -> None:
    """As they are written there."""
    assert known_time_zone(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "Europe/Atlantis", "Berlin", "GMT+25:00", "../etc/passwd", "/etc/localtime", "localtime", "Factory",
     "posix/Europe/Berlin", "tzdata.zi", "Europe/Berlin\n", "Asia/Ho\x00", "a" * 5_000, "Europe//Berlin"],
)  # fmt: skip
def test_everything_else_is_not(name: str) -> None:
    """Neither folders nor files of the database, nor what leads out of it."""
    with pytest.raises(ValueError, match="IANA"):
        known_time_zone(name)
