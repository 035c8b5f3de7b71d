"""A model that misbehaves: the turn goes on where it can, and says why where it can't."""

from itertools import pairwise

import pytest

from shared.chat.model import ModelFailed, ModelFinished, ReasoningDelta, TextDelta, ToolCallDelta
from shared.chat.turn.draft import MAX_CALLS, MAX_TEXT_BYTES
from shared.kernel.limits import MODEL_CALL_SECONDS
from shared.stream.replay import replay
from tests.support.checks import check_over, kinds, roles
from tests.support.model import Script, calls, fails, says, thinks
from tests.support.region import Parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo


@pytest.mark.parametrize("code", ["model_rate_limited", "model_unavailable", "empty_completion"])
def test_a_failure_before_anything_was_shown_is_repeated_unseen(parley: Parley, code: str) -> None:
    """429, 5xx and an empty answer are tried again, and viewers see nothing of it."""
    session = parley.new_session()
    failure = [ModelFinished("stop")] if code == "empty_completion" else fails(code)
    parley.scripted(failure, says("Here I am"))

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert "reset-step" not in kinds(parley.parts(task.id))
    assert shown_text(parley.parts(task.id)) == "Here I am"


def test_the_pause_between_attempts_grows_and_obeys_the_provider(parley: Parley) -> None:
    """0.5 s, 1 s, 2 s, and longer where the provider asks for it."""
    session = parley.new_session()
    asked_at: list[float] = []

    def note() -> None:
        asked_at.append(parley.clock.now())

    parley.scripted(
        [note, *fails()],
        [note, ModelFailed("model_rate_limited", "Later.", True, retry_after_seconds=5.0)],
        [note, *fails()],
        [note, *says("Now")],
    )
    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == pytest.approx([0.5, 5.0, 2.0], abs=0.01)


def test_what_was_shown_of_a_failed_attempt_is_withdrawn(parley: Parley) -> None:
    """A cut stream: reset-step, then the answer again from its start; the row has only the final text."""
    session = parley.new_session()
    parley.scripted(
        [*thinks("Hm"), TextDelta("Half an"), 1.0, ModelFailed("stream_cut", "Broke off.", True)], says("Whole")
    )

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert kinds(parley.parts(task.id)).count("reset-step") == 1
    assert shown_text(parley.parts(task.id)) == "Whole"
    assert "Half" not in str(replay(parley.parts(task.id)))
    assert parley.transcript(session)[-1].content == "Whole"
    assert parley.transcript(session)[-1].reasoning == ""


def test_attempts_have_an_end(parley: Parley) -> None:
    """The fourth failure ends the turn: error, then finish; the code is in the task's record."""
    session = parley.new_session()
    parley.scripted(fails("model_unavailable"))

    task = parley.send(session).task
    parley.drain_queue()

    over = check_over(parley, session, task.id, "failed")
    assert over.error == {"code": "model_unavailable", "message": "It failed: model_unavailable."}
    assert kinds(parley.parts(task.id))[-3:] == ["data-status", "error", "finish"]
    assert len(parley.model.requests) == 4
    assert parley.transcript(session)[-1].status == "failed"


def test_a_refusal_is_final_at_once(parley: Parley) -> None:
    """What another attempt can't change isn't attempted."""
    session = parley.new_session()
    parley.scripted(fails("model_refused", retryable=False), says("Never"))

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "failed")
    assert len(parley.model.requests) == 1


def test_the_text_before_a_final_failure_stays(parley: Parley) -> None:
    """What was shown stays in the stream and in the transcript, and the next turn's request is legal."""
    session = parley.new_session()
    parley.scripted([TextDelta("Half an"), 2.0, ModelFailed("prompt_too_long", "Too long.", False)])
    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "failed")
    assert shown_text(parley.parts(task.id)) == "Half an"
    assert parley.transcript(session)[-1].content == "Half an"

    parley.scripted(says("Better"))
    following = parley.send(session, "Again", "m2").task
    parley.drain_queue()
    check_over(parley, session, following.id, "completed")


def test_silence_is_cut(parley: Parley) -> None:
    """A model that says nothing for ten minutes: the turn fails with model_timeout."""
    session = parley.new_session()
    parley.scripted([TextDelta("Wait"), 5_000.0, ModelFinished("stop")])
    started = parley.clock.now()

    task = parley.send(session).task
    parley.work(task.id)

    assert check_over(parley, session, task.id, "failed").error == {
        "code": "model_timeout",
        "message": "The model did not answer in time.",
    }
    assert parley.clock.now() - started == pytest.approx(MODEL_CALL_SECONDS, abs=5)
    assert parley.model.calls[0].closed


def test_a_drip_is_cut_too(parley: Parley) -> None:
    """A call that never falls silent and never ends is over after ten minutes."""
    session = parley.new_session()
    drip: Script = [piece for n in range(400) for piece in (5.0, TextDelta(f"{n} "))]
    parley.scripted(drip)

    started = parley.clock.now()
    task = parley.send(session).task
    parley.work(task.id)

    check_over(parley, session, task.id, "failed")
    assert parley.clock.now() - started == pytest.approx(MODEL_CALL_SECONDS, abs=5)


def test_all_attempts_of_a_step_share_its_ten_minutes(parley: Parley) -> None:
    """A step that starts with 630 s left ends within them, also when its model fails late and is asked again."""
    session = parley.new_session()
    late: Script = [550.0, ModelFailed("stream_cut", "Broke off.", True)]
    parley.scripted(late)

    started = parley.clock.now()
    task = parley.send(session).task
    parley.work(task.id)

    assert parley.clock.now() - started <= 630
    check_over(parley, session, task.id, "failed")


def test_calls_without_a_name_are_not_an_answer(parley: Parley) -> None:
    """An answer of nothing but nameless calls is empty, and asked for again."""
    session = parley.new_session()
    parley.scripted([ToolCallDelta(0, "c1", "", "{}"), ModelFinished("tool_calls")], says("Sorry"))

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert shown_text(parley.parts(task.id)) == "Sorry"


def test_more_calls_than_fit_are_dropped(parley: Parley) -> None:
    """Of 100 calls in one answer 64 are done; each has its result, and rows and frames stay within their bounds."""
    echo = Echo()
    parley.with_tools(echo)
    session = parley.new_session()
    parley.scripted(calls(*((f"c{n}", "echo", f'{{"text": "{n}"}}') for n in range(100))), says("Enough"))

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert len(echo.calls) == MAX_CALLS


def test_ids_that_a_server_repeats_are_made_unique(parley: Parley) -> None:
    """Some servers number calls from 1 in every answer, give none, or give one twice."""
    parley.with_tools(Echo())
    session = parley.new_session()
    one = ("1", "echo", '{"text": "a"}')
    parley.scripted(calls(one, one, ("", "echo", "{}")), calls(one), says("Done"))

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    ids = [call.id for row in parley.transcript(session) for call in row.tool_calls]
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize("letter", ["x", "é", "🙂", "\x00"])
@pytest.mark.parametrize("delta", [TextDelta, ReasoningDelta])
def test_a_huge_piece_of_text_fits_rows_and_frames(
    parley: Parley, letter: str, delta: type[TextDelta] | type[ReasoningDelta]
) -> None:
    """One delta of a million characters is cut to what a row holds, and shown in pieces that a frame holds."""
    session = parley.new_session()
    parley.scripted([delta(letter * 1_000_000), TextDelta("more"), *says("never shown")])

    parley.frames.handle("c1", "ada", _send_frame(session.id))
    parley.drain_queue()
    task_id = parley.session(session.id).last_task or ""

    check_over(parley, session, task_id)
    assert parley.sockets.of("c1", "r1").ends == 1
    assert len(parley.transcript(session)[-1].content.encode()) <= MAX_TEXT_BYTES


def test_huge_text_in_small_pieces_is_cut(parley: Parley) -> None:
    """An answer beyond 200 KB ends there, with `length`; nothing of it is lost up to that point."""
    session = parley.new_session()
    parley.scripted([TextDelta("y" * 1_000)] * 500)

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert parley.parts(task.id)[-1]["finishReason"] == "length"
    assert shown_text(parley.parts(task.id)) == parley.transcript(session)[-1].content == "y" * MAX_TEXT_BYTES


@pytest.mark.parametrize("pieces", [1, 1_000])
@pytest.mark.parametrize("filler", ["x", '\\"', "\\\\", "[1e15,1e15],"])
def test_huge_arguments_are_an_error_for_the_model(parley: Parley, pieces: int, filler: str) -> None:
    """Arguments beyond what a row holds are cut, refused, and the turn goes on."""
    parley.with_tools(Echo())
    session = parley.new_session()
    text = f'{{"text": "{filler * 100_000}"}}' if "[" not in filler else f'{{"text": [{filler * 6_000}1]}}'
    size = len(text) // pieces + 1
    deltas = [ToolCallDelta(0, "c1", "echo", text[at : at + size]) for at in range(0, len(text), size)]
    parley.scripted([*deltas, ModelFinished("tool_calls")], says("Too much"))

    parley.frames.handle("c1", "ada", _send_frame(session.id))
    parley.drain_queue()

    check_over(parley, session, parley.session(session.id).last_task or "", "completed")
    assert parley.transcript(session)[2].is_error


def test_a_huge_tool_name_is_an_unknown_tool(parley: Parley) -> None:
    """A name of 500 KB is an error like any other unknown name."""
    parley.with_tools(Echo())
    session = parley.new_session()
    parley.scripted(calls(("c1", "n" * 500_000, "{}")), says("Done"))

    task = parley.send(session).task
    parley.drain_queue()

    check_over(parley, session, task.id, "completed")
    assert "unknown_tool" in parley.transcript(session)[2].content


@pytest.mark.parametrize(
    "arguments",
    [
        '{"text": ', "[]", '"text"', "null", '{"text": NaN}', '{"text": 1e999}', '{"text": -Infinity}',
        '{"text": "\\ud800"}', '{"\\udfff": 1}', '{"other": 1}', '{"text": 5}', "{" * 5_000, '{"text": ' + "9" * 5_000,
    ],
)  # fmt: skip
def test_arguments_that_can_not_be_used_are_an_error_for_the_model(parley: Parley, arguments: str) -> None:
    """Not JSON, not an object, not what the tool wants, not even Unicode: the model is told, and the turn goes on."""
    echo = Echo()
    parley.with_tools(echo)
    session = parley.new_session()
    parley.scripted(calls(("c1", "echo", arguments), ("c2", "echo", '{"text": "fine"}')), says("Done"))

    parley.frames.handle("c1", "ada", _send_frame(session.id))
    parley.drain_queue()

    check_over(parley, session, parley.session(session.id).last_task or "", "completed")
    rows = parley.transcript(session)
    assert roles(rows) == ["user", "assistant", "tool", "tool", "assistant"]
    assert [row.is_error for row in rows[2:4]] == [True, False]
    assert echo.calls == ["fine"]


def _send_frame(session_id: str, text: str = "Hello") -> str:
    return (
        '{"type":"send","requestId":"r1","id":"' + session_id + '","trigger":"submit-message","messages":'
        '[{"id":"m1","role":"user","parts":[{"type":"text","text":"' + text + '"}]}]}'
    )
