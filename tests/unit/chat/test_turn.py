"""A turn from its acceptance to its end."""

from tests.support.model import calls, says, thinks
from tests.support.region import Parley
from tests.support.sockets import shown_text
from tests.support.tools import Echo


def types(parts: list[dict[str, object]]) -> list[object]:
    return [part["type"] for part in parts]


def test_a_message_becomes_a_turn_that_answers(parley: Parley) -> None:
    """One send is one user row, one assistant row, one task, and a stream that ends with finish."""
    session = parley.new_session()
    parley.scripted(says("Hello there"))

    accepted = parley.send(session, "Hi")
    parley.drain_queue()

    assert [(row.seq, row.role, row.content) for row in parley.transcript(session)] == [
        (0, "user", "Hi"),
        (1, "assistant", "Hello there"),
    ]
    assert parley.task(accepted.task.id).status == "completed"
    assert types(parley.parts(accepted.task.id)) == [
        "start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish",
    ]  # fmt: skip
    assert parley.session(session.id).active_task is None


def test_tools_of_one_step_run_and_their_results_reach_the_model(parley: Parley) -> None:
    """The model gets one result for each call, in the order of the calls, and then answers."""
    echo = Echo()
    parley.with_tools(echo)
    session = parley.new_session()
    parley.scripted(
        [*thinks("Let me see"), *calls(("c1", "echo", '{"text": "one"}'), ("c2", "echo", '{"text": "two"}'))],
        says("Done"),
    )

    accepted = parley.send(session)
    parley.drain_queue()

    assert echo.calls == ["one", "two"]
    assert [message["role"] for message in parley.model.requests[1].messages] == [
        "system", "user", "assistant", "tool", "tool",
    ]  # fmt: skip
    assert shown_text(parley.parts(accepted.task.id)) == "Done"
    assert parley.task(accepted.task.id).spend.steps == 2
