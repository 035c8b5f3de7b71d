"""A user's runs, the newest first: page by page, found by when they were created."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from shared.agents.running import RunFilter, RunPage, RunView
from shared.aws.database import Database
from shared.runs.records import Run, agent_list, run_key, user_list
from shared.runs.views import views

MOST_LOOKED_AT = 500
"""Runs, for one page."""
_MOST_PAGES = 10
"""For one search."""
_PORTION = 50


@dataclass(frozen=True)
class _Listed:
    run_id: str
    place: str
    """In the list: when it was created, and its id."""


def search_runs(database: Database, user_id: str, wanted: RunFilter, now: float) -> list[RunView]:
    """Those that fit, the newest first, without their outputs; `now` in seconds since the epoch."""
    found: list[RunView] = []
    before = wanted.before
    for _ in range(_MOST_PAGES):
        page = page_of_runs(database, user_id, replace(wanted, before=before, limit=wanted.limit - len(found)), now)
        found += page.runs
        before = page.next
        if not before or len(found) >= wanted.limit:
            break
    return found


def page_of_runs(database: Database, user_id: str, wanted: RunFilter, now: float) -> RunPage:
    """The same, up to where 500 have been looked at."""
    found: list[tuple[RunView, _Listed]] = []
    last, looked_at = "", 0
    rows = _rows(database, user_id, wanted)
    while portion := list(islice(rows, _PORTION)):
        last, looked_at = portion[-1].place, looked_at + len(portion)
        found += _fitting(database, user_id, portion, wanted, now)
        if len(found) > wanted.limit:
            shown = found[: wanted.limit]
            return RunPage([run for run, _ in shown], shown[-1][1].place)
    return RunPage([run for run, _ in found], last if looked_at >= MOST_LOOKED_AT else "")


def _fitting(
    database: Database, user_id: str, portion: list[_Listed], wanted: RunFilter, now: float
) -> list[tuple[RunView, _Listed]]:
    items = database.get_many([run_key(listed.run_id) for listed in portion])
    runs = {listed.run_id: Run.from_item(item) for listed, item in zip(portion, items, strict=True) if item}
    own = [run for run in runs.values() if run.user_id == user_id and not run.has_expired(now)]
    shown = {run.id: run for run in views(database, own)}
    return [
        (shown[listed.run_id], listed)
        for listed in portion
        if listed.run_id in shown and (not wanted.statuses or shown[listed.run_id].status in wanted.statuses)
    ]


def _rows(database: Database, user_id: str, wanted: RunFilter) -> Iterator[_Listed]:
    low, high = f"{wanted.since:013d}", min(wanted.before or "~", f"{wanted.until:013d}" if wanted.until else "~")
    if high < low:  # which DynamoDB refuses
        return
    of_agent = wanted.library_agent_id
    pk, sk, index = ("pk", "sk", None) if of_agent else ("gsi1pk", "gsi1sk", "GSI1")
    rows = database.query(
        f"#{pk} = :list AND #{sk} BETWEEN :low AND :high",
        {"list": agent_list(user_id, of_agent) if of_agent else user_list(user_id), "low": low, "high": high},
        index=index,
        forward=False,
        limit=MOST_LOOKED_AT + 1,  # the page before may have ended with the first of them
        portion=_PORTION,
    )
    listed = (_Listed(str(row[sk]).partition("#")[2], str(row[sk])) for row in rows)
    yield from islice((one for one in listed if one.place != wanted.before), MOST_LOOKED_AT)
