"""Long-running tools that answer some calls at once, and that make the result of what others bring."""

import json
import os
from typing import Any, Literal

import pytest

from shared.chat.operations.completing import complete_operation
from shared.chat.sessions import Session
from shared.kernel.errors import Retryable, Terminal, ToolError
from shared.runs.outside import fail_task
from shared.tasks.records import Task
from shared.tools.contract import ErrorResponse, ToolContext, ToolInput, ToolResponse
from shared.tools.long_running import HandedOff, LongRunningTool, Progress, WorkContext
from tests.support.checks import roles
from tests.support.model import calls, says
from tests.support.region import Parley


class BakeInput(ToolInput):
    """What to bake."""

    cake: str
    ready: bool = False


class Baked(ToolResponse):
    """A cake."""

    type: Literal["baked"] = "baked"
    cake: str


class Bake(LongRunningTool[BakeInput]):
    """Hands the work over, takes what comes, and has some cakes ready."""

    name = "bake"
    description = "Bake a cake."
    input_model = BakeInput
    max_seconds = 600
    finishes = True

    def __init__(self, *failures: Exception, answer: ToolResponse | None = None) -> None:
        self.brought: list[Any] = []
        self._failures = list(failures)
        self._answer = answer

    def answers_at_once(self, arguments: BakeInput) -> bool:
        return arguments.ready

    def run(self, context: ToolContext, arguments: BakeInput) -> Baked:
        return Baked(cake=f"a ready {arguments.cake}")

    def work(self, context: WorkContext, arguments: BakeInput, progress: Progress) -> Baked | HandedOff:
        context.journal.once("ordered", lambda: arguments.cake)
        return HandedOff()

    def finish(self, context: WorkContext, arguments: BakeInput, brought: Any) -> ToolResponse:
        assert context.journal.once("ordered", lambda: "nothing") == arguments.cake
        context.journal.once("iced", lambda: True)
        self.brought.append(brought)
        if self._failures:
            raise self._failures.pop(0)
        return self._answer or Baked(cake=f"{brought['cake']} with icing")


def handed_over(parley: Parley, bake: Bake) -> tuple[Session, Task]:
    """A session whose operation waits for somebody outside."""
    parley.with_tools(bake)
    session = parley.new_session()
    parley.scripted(calls(("c1", "bake", '{"cake":"tart"}')), says("It is in the oven."), says("Here it is."))
    parley.send(session)
    parley.drain_all()
    started = next(part for part in parley.parts(parley.session(session.id).last_task or "") if "output" in part)
    return session, parley.task(started["output"]["task_id"])


def tell(parley: Parley, task: Task, result: Any) -> None:
    complete_operation(parley.services, task.operation_id or "", success=True, result=result, error=None)
    parley.drain_all()


def result_of(parley: Parley, session: Session) -> Any:
    return json.loads(parley.transcript(session)[2].content)


def test_a_call_that_can_be_answered_at_once_is(parley: Parley) -> None:
    """No operation begins, and the turn has the answer in its next step."""
    parley.with_tools(Bake())
    session = parley.new_session()
    parley.scripted(calls(("c1", "bake", '{"cake":"tart","ready":true}')), says("Here it is."))
    parley.send(session)
    parley.drain_all()
    assert result_of(parley, session) == {"type": "baked", "message": "", "cake": "a ready tart"}
    assert roles(parley.transcript(session)) == ["user", "assistant", "tool", "assistant"]


def test_the_tool_finishes_what_is_brought(parley: Parley) -> None:
    """It gets all of it, more than a row holds and with what is redacted elsewhere; its answer is the result."""
    bake = Bake()
    session, task = handed_over(parley, bake)
    brought = {"cake": "tart", "token": "spoon", "crumbs": "x" * 900_000}
    tell(parley, task, brought)
    assert bake.brought == [brought]
    assert result_of(parley, session)["cake"] == "tart with icing"
    assert parley.task(task.id).status == "completed"


def test_what_is_told_twice_is_finished_once(parley: Parley) -> None:
    """The first one counts, also when the second comes before the worker."""
    bake = Bake()
    session, task = handed_over(parley, bake)
    operation_id = task.operation_id or ""
    complete_operation(parley.services, operation_id, success=True, result={"cake": "tart"}, error=None)
    complete_operation(parley.services, operation_id, success=True, result={"cake": "pie"}, error=None)
    parley.drain_all()
    complete_operation(parley.services, operation_id, success=True, result={"cake": "flan"}, error=None)
    parley.drain_all()
    assert [one["cake"] for one in bake.brought] == ["tart"]
    assert result_of(parley, session)["cake"] == "tart with icing"


def test_a_failure_that_is_told_needs_no_finish(parley: Parley) -> None:
    """The words are the result."""
    bake = Bake()
    session, task = handed_over(parley, bake)
    complete_operation(parley.services, task.operation_id or "", success=False, result=None, error="The oven is cold.")
    parley.drain_all()
    assert bake.brought == []
    assert result_of(parley, session)["message"] == "The oven is cold."
    assert parley.task(task.id).status == "failed"


@pytest.mark.parametrize(
    ("failure", "code"), [(ToolError("Burnt.", code="burnt"), "burnt"), (KeyError("cake"), "tool_failed")]
)
def test_a_finish_that_fails_fails_the_operation(parley: Parley, failure: Exception, code: str) -> None:
    """Once, with words for the model; a bug in the tool too."""
    session, task = handed_over(parley, Bake(failure))
    tell(parley, task, {"cake": "tart"})
    assert result_of(parley, session)["code"] == code
    assert parley.task(task.id).status == "failed"


def test_a_finish_may_be_tried_again(parley: Parley) -> None:
    """Storage that does not answer is no verdict: the message comes again, and what was told is still there."""
    bake = Bake(Retryable("Not now."))
    session, task = handed_over(parley, bake)
    complete_operation(parley.services, task.operation_id or "", success=True, result={"cake": "tart"}, error=None)
    with pytest.raises(Retryable):
        parley.run(parley.runs_waiting()[0])
    parley.clock.advance(60)
    parley.run(task.id)
    parley.drain_all()
    assert len(bake.brought) == 2
    assert result_of(parley, session)["cake"] == "tart with icing"


def test_an_error_with_details_is_an_outcome(parley: Parley) -> None:
    """The operation has completed, and the model is told that something failed, with what there is."""
    failed = ErrorResponse(code="not_delivered", message="Nobody is at home.", details={"cake": {"api_key": "k"}})
    session, task = handed_over(parley, Bake(answer=failed))
    tell(parley, task, {"cake": "tart"})
    row = parley.transcript(session)[2]
    assert parley.task(task.id).status == "completed"
    assert json.loads(row.content)["details"] == {"cake": {"api_key": "[REDACTED]"}}
    assert row.is_error
    assert "has failed" in parley.transcript(session)[4].content


def test_an_operation_that_is_ended_from_outside_is_not_half_finished(parley: Parley) -> None:
    """What its tool had to finish is no result: the operation fails with the reason."""
    session, task = handed_over(parley, Bake())
    complete_operation(parley.services, task.operation_id or "", success=True, result={"cake": "tart"}, error=None)
    assert fail_task(parley.services, task.id, Terminal("Nobody could do it.", code="worker_lost"), "dead_letters")
    assert result_of(parley, session)["code"] == "worker_lost"


def test_what_is_too_large_to_be_kept_is_a_clear_failure(parley: Parley) -> None:
    """More than an item holds, even packed."""
    session, task = handed_over(parley, Bake())
    tell(parley, task, {"cake": os.urandom(600_000).hex()})
    assert "larger than can be kept" in result_of(parley, session)["message"]
