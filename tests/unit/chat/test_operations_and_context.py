"""What the model sees of an operation that has ended while a turn ran: the result, wherever the call has gone."""

import pytest

from shared.aws.writes import Update
from shared.chat.sessions import session_key
from shared.tasks.records import TaskStatus
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo, Survey


def test_a_turn_that_runs_reads_the_result_that_it_is_told_of(parley: Parley) -> None:
    """The rows that it had read before still say that the operation is at work; the next request doesn't."""
    parley.with_tools(Survey(), Echo())
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}')), says("It is on its way."))
    parley.send(session)
    parley.drain_queue()
    parley.scripted([parley.drain_runs, 2.5, *calls(("c2", "echo", '{"text":"x"}'))], says("I have heard."))
    task = parley.send(session, "And now?", "m2").task
    parley.drain_all()
    assert parley.task(task.id).status is TaskStatus.COMPLETED
    asked = parley.model.requests[-1].messages
    assert "has succeeded" in asked[-1]["content"]
    (result,) = [said["content"] for said in asked if said.get("tool_call_id") == "c1"]
    assert "All about rivers" in result


def folds_while_it_runs(parley: Parley, after: int) -> list[str]:
    """What the model is asked in a turn that makes room after so many calls of it, while an operation ends."""
    parley.with_tools(Survey(), Echo())
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}')), says("It is on its way."))
    parley.send(session)
    parley.drain_queue()

    def fold() -> None:
        parley.drain_runs()
        parley.database.write(Update(session_key(session.id), "SET #context_from = :four", values={"four": 4}))

    last = [fold, 2.5, *calls(("c2", "echo", '{"text":"x"}'))] if after else [fold, 2.5, *says("Nothing yet.")]
    parley.scripted(last, says("I have heard."))
    parley.send(session, "And now?", "m2")
    parley.drain_all()
    return [str(said["content"]) for said in parley.model.requests[-1].messages if said["role"] == "system"]


@pytest.mark.parametrize("after", [0, 1])
def test_a_notice_about_a_row_that_was_summarized_meanwhile_brings_the_result(parley: Parley, after: int) -> None:
    """Whether the turn that made room drains it, or the next one is opened by it."""
    assert "All about rivers" in folds_while_it_runs(parley, after)[-1]
