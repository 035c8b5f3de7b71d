"""When schedules fire: expected instants, and what an independent implementation says (cronsim, by Healthchecks)."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from shared.schedules.cron import checked_cron, next_fire, next_fires

MINUTE = timedelta(minutes=1)

# expression, zone, later than this instant (UTC), the next fires (UTC)
ORDINARY = [
    # weekdays: 0 and 7 are Sunday, 6 is Saturday (2025-06-07)
    ("0 9 * * 0", "UTC", "2025-06-03T00:00", ["2025-06-08T09:00", "2025-06-15T09:00"]),
    ("0 9 * * 7", "UTC", "2025-06-03T00:00", ["2025-06-08T09:00", "2025-06-15T09:00"]),
    ("0 9 * * 6", "UTC", "2025-06-03T00:00", ["2025-06-07T09:00", "2025-06-14T09:00"]),
    ("0 9 * * sat", "UTC", "2025-06-03T00:00", ["2025-06-07T09:00", "2025-06-14T09:00"]),
    ("0 9 * * 1", "UTC", "2025-06-03T00:00", ["2025-06-09T09:00", "2025-06-16T09:00"]),
    ("0 9 * * 5-7", "UTC", "2025-06-03T00:00", ["2025-06-06T09:00", "2025-06-07T09:00", "2025-06-08T09:00"]),
    ("0 9 * * 1-5", "UTC", "2025-06-06T10:00", ["2025-06-09T09:00", "2025-06-10T09:00"]),
    # a range of one value is that value
    ("0 9 * * 3-3", "UTC", "2025-06-03T00:00", ["2025-06-04T09:00", "2025-06-11T09:00"]),
    ("0 9 * * mon-mon", "UTC", "2025-06-03T00:00", ["2025-06-09T09:00", "2025-06-16T09:00"]),
    ("0 9 * * 0-0", "UTC", "2025-06-03T00:00", ["2025-06-08T09:00", "2025-06-15T09:00"]),
    ("0 9 * * 7-7", "UTC", "2025-06-03T00:00", ["2025-06-08T09:00", "2025-06-15T09:00"]),
    ("5-5 * * * *", "UTC", "2025-06-03T09:10", ["2025-06-03T10:05", "2025-06-03T11:05"]),
    ("0 9-9 * * *", "UTC", "2025-06-03T00:00", ["2025-06-03T09:00", "2025-06-04T09:00"]),
    ("0 9 10-10 * *", "UTC", "2025-06-03T00:00", ["2025-06-10T09:00", "2025-07-10T09:00"]),
    ("0 9 1,10-10 * *", "UTC", "2025-06-03T00:00", ["2025-06-10T09:00", "2025-07-01T09:00", "2025-07-10T09:00"]),
    ("0 9 1 6-6 *", "UTC", "2025-06-03T00:00", ["2026-06-01T09:00", "2027-06-01T09:00"]),
    # and from Sunday to Sunday is each day
    ("0 9 * * 0-7", "UTC", "2025-06-07T00:00", ["2025-06-07T09:00", "2025-06-08T09:00", "2025-06-09T09:00"]),
    # a day of the month and a weekday: either is enough
    ("0 9 13 * 5", "UTC", "2025-06-01T00:00", ["2025-06-06T09:00", "2025-06-13T09:00", "2025-06-20T09:00"]),
    ("0 9 10 * 1", "UTC", "2025-06-03T00:00", ["2025-06-09T09:00", "2025-06-10T09:00", "2025-06-16T09:00"]),
    ("0 9 13 * 5#2", "UTC", "2025-06-14T00:00", ["2025-07-11T09:00", "2025-07-13T09:00", "2025-08-08T09:00"]),
    ("0 9 1 * L7", "UTC", "2025-06-03T00:00", ["2025-06-29T09:00", "2025-07-01T09:00", "2025-07-27T09:00"]),
    # steps
    ("*/20 9 * * *", "UTC", "2025-06-03T09:05", ["2025-06-03T09:20", "2025-06-03T09:40", "2025-06-04T09:00"]),
    ("5/25 * * * *", "UTC", "2025-06-03T09:05", ["2025-06-03T09:30", "2025-06-03T09:55", "2025-06-03T10:05"]),
    ("0 8-18/5 * * *", "UTC", "2025-06-03T00:00", ["2025-06-03T08:00", "2025-06-03T13:00", "2025-06-03T18:00"]),
    ("0 0 1-10/4 * *", "UTC", "2025-06-03T00:00", ["2025-06-05T00:00", "2025-06-09T00:00", "2025-07-01T00:00"]),
    ("0 0 1 */5 *", "UTC", "2025-06-03T00:00", ["2025-11-01T00:00", "2026-01-01T00:00", "2026-06-01T00:00"]),
    # the last day, the last Friday, the third Friday, the fifth Monday
    ("0 9 L * *", "UTC", "2025-01-31T10:00", ["2025-02-28T09:00", "2025-03-31T09:00", "2025-04-30T09:00"]),
    ("0 9 L 2 *", "UTC", "2025-06-03T00:00", ["2026-02-28T09:00", "2027-02-28T09:00", "2028-02-29T09:00"]),
    ("0 9 * * L5", "UTC", "2025-06-03T00:00", ["2025-06-27T09:00", "2025-07-25T09:00", "2025-08-29T09:00"]),
    ("0 9 * * 5#3", "UTC", "2025-06-03T00:00", ["2025-06-20T09:00", "2025-07-18T09:00", "2025-08-15T09:00"]),
    ("0 9 * * 7#1", "UTC", "2025-06-03T00:00", ["2025-07-06T09:00", "2025-08-03T09:00", "2025-09-07T09:00"]),
    ("0 9 * * 1#5", "UTC", "2025-06-03T00:00", ["2025-06-30T09:00", "2025-09-29T09:00", "2025-12-29T09:00"]),
    ("0 9 * * L0", "UTC", "2025-06-03T00:00", ["2025-06-29T09:00", "2025-07-27T09:00"]),
    # lists of them
    ("0 9 L,15 * *", "UTC", "2025-06-03T00:00", ["2025-06-15T09:00", "2025-06-30T09:00", "2025-07-15T09:00"]),
    ("0 9 * * 5#3,1#1", "UTC", "2025-06-03T00:00", ["2025-06-20T09:00", "2025-07-07T09:00", "2025-07-18T09:00"]),
    # February 29, also around the year that has none
    ("0 0 29 2 *", "UTC", "2025-06-03T00:00", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
    ("0 0 29 2 *", "UTC", "2093-01-01T00:00", ["2096-02-29T00:00", "2104-02-29T00:00"]),
    ("0 0 31 * *", "UTC", "2025-01-31T00:00", ["2025-03-31T00:00", "2025-05-31T00:00", "2025-07-31T00:00"]),
    # names, in whatever case
    ("0 6 * JAN,jul Mon", "UTC", "2025-07-29T00:00", ["2026-01-05T06:00", "2026-01-12T06:00"]),
    # zones that never change their clocks
    ("30 9 * * *", "Asia/Kolkata", "2025-03-29T00:00", ["2025-03-29T04:00", "2025-03-30T04:00", "2025-03-31T04:00"]),
    ("30 2 * * *", "America/Phoenix", "2025-03-08T10:00", ["2025-03-09T09:30", "2025-03-10T09:30"]),
    ("0 12 * * 6", "Pacific/Kiritimati", "2025-06-03T00:00", ["2025-06-06T22:00", "2025-06-13T22:00"]),
]
CLOCKS_CHANGE = [
    # skipped: right after the gap
    ("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00", ["2025-03-30T01:00", "2025-03-31T00:30"]),
    ("0 3 * * *", "Europe/Berlin", "2025-03-29T12:00", ["2025-03-30T01:00", "2025-03-31T01:00"]),
    ("15 2 * * *", "America/New_York", "2025-03-08T12:00", ["2025-03-09T07:00", "2025-03-10T06:15"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00", ["2025-10-04T15:30", "2025-10-05T15:15"]),
    ("45 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00", ["2025-10-04T15:45", "2025-10-05T15:45"]),
    # shown twice: once, the first time
    ("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00", ["2025-10-26T00:30", "2025-10-27T01:30"]),
    ("30 1 * * *", "America/New_York", "2025-11-01T12:00", ["2025-11-02T05:30", "2025-11-03T06:30"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00", ["2025-04-05T14:45", "2025-04-06T15:15"]),
    # several in one gap are one fire
    ("10,20,50 2 * * *", "Europe/Berlin", "2025-03-29T12:00", ["2025-03-30T01:00", "2025-03-31T00:10"]),
]
FREQUENT = [
    ("*/30 * * * *", "Europe/Berlin", "2025-03-30T00:15", ["2025-03-30T00:30", "2025-03-30T01:00", "2025-03-30T01:30"]),
    ("*/30 * * * *", "Europe/Berlin", "2025-10-26T00:15", ["2025-10-26T00:30", "2025-10-26T02:00", "2025-10-26T02:30"]),
    ("0 * * * *", "America/New_York", "2025-11-02T04:30", ["2025-11-02T05:00", "2025-11-02T07:00"]),
    (
        "*/20 * * * *",
        "Australia/Lord_Howe",
        "2025-04-05T14:25",  # 01:25, half an hour before the clocks go half an hour back
        ["2025-04-05T14:40", "2025-04-05T15:30", "2025-04-05T15:50"],
    ),
]
# cronsim refuses these, so a reading of each minute is their judge.
OVER_THE_END = [
    # a range goes on from the end of the hour, day, month, year or week at its beginning, and its step with it
    ("0 22-2 * * *", "UTC", "2025-06-03T22:30", ["2025-06-03T23:00", "2025-06-04T00:00", "2025-06-04T01:00"]),
    ("0 22-6/3 * * *", "UTC", "2025-06-03T12:00", ["2025-06-03T22:00", "2025-06-04T01:00", "2025-06-04T04:00"]),
    ("50-10/10 9 * * *", "UTC", "2025-06-03T00:00", ["2025-06-03T09:00", "2025-06-03T09:10", "2025-06-03T09:50"]),
    ("0 9 25-5/5 * *", "UTC", "2025-06-03T00:00", ["2025-06-04T09:00", "2025-06-25T09:00", "2025-06-30T09:00"]),
    ("0 9 1 nov-feb *", "UTC", "2025-11-03T00:00", ["2025-12-01T09:00", "2026-01-01T09:00", "2026-02-01T09:00"]),
    ("0 9 2 10-3/2 *", "UTC", "2025-06-03T00:00", ["2025-10-02T09:00", "2025-12-02T09:00", "2026-02-02T09:00"]),
    ("0 9 * * fri-mon", "UTC", "2025-06-07T10:00", ["2025-06-08T09:00", "2025-06-09T09:00", "2025-06-13T09:00"]),
    ("0 9 * * 5-1/2", "UTC", "2025-06-03T00:00", ["2025-06-06T09:00", "2025-06-08T09:00", "2025-06-13T09:00"]),
    ("0 9 * * 7-1", "UTC", "2025-06-03T00:00", ["2025-06-08T09:00", "2025-06-09T09:00", "2025-06-15T09:00"]),
    ("0 9 * * 7-0", "UTC", "2025-06-03T00:00", ["2025-06-08T09:00", "2025-06-15T09:00"]),
    ("0 9 13 * sat-sun", "UTC", "2025-06-03T00:00", ["2025-06-07T09:00", "2025-06-08T09:00", "2025-06-13T09:00"]),
    ("10-10/5 * * * *", "UTC", "2025-06-03T09:00", ["2025-06-03T09:10", "2025-06-03T10:10"]),
    # `?` is `*`
    ("0 9 ? * 5", "UTC", "2025-06-03T00:00", ["2025-06-06T09:00", "2025-06-13T09:00"]),
    ("0 9 13 * ?", "UTC", "2025-06-03T00:00", ["2025-06-13T09:00", "2025-07-13T09:00"]),
]
OUR_OWN = [
    # croniter's W: the weekday nearest to the 15th; 2025-06-15 is a Sunday, 2025-11-15 a Saturday
    ("0 9 15W * *", "UTC", "2025-06-03T00:00", ["2025-06-16T09:00", "2025-07-15T09:00", "2025-08-15T09:00"]),
    ("0 9 15W 11 *", "UTC", "2025-06-03T00:00", ["2025-11-14T09:00"]),
    # a step counts as given: every tenth day, and every Monday
    ("0 9 */10 * 1", "UTC", "2025-06-03T00:00", ["2025-06-09T09:00", "2025-06-11T09:00", "2025-06-16T09:00"]),
]


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def told(fires: list[int]) -> list[str]:
    return [datetime.fromtimestamp(fire / 1000, UTC).strftime("%Y-%m-%dT%H:%M") for fire in fires]


def in_cronsims_words(expression: str) -> str:
    """cronsim writes the last Friday 5L."""
    minute, hour, day, month, weekday = expression.split()
    turned = f"{weekday[1:]}L" if weekday.startswith("L") else weekday
    return f"{minute} {hour} {day} {month} {turned}"


@pytest.mark.parametrize(
    ("expression", "zone", "after", "fires"), [*ORDINARY, *CLOCKS_CHANGE, *FREQUENT, *OVER_THE_END, *OUR_OWN]
)
def test_it_fires_at_these_instants(expression: str, zone: str, after: str, fires: list[str]) -> None:
    """Written down, so that no implementation is the judge of itself."""
    assert told(next_fires(checked_cron(expression), zone, instant(after), len(fires))) == fires


@pytest.mark.parametrize(("expression", "zone", "after", "fires"), [*ORDINARY, *CLOCKS_CHANGE])
def test_an_independent_implementation_says_the_same(expression: str, zone: str, after: str, fires: list[str]) -> None:
    """Twenty fires on; cronsim treats a changing clock as Debian's cron does."""
    start = datetime.fromisoformat(after).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    theirs: list[int] = []
    for time in CronSim(in_cronsims_words(expression), start):
        millis = int(time.timestamp()) * 1000
        theirs += [millis] if millis not in theirs else []  # it gives several in one gap one by one
        if len(theirs) == 20:
            break
    assert told(theirs)[: len(fires)] == fires
    assert next_fires(expression, zone, instant(after), 20) == theirs


@pytest.mark.parametrize(("expression", "zone", "after", "fires"), [*CLOCKS_CHANGE, *FREQUENT])
def test_each_local_time_is_the_first_instant_at_which_the_clocks_have_reached_it(
    expression: str, zone: str, after: str, fires: list[str]
) -> None:
    """The rule itself, minute by minute, on local times from cronsim: also where Debian's cron makes exceptions."""
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    clocks = [(start + n * MINUTE, _shown(start + n * MINUTE, zone)) for n in range(1, 3 * 24 * 60)]
    local_times = islice(CronSim(expression, _shown(start, zone)), 60)
    reached = [next((at for at, shown in clocks if shown >= time), None) for time in local_times]
    expected = sorted({int(at.timestamp()) * 1000 for at in reached if at})
    # A time that was shown before is not one that is still to come, though the clocks show it again.
    assert next_fires(expression, zone, instant(after), len(fires)) == expected[: len(fires)]


def _shown(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@pytest.mark.parametrize(("expression", "zone", "after", "fires"), OVER_THE_END)
def test_a_reading_of_each_minute_says_the_same(expression: str, zone: str, after: str, fires: list[str]) -> None:
    """Which values a range has is found by walking from its first to its last; each minute is held against them."""
    assert zone == "UTC"
    start, end = datetime.fromisoformat(after), datetime.fromisoformat(fires[-1]) + timedelta(days=3)
    minutes, hours, days, months, weekdays = map(walked, expression.split(), CYCLES)
    either = not {"*", "?"} & set(expression.split()[2::2])
    expected = []
    for n in range(1, int((end - start) / MINUTE)):
        at = start + n * MINUTE
        if at.minute in minutes and at.hour in hours and at.month in months:
            fits = (at.day in days, at.isoweekday() % 7 in weekdays)
            expected += [at.strftime("%Y-%m-%dT%H:%M")] if (any(fits) if either else all(fits)) else []
    assert told(next_fires(checked_cron(expression), zone, instant(after), len(expected))) == expected


CYCLES: tuple[tuple[range, dict[str, int]], ...] = (
    (range(60), {}),
    (range(24), {}),
    (range(1, 32), {}),
    (range(1, 13), {"nov": 11, "feb": 2}),
    (range(7), {"fri": 5, "mon": 1, "sat": 6, "sun": 0, "7": 0}),
)


def walked(field: str, cycle: tuple[range, dict[str, int]]) -> set[int]:
    """The values of a field: `*`, `?`, a value, or a range with or without a step."""
    values, names = cycle
    if field in {"*", "?"}:
        return set(values)
    span, _, step = field.partition("/")
    first, _, last = (names.get(word, int(word) if word.isdigit() else -1) for word in span.partition("-"))
    found = [first]
    while last >= 0 and found[-1] != last:
        found.append(found[-1] + 1 if found[-1] + 1 in values else values[0])
    return set(found[:: int(step or 1)])


def test_the_second_time_round_is_not_for_what_comes_from_the_first() -> None:
    """Berlin's clocks show 02:10 again: 02:30 was there already."""
    again = instant("2025-10-26T01:10")
    assert told(next_fires("30 2 * * *", "Europe/Berlin", again, 1)) == ["2025-10-27T01:30"]


def test_a_fire_is_later_than_the_instant_that_it_is_asked_for() -> None:
    """Each fire asks for the next one."""
    nine = instant("2025-06-03T09:00")
    assert next_fire("0 9 * * *", "UTC", nine - 1) == nine
    assert next_fire("0 9 * * *", "UTC", nine) == nine + 86_400_000


def test_a_day_that_was_skipped_whole_fires_when_the_next_begins() -> None:
    """Samoa had no December 30 in 2011."""
    after = instant("2011-12-30T00:00")
    assert told(next_fires("0 12 30 12 *", "Pacific/Apia", after, 1)) == ["2011-12-30T10:00"]


@pytest.mark.parametrize(
    ("expression", "field", "example"),
    [
        ("60 * * * *", "minute '60'", "*/15"),
        ("*/0 * * * *", "minute '*/0'", "*/15"),
        ("0 24 * * *", "hour '24'", "9-17"),
        ("? 9 * * *", "minute '?'", "*/15"),
        ("0 ? * * *", "hour '?'", "9-17"),
        ("0 0 * ? *", "month '?'", "mar-oct"),
        ("0 0 0 * *", "day of the month '0'", "1,15"),
        ("0 0 32 * *", "day of the month '32'", "1,15"),
        ("0 0 * 13 *", "month '13'", "mar-oct"),
        ("0 0 * foo *", "month 'foo'", "mar-oct"),
        ("0 0 * * 8", "weekday '8'", "5#3"),
        ("0 0 * * 5#6", "weekday '5#6'", "5#3"),
        ("0 0 * * 1,5#2", "weekday '1,5#2'", "5#3"),
        ("h 9 * * *", "minute 'h'", "*/15"),  # croniter's random and hashed values mean another time at each look
        ("0 r * * *", "hour 'r'", "9-17"),
        ("* * * *", "five fields", "30 9 * * 1-5"),
        ("0 0 9 * * *", "five fields", "30 9 * * 1-5"),
        ("@daily", "five fields", "30 9 * * 1-5"),
        ("", "five fields", "30 9 * * 1-5"),
        ("0 0 30 2 *", "February 30", "30 9 * * 1-5"),
        ("0 0 31 4,6,9,11 *", "never comes", "30 9 * * 1-5"),
        ("0 0 * * *" + " " * 100, "100", "30 9 * * 1-5"),
        ("\u0663 * * * *", "ASCII", "30 9 * * 1-5"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field_and_an_example(
    expression: str, field: str, example: str
) -> None:
    """So that it is right the second time."""
    with pytest.raises(ValueError, match=r"must|wrong|names") as refused:
        checked_cron(expression)
    assert field in str(refused.value)
    assert example in str(refused.value)


def test_it_is_stored_with_single_spaces() -> None:
    """One spelling."""
    assert checked_cron("  0\t9 * *   1 ") == "0 9 * * 1"


def test_an_expression_that_was_never_checked_fires_never() -> None:
    """It raises, so that whoever asks can say why."""
    with pytest.raises(ValueError, match="not acceptable"):
        next_fire("0 9 * * nonsense", "UTC", 0)
    with pytest.raises(ValueError, match="IANA"):
        next_fire("0 9 * * 1", "Mars/Olympus", 0)
