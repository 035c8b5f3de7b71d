"""`check_operation_status`: by either id, of the user's own operations."""

from typing import Any

import pytest

from shared.kernel.errors import ToolError
from shared.tools.check_operation_status import CheckOperationStatus, CheckOperationStatusInput, OperationStatus
from shared.tools.contract import ToolContext
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Survey


def begun(parley: Parley) -> tuple[str, str]:
    """A session with an operation that is at work: both ids."""
    parley.with_tools(Survey())
    session = parley.new_session()
    parley.scripted(calls(("c1", "survey", '{"text":"rivers"}')), says("Soon."), says("Done."))
    parley.send(session)
    parley.drain_queue()
    (task_id,) = parley.session(session.id).operations
    return session.id, task_id


def ask(parley: Parley, user: str = "ada", *, session: str = "s", **ids: Any) -> OperationStatus:
    context = ToolContext(user, session, "t", "c")
    return CheckOperationStatus(parley.database).run(context, CheckOperationStatusInput(**ids))


def test_it_says_how_an_operation_stands(parley: Parley) -> None:
    """Running, then completed."""
    _, task_id = begun(parley)
    known = {"task_id": task_id, "operation_id": f"op_{task_id}", "tool_name": "survey", "type": "operation_status"}
    answer = ask(parley, operation_id=f"op_{task_id}").model_dump()
    assert answer.pop("message")
    assert answer == {**known, "status": "running"}
    parley.drain_all()
    assert ask(parley, task_id=task_id).status == "completed"


def test_the_second_id_is_the_fallback_of_the_first(parley: Parley) -> None:
    """An operation_id that leads nowhere doesn't hide a task_id that does."""
    _, task_id = begun(parley)
    assert ask(parley, operation_id="op_nothing", task_id=task_id).task_id == task_id
    assert ask(parley, operation_id=f"op_{task_id}", task_id="nothing").task_id == task_id


@pytest.mark.parametrize("ids", [{}, {"operation_id": ""}, {"operation_id": None, "task_id": ""}])
def test_one_id_is_needed(parley: Parley, ids: dict[str, Any]) -> None:
    """`missing_parameter`."""
    with pytest.raises(ToolError) as refused:
        ask(parley, **ids)
    assert refused.value.code == "missing_parameter"


def test_what_is_not_there_and_what_is_not_ones_own_look_alike(parley: Parley) -> None:
    """`not_found`, which points to the history; a turn is no operation; a session's operations are its user's."""
    session_id, task_id = begun(parley)
    turn = parley.session(session_id).last_task
    for user, ids in (
        ("ada", {"operation_id": "x" * 150}),
        ("ada", {"task_id": turn}),
        ("grace", {"task_id": task_id}),
    ):
        with pytest.raises(ToolError, match="history") as refused:
            ask(parley, user, **ids)
        assert refused.value.code == "not_found"
    assert ask(parley, "grace", session=session_id, task_id=task_id).status == "running"
