"""When a run was, as people say it, on their clocks."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.agents.tools.run_times import ANY_TIME, TimeWindow, window_of

BERLIN = "Europe/Berlin"
NOW = "2026-03-30T10:00:00+02:00"
"""A Monday, the day after clocks went forward in Berlin."""


def millis(instant: str) -> int:
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def window(written: str, now: str = NOW, zone: str = BERLIN) -> TimeWindow:
    return window_of(written, datetime.fromisoformat(now).timestamp(), ZoneInfo(zone))


@pytest.mark.parametrize(
    ("written", "since", "until"),
    [
        ("today", "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00"),
        ("yesterday", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        ("2026-03-28", "2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00"),
        ("2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("2026-03-30T09:30", "2026-03-30T08:30:00+02:00", "2026-03-30T10:30:00+02:00"),
        ("2026-03-29T03:30", "2026-03-29T01:30:00+01:00", "2026-03-29T04:30:00+02:00"),
        ("2026-03-29T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T00:00:00Z"),
        ("2026-03-29 23:00:00-05:00", "2026-03-30T03:00:00Z", "2026-03-30T05:00:00Z"),
        ("  Today ", "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00"),
    ],
)
def test_days_and_instants(written: str, since: str, until: str) -> None:
    """A day may have 23 or 25 hours; an instant means the hour before and after; an offset that is given counts."""
    assert window(written) == TimeWindow(millis(since), millis(until))


@pytest.mark.parametrize(
    ("written", "days"),
    [("last week", 7), ("last 7 days", 7), ("LAST_WEEK", 7), ("last month", 30), ("last 30 days", 30)],
)
def test_the_last_days(written: str, days: int) -> None:
    """So many times 24 hours back from now, to now."""
    since = datetime.fromisoformat(NOW) - timedelta(days=days)
    assert window(written) == TimeWindow(round(since.timestamp() * 1000))


@pytest.mark.parametrize("written", ["latest", "", "the other day", "2026-02-30", "25:99", "9999-12-31", "x" * 200])
def test_what_nobody_understands_is_any_time(written: str) -> None:
    """As `latest` is."""
    assert window(written) == ANY_TIME


@pytest.mark.parametrize("written", ["0001-01-01", "1969-12-31", "1960-01-01T00:00"])
def test_before_the_epoch_nothing_was_run(written: str) -> None:
    """The window is empty, and not without a bound; what can't be reckoned with is any time."""
    found = window(written)
    assert found == ANY_TIME or (found.since, found.until) == (0, 1)


def test_today_depends_on_the_zone() -> None:
    """At one instant it is Tuesday in Auckland and Monday in Honolulu."""
    now = "2026-06-15T23:00:00Z"
    assert window("today", now, "Pacific/Auckland").since == millis("2026-06-16T00:00:00+12:00")
    assert window("today", now, "Pacific/Honolulu").since == millis("2026-06-15T00:00:00-10:00")


def test_a_midnight_that_clocks_skip() -> None:
    """In Beirut the day begins at one o'clock then."""
    assert window("2026-03-29", zone="Asia/Beirut").since == millis("2026-03-28T22:00:00Z")


def test_where_clocks_shift_by_half_an_hour() -> None:
    """On Lord Howe a day may have 24.5 hours."""
    found = window("2026-04-05", zone="Australia/Lord_Howe")
    assert found.until - found.since == round(24.5 * 3_600_000)
