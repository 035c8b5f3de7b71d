"""A session's permissions in its turns: hidden from the model, enforced when it calls nevertheless."""

import json
from typing import Any

import pytest

from shared.accounts.permissions import Permissions
from shared.chat.sessions import Session, create_session
from shared.tools.contract import Tool, ToolContext, ToolResponse
from shared.tools.read_workspace_file import ReadWorkspaceFile, ReadWorkspaceFileInput
from tests.support.checks import check_over
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo, EchoInput, EchoResponse, Send

ONLY_ECHO = Permissions.of_lists(["echo"], tools_exclude=False)


class Reading(Tool[ReadWorkspaceFileInput]):
    """Stands where the tool for files is."""

    name = ReadWorkspaceFile.name
    description = "Read a file."
    input_model = ReadWorkspaceFileInput

    def __init__(self) -> None:
        self.calls: list[str] = []

    def run(self, context: ToolContext, arguments: ReadWorkspaceFileInput) -> ToolResponse:
        self.calls.append(arguments.path)
        return EchoResponse(text=arguments.path)


class Long(Echo):
    """Answers with more than a row holds."""

    def run(self, context: Any, arguments: EchoInput) -> ToolResponse:
        return EchoResponse(text="x" * 70_000)


def session_with(parley: Parley, permissions: Permissions, **more: Any) -> Session:
    return create_session(
        parley.database, parley.clock, parley.services.ids, "ada", permissions=permissions.to_item(), **more
    )


def offered(parley: Parley) -> list[list[str]]:
    """The tools of each request to the model."""
    return [[tool["function"]["name"] for tool in request.tools] for request in parley.model.requests]


def results(parley: Parley, session: Session) -> list[dict[str, Any]]:
    return [json.loads(row.content) for row in parley.transcript(session) if row.role == "tool"]


def test_what_is_not_allowed_is_hidden_and_refused(parley: Parley) -> None:
    """The model doesn't see the tool; if it calls it, the answer looks as if there were none."""
    send, echo = Send(), Echo()
    parley.with_tools(send, echo)
    parley.scripted(calls(("c1", "send", '{"text":"x"}'), ("c2", "nope", "{}")), says("Done"))
    session = session_with(parley, ONLY_ECHO)
    task = parley.send(session).task
    parley.drain_queue()
    check_over(parley, session, task.id, "completed")

    assert offered(parley) == [["echo"], ["echo"]]
    refused, unknown = results(parley, session)
    assert (refused["code"], unknown["code"]) == ("tool_not_allowed", "unknown_tool")
    assert refused["message"].replace("send", "nope") == unknown["message"]
    assert send.calls == []


def test_they_travel_with_the_task(parley: Parley) -> None:
    """Also with the turn that answers what was pending; a task is read by those who knew none."""
    parley.with_tools(Echo())
    session = session_with(parley, ONLY_ECHO, dry_run=True)
    parley.scripted([lambda: parley.send(session, "More", "m2"), *says("One")], says("Two"))
    first = parley.send(session).task
    parley.drain_queue()
    second = parley.task(parley.session(session.id).last_task or "")

    assert second.id != first.id
    for task in (parley.task(first.id), second):
        assert (task.permissions, task.dry_run) == (ONLY_ECHO.to_item(), True)
    assert parley.new_session().permissions == {}


def test_a_dry_run_lets_nothing_take_effect(parley: Parley) -> None:
    """Tools with an effect outside are refused; the others run."""
    send, echo = Send(), Echo()
    parley.with_tools(send, echo)
    parley.scripted(calls(("c1", "send", '{"text":"x"}'), ("c2", "echo", '{"text":"y"}')), says("Done"))
    session = session_with(parley, Permissions(), dry_run=True)
    parley.send(session)
    parley.drain_queue()
    assert [result.get("code") for result in results(parley, session)] == ["dry_run", None]
    assert (send.calls, echo.calls) == ([], ["y"])


def test_a_kept_output_can_always_be_read(parley: Parley) -> None:
    """Its reader is offered as soon as there is one, for kept outputs alone."""
    reading = Reading()
    parley.with_tools(Long(), reading)
    parley.scripted(
        calls(("c1", "echo", '{"text":"long"}')),
        calls(
            ("c2", "read_workspace_file", '{"path":"workspace://tool-outputs/c1.json"}'),
            ("c3", "read_workspace_file", '{"path":"notes.md"}'),
            ("c4", "read_workspace_file", "[]"),
            ("c5", "read_workspace_file", '{"path":"tool-outputs/../notes.md"}'),
        ),
        says("Done"),
    )
    session = session_with(parley, ONLY_ECHO)
    parley.send(session)
    parley.drain_queue()

    assert offered(parley) == [["echo"], ["echo", "read_workspace_file"], ["echo", "read_workspace_file"]]
    assert reading.calls == ["workspace://tool-outputs/c1.json"]
    assert [result.get("code") for result in results(parley, session)[1:]] == [None] + ["tool_not_allowed"] * 3


@pytest.mark.parametrize("name", ["echo", "send"])
def test_a_deny_list_leaves_the_rest(parley: Parley, name: str) -> None:
    """The default kind of list."""
    parley.with_tools(Echo(), Send())
    parley.scripted(says("Hi"))
    parley.send(session_with(parley, Permissions.of_lists([name])))
    parley.drain_queue()
    assert offered(parley) == [[{"echo": "send", "send": "echo"}[name]]]
