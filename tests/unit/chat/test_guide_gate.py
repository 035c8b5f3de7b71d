"""The guide gate: tools that need the guide are refused until it was answered in an earlier step of the session."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.users import GUEST_PREFIX
from shared.chat.answering import Answering, UserAnswer
from shared.chat.deletion import delete_session
from shared.chat.purge import Purge
from shared.chat.sessions import Session, create_sub_session
from shared.chat.transcript import Message, OpenStep, ToolCall
from shared.chat.turn.guide import guide_was_read
from shared.chat.turn.tool_step import MAX_GROUP_CALLS
from shared.kernel.errors import ToolError
from shared.tools.contract import GUIDE_TOOL, ToolContext, ToolResponse
from shared.tools.registry import Toolbox
from tests.support.faults import Killed
from tests.support.model import calls, says, summarizes
from tests.support.region import Parley
from tests.support.tools import Echo, EchoInput, Survey

GUIDE = ("g1", GUIDE_TOOL, '{"text":"how"}')
BUILD = ("b1", "build", '{"text":"agent"}')


class Guide(Echo):
    """Stands where the guide is."""

    name = GUIDE_TOOL
    description = "Read how agents are built."


class Build(Echo):
    """Needs it."""

    name = "build"
    description = "Build an agent."
    needs_guide = True


class BrokenGuide(Guide):
    """Can't be read."""

    def run(self, context: ToolContext, arguments: EchoInput) -> ToolResponse:
        raise ToolError("The guide is gone.", code="guide_gone")


class GuideForUsers(Guide):
    """Not for guests."""

    requires_auth = True


class Generate(Survey):
    """An operation that needs it."""

    name = "generate"
    needs_guide = True


@pytest.fixture
def building(parley: Parley) -> Build:
    build = Build()
    parley.with_tools(Guide(), build, Echo())
    return build


def turn(parley: Parley, session: Session, message_id: str, *scripts: Any) -> list[dict[str, Any]]:
    """The results of one turn's calls, in their order."""
    parley.scripted(*scripts, says("Done"))
    task = parley.send(session, "Build me an agent", message_id).task
    parley.drain_queue()
    return results(parley, session, task.id)


def results(parley: Parley, session: Session, task_id: str) -> list[dict[str, Any]]:
    rows = [row for row in parley.transcript(session) if row.role == "tool" and row.task_id == task_id]
    return [json.loads(row.content) for row in rows]


def test_a_gated_tool_is_refused_until_the_guide_was_read(parley: Parley, building: Build) -> None:
    """The refusal says what to do; a guide that was read earlier in the same turn counts."""
    first, read, built = turn(parley, parley.new_session(), "m1", calls(BUILD), calls(GUIDE), calls(("b2", *BUILD[1:])))

    assert first["code"] == "guide_required"
    assert GUIDE_TOOL in first["message"]
    assert (read["type"], built["type"]) == ("echo", "echo")
    assert building.calls == ["agent"]


def test_it_stays_open_for_all_later_turns_of_the_session_alone(parley: Parley, building: Build) -> None:
    """Reading it again changes nothing; another session of the same user has not read it."""
    session = parley.new_session()
    turn(parley, session, "m1", calls(GUIDE))
    turn(parley, session, "m2", calls(("e1", "echo", '{"text":"x"}')))

    assert turn(parley, session, "m3", calls(BUILD))[0]["type"] == "echo"
    both = turn(parley, session, "m4", calls(("g2", *GUIDE[1:]), ("b2", *BUILD[1:])))
    assert [result["type"] for result in both] == ["echo", "echo"]
    assert turn(parley, parley.new_session(), "m5", calls(BUILD))[0]["code"] == "guide_required"


@pytest.mark.parametrize("order", [(GUIDE, BUILD), (BUILD, GUIDE)])
def test_calls_beside_the_guides_are_refused(parley: Parley, building: Build, order: Any) -> None:
    """Whichever ends first: the model that asked for both had not read it."""
    refused = [result.get("code") for result in turn(parley, parley.new_session(), "m1", calls(*order))]

    assert sorted(refused, key=str) == [None, "guide_required"]
    assert building.calls == []


def test_a_kill_between_the_guide_and_its_neighbour_opens_nothing(parley: Parley, building: Build) -> None:
    """The next owner finds the guide's answer stored, and refuses what was called beside it all the same."""
    session = parley.new_session()
    neighbours = [(f"e{number}", "echo", '{"text":"x"}') for number in range(MAX_GROUP_CALLS)]
    parley.scripted(calls(GUIDE, *neighbours, BUILD), says("Done"))
    task = parley.send(session).task
    parley.messages_waiting()

    def die_when_the_guide_is_stored(name: str, number: int) -> None:
        if name == "TransactWriteItems" and results(parley, session, task.id):
            parley.watch.on_call = None
            raise Killed

    parley.watch.on_call = die_when_the_guide_is_stored
    with pytest.raises(Killed):
        parley.work(task.id)
    parley.clock.advance(31)
    parley.sweep()
    parley.drain_queue()

    assert results(parley, session, task.id)[-1]["code"] == "guide_required"
    assert building.calls == []


def test_it_stays_open_when_the_guide_has_left_the_transcript(parley: Parley, building: Build) -> None:
    """Compaction takes the guide's words from the model; that it was read is kept beside the transcript."""
    session = parley.new_session()
    turn(parley, session, "m0", calls(("g1", GUIDE_TOOL, json.dumps({"text": "how " * 2_000}))))
    parley.with_window(4_000)
    parley.model.choose = lambda request: says("Earlier.") if summarizes(request) else says("word " * 200)
    for number in range(1, 6):
        turn(parley, session, f"m{number}")
    parley.model.choose = None

    guide = next(row for row in parley.transcript(session) if row.tool_name == GUIDE_TOOL)
    assert parley.session(session.id).context_from > guide.seq
    assert turn(parley, session, "m9", calls(BUILD))[0]["type"] == "echo"


def test_a_guide_that_failed_opens_nothing(parley: Parley) -> None:
    parley.with_tools(BrokenGuide(), Build())

    failed, refused = turn(parley, parley.new_session(), "m1", calls(GUIDE), calls(BUILD))

    assert (failed["code"], refused["code"]) == ("guide_gone", "guide_required")


def test_a_guest_who_was_sent_to_sign_in_has_read_nothing(parley: Parley) -> None:
    """Else the session would be open as soon as its guest has signed in."""
    build = Build()
    parley.with_tools(GuideForUsers(), build)

    sent, refused = turn(parley, parley.new_session(f"{GUEST_PREFIX}1"), "m1", calls(GUIDE), calls(BUILD))

    assert (sent["type"], refused["code"]) == ("need_login", "guide_required")


def test_a_sub_session_reads_it_for_itself(parley: Parley, building: Build) -> None:
    session = parley.new_session()
    turn(parley, session, "m1", calls(GUIDE))
    child = create_sub_session(
        parley.database, parley.clock, parley.task(parley.session(session.id).last_task or ""), "c"
    )

    assert turn(parley, child, "m2", calls(BUILD))[0]["code"] == "guide_required"


def test_nobody_is_asked_to_approve_what_is_refused(parley: Parley, building: Build) -> None:
    """Once the guide is read they are, and the approved call is made."""
    parley.engine = replace(parley.engine, tools_needing_approval=frozenset({"build"}))
    session = parley.new_session()

    assert turn(parley, session, "m1", calls(BUILD))[0]["code"] == "guide_required"
    turn(parley, session, "m2", calls(GUIDE), calls(BUILD))
    answering = Answering(parley.services)
    (asked,) = answering.pending("ada", session.id)
    answering.answer("ada", UserAnswer(asked["approval_id"], True, ""))
    parley.drain_queue()

    assert building.calls == ["agent"]


def test_an_operation_that_needs_it_does_not_begin(parley: Parley) -> None:
    generate = Generate()
    parley.with_tools(Guide(), generate)
    session = parley.new_session()

    wanted = calls(("o1", "generate", '{"text":"agent"}'))
    assert turn(parley, session, "m1", wanted)[0]["code"] == "guide_required"
    assert parley.runs_waiting() == []
    turn(parley, session, "m2", calls(GUIDE), wanted)
    assert len(parley.runs_waiting()) == 1


def test_a_deleted_session_leaves_no_trace_of_it(parley: Parley, building: Build) -> None:
    session = parley.new_session()
    turn(parley, session, "m1", calls(GUIDE))
    delete_session(parley.services, "ada", session.id)
    parley.clock.advance(3_600)
    Purge(parley.services, None, "test").run(lambda: True)

    assert list(parley.database.query("#pk = :pk", {"pk": f"SESSION#{session.id}"})) == []


def test_a_step_without_gated_calls_asks_storage_nothing() -> None:
    """`guide_was_read` would fail here, if it looked."""
    step = OpenStep(Message(1, "assistant", "", "t", 0), {2: ToolCall("e1", "echo", "{}")})
    assert guide_was_read(None, "s", step, Toolbox([Echo(), Build()])) is False  # type: ignore[arg-type]
