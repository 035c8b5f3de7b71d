"""Titles: how the first message begins, then the model's, and for good the user's."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.chat.cancel import cancel_turn
from shared.chat.deletion import delete_session
from shared.chat.model import TextDelta
from shared.chat.sessions import MOST_SCANNED, Session, create_session, list_sessions, rename_session, session_key
from shared.chat.titles import TITLE_SECONDS, title_of
from shared.kernel.errors import NotFound
from shared.kernel.settings import ModelPrice
from tests.support.checks import check_over
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.model import Script, ScriptedModel, calls, fails, says
from tests.support.region import Parley
from tests.support.tools import Echo


def titled_by(parley: Parley, *scripts: Script, name: str = "cheap") -> ScriptedModel:
    """A model that finds titles."""
    model = ScriptedModel(parley.clock, list(scripts), name)
    prices = {name: ModelPrice(input=1, output=2)}
    parley.engine = replace(parley.engine, title_model=model, prices=prices)
    return model


def title(parley: Parley, session: Session) -> str | None:
    return parley.session(session.id).title


def turn(parley: Parley, session: Session, text: str = "Tell me about rivers, please.", message_id: str = "m1") -> str:
    task = parley.send(session, text, message_id).task
    parley.drain_queue()
    return task.id


def test_the_first_completed_turn_gives_a_title(parley: Parley) -> None:
    """One call, which sees the first words and the answer; no later turn asks again."""
    model = titled_by(parley, says("Rivers of the world"))
    session = parley.new_session()
    parley.scripted(says("A river flows."), says("And so on."))

    task_id = turn(parley, session)
    assert title(parley, session) == "Rivers of the world"
    turn(parley, session, "More", "m2")

    (request,) = model.requests
    assert "Tell me about rivers" in request.messages[-1]["content"]
    assert "A river flows." in request.messages[-1]["content"]
    assert list(request.tools) == []
    check_over(parley, session, task_id, "completed")
    assert parley.session(session.id).title_by == "model"


def test_viewers_have_their_end_before_the_title_is_asked_for(parley: Parley) -> None:
    """It delays nobody: the turn has ended, its session is free, and its lease is given back."""
    seen: list[object] = []

    def look() -> None:
        task = parley.task(parley.session(session.id).last_task or "")
        seen.append((task.status.value, task.lease_expires, parley.sockets.of("conn", "r").ends))

    titled_by(parley, [look, *says("Rivers")])
    session = parley.new_session()
    parley.scripted(says("A river flows."))
    frame = '{"type":"send","requestId":"r","id":"%s","messages":[{"id":"m1","role":"user","parts":[%s]}]}'
    parley.frames.handle("conn", "ada", frame % (session.id, '{"type":"text","text":"Go"}'))
    parley.drain_queue()

    assert seen == [("completed", 0, 1)]


def test_its_tokens_and_its_cost_count_for_the_session(parley: Parley) -> None:
    """At the price of its own model, and as no step."""
    titled_by(parley, says("Rivers", tokens=(100, 7)))
    session = parley.new_session()
    parley.scripted(says("A river flows.", tokens=(10, 5)))
    turn(parley, session)

    totals = parley.session(session.id).totals
    assert (totals.prompt_tokens, totals.completion_tokens, totals.steps) == (110, 12, 1)
    assert totals.cost_micros == 114


def test_the_title_changes_nothing_else(parley: Parley) -> None:
    """Neither the place in the list, nor any other field of the record, but for what is counted."""
    titled_by(parley, says("Rivers"))
    session = parley.new_session()
    before: list[dict[str, object]] = []
    assert isinstance(parley.engine.title_model, ScriptedModel)
    parley.engine.title_model.scripts = [
        [lambda: before.append(parley.database.get(session_key(session.id)) or {}), *says("Rivers")]
    ]
    parley.scripted(says("A river flows."))
    turn(parley, session)

    after = parley.database.get(session_key(session.id)) or {}
    assert uncounted({**before[0], "title": "Rivers", "title_by": "model"}) == uncounted(after)


def uncounted(record: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in record.items() if not name.startswith("total_")}


@pytest.mark.parametrize("when", ["at birth", "before", "meanwhile"])
def test_a_title_that_the_user_set_stays(parley: Parley, when: str) -> None:
    """Whenever it was set, also while the model thinks; what the call has cost is counted all the same."""

    def rename() -> None:
        rename_session(parley.database, session.id, "ada", "Mine")

    model = titled_by(parley, [rename, *says("Theirs")] if when == "meanwhile" else says("Theirs"))
    named = "Mine" if when == "at birth" else None
    session = create_session(parley.database, parley.clock, parley.services.ids, "ada", named)
    if when == "before":
        rename()
    parley.scripted(says("A river flows."))
    turn(parley, session)

    assert title(parley, session) == "Mine"
    assert len(model.requests) == (1 if when == "meanwhile" else 0)
    assert parley.session(session.id).totals.prompt_tokens == (20 if when == "meanwhile" else 10)


def test_the_users_title_is_safe_even_if_it_reads_as_the_automatic_one(parley: Parley) -> None:
    """Chosen is chosen."""
    titled_by(parley, [lambda: rename_session(parley.database, session.id, "ada", "Hello"), *says("Theirs")])
    session = parley.new_session()
    parley.scripted(says("A river flows."))
    turn(parley, session, "Hello")
    assert title(parley, session) == "Hello"


@pytest.mark.parametrize(
    "script",
    [fails(), fails("model_refused", retryable=False), [TextDelta("Riv")], [TextDelta("x" * 2_000)], says(" \n ")],
    ids=["unavailable", "refused", "silent", "endless", "blank"],
)
def test_a_title_that_fails_is_none(parley: Parley, script: Script) -> None:
    """One attempt within its seconds; the turn is what it was, and its message does not come again."""
    model = titled_by(parley, script)
    session = parley.new_session()
    parley.scripted(says("A river flows."))
    began = parley.clock.now()
    task_id = turn(parley, session)

    assert title(parley, session) == "Tell me about rivers, please."
    assert len(model.requests) == 1
    assert model.calls[0].closed
    assert parley.clock.now() - began <= TITLE_SECONDS
    check_over(parley, session, task_id, "completed")


@pytest.mark.parametrize("fault", FAULT_KINDS)
@pytest.mark.parametrize("call", ["read", "write"])
def test_storage_that_fails_for_a_title_fails_no_turn(parley: Parley, call: str, fault: FaultKind) -> None:
    """The invocation ends well, unless it is killed; then the next message finds nothing to do."""

    def strike(name: str, number: int) -> None:
        if parley.sockets.of("conn", "r").ends and name == ("GetItem" if call == "read" else "UpdateItem"):
            released.append(name)
            if call == "read" or len(released) == 2:  # the first update after the end gives the lease back
                parley.watch.on_call = None
                parley.watch.fault_at, parley.watch.fault = number, fault

    released: list[str] = []
    titled_by(parley, says("Rivers"))
    session = parley.new_session()
    parley.scripted(says("A river flows."))
    frame = '{"type":"send","requestId":"r","id":"%s","messages":[{"id":"m1","role":"user","parts":[%s]}]}'
    parley.frames.handle("conn", "ada", frame % (session.id, '{"type":"text","text":"Go"}'))
    parley.watch.on_call = strike
    if fault.startswith("kill"):
        with pytest.raises(Killed):
            parley.drain_queue()
    else:
        parley.drain_queue()
    assert parley.watch.on_call is None
    (task_id,) = {row.task_id for row in parley.transcript(session)}
    parley.work(task_id)
    check_over(parley, session, task_id, "completed")


def test_only_the_first_turn_that_completes_counts(parley: Parley) -> None:
    """One that failed, or was stopped, gives no title; the one after it does, and with tools as well."""
    model = titled_by(parley, says("Rivers"))
    parley.with_tools(Echo())
    session = parley.new_session()
    parley.scripted(
        fails("model_refused", retryable=False),
        [lambda: cancel_turn(parley.services, "ada", session.id), *says("Never")],
        calls(("c1", "echo", '{"text":"x"}')),
        says("Done."),
    )
    for number in range(2):
        turn(parley, session, message_id=f"m{number}")
        assert model.requests == []
    turn(parley, session, message_id="m3")
    assert title(parley, session) == "Rivers"


def test_a_session_deleted_meanwhile_gets_nothing(parley: Parley) -> None:
    """Neither a title nor its cost is written."""
    titled_by(parley, [lambda: delete_session(parley.services, "ada", session.id), *says("Rivers")])
    session = parley.new_session()
    parley.scripted(says("A river flows."))
    turn(parley, session)
    item = parley.database.get(session_key(session.id)) or {}
    assert "title_by" not in item
    assert item["total_prompt_tokens"] == 10


def test_an_invocation_without_time_leaves_the_title(parley: Parley) -> None:
    """It would be killed in the middle."""
    model = titled_by(parley, says("Rivers"))
    session = parley.new_session()
    parley.scripted([625.0, *says("A river flows.")])
    task = parley.send(session).task
    parley.work(task.id, seconds=650)
    assert model.requests == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Rivers of the world", "Rivers of the world"),
        ('"Rivers of the world."', "Rivers of the world"),
        ("**Title: Rivers**", "Rivers"),
        ("# Rivers\n\nand more", "Rivers"),
        ("\n\n  Flüsse   der Welt \n", "Flüsse der Welt"),
        ("Ri\u202evers\x00", "Rivers"),
        ("x" * 200, "x" * 79 + "…"),
        ("...", ""),
        ("", ""),
    ],
)
def test_an_answer_is_made_a_title(answer: str, expected: str) -> None:
    """One line, bare of what models put around it, at a length that a list shows."""
    assert title_of(answer) == expected


def test_a_session_is_renamed_by_its_user(parley: Parley) -> None:
    """Its place in the list stays, and to everybody else it does not exist."""
    first = parley.new_session()
    parley.clock.advance(1)
    second = parley.new_session()
    rename_session(parley.database, first.id, "ada", "Mine")

    rows, _ = list_sessions(parley.database, "ada", 10, None)
    assert [(row["id"], row["title"]) for row in rows] == [(second.id, None), (first.id, "Mine")]
    for session_id, user in ((first.id, "grace"), ("missing", "ada")):
        with pytest.raises(NotFound):
            rename_session(parley.database, session_id, user, "Theirs")
    assert title(parley, first) == "Mine"


def found(parley: Parley, search: str, limit: int = 10) -> Sequence[tuple[Sequence[str | None], bool]]:
    """The pages of a search: titles, and whether there is a next one."""
    pages, cursor = [], None
    while True:
        rows, cursor = list_sessions(parley.database, "ada", limit, cursor, search)
        pages.append(([row["title"] for row in rows], cursor is not None))
        if cursor is None:
            return pages


def titles(parley: Parley, *names: str, user: str = "ada") -> None:
    for name in names:
        create_session(parley.database, parley.clock, parley.services.ids, user, name)
        parley.clock.advance(1)


def test_search_looks_into_titles_whatever_their_case(parley: Parley) -> None:
    """Also where their lengths differ, or accents are characters of their own; untitled and foreign ones are not."""
    titles(parley, "Große Flüsse", "Lakes", "RIVERS and lakes")
    titles(parley, "Lakes of Grace", user="grace")
    parley.new_session()
    assert found(parley, "lAKES") == [(["RIVERS and lakes", "Lakes"], False)]
    assert found(parley, "GROSSE") == [(["Große Flüsse"], False)]
    assert found(parley, "flu\u0308sse") == [(["Große Flüsse"], False)]
    assert found(parley, "%") == [([], False)]


def test_a_search_is_paged(parley: Parley) -> None:
    """Each hit once, newest first; the cursor is that of the list."""
    titles(parley, *(f"{'river' if n % 3 == 0 else 'lake'} {n}" for n in range(12)))
    assert found(parley, "river", 2) == [(["river 9", "river 6"], True), (["river 3", "river 0"], False)]
    assert found(parley, "river", 3) == [(["river 9", "river 6", "river 3"], True), (["river 0"], False)]


def test_a_search_looks_at_so_many_sessions_a_request(parley: Parley) -> None:
    """A page may be empty and still have a next one: the work of a request is bounded."""
    titles(parley, "river 0", *(f"lake {n}" for n in range(MOST_SCANNED)))
    parley.watch.reset()
    assert found(parley, "river") == [([], True), (["river 0"], False)]
    assert parley.watch.calls == ["Query", "Query"]
