"""Tools that do what a test needs."""

from collections.abc import Callable
from typing import Any

from pydantic import Field

from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse


class EchoInput(ToolInput):
    """What to echo."""

    text: str = Field(max_length=100_000)


class EchoResponse(ToolResponse):
    """What was echoed."""

    type: str = "echo"
    text: str


class Echo(Tool[EchoInput]):
    """Answers with what it is given, and remembers it."""

    name = "echo"
    description = "Echo the text."
    input_model = EchoInput

    def __init__(self, act: Callable[[ToolContext, str], Any] | None = None) -> None:
        self.calls: list[str] = []
        self._act = act

    def run(self, context: ToolContext, arguments: EchoInput) -> ToolResponse:
        self.calls.append(arguments.text)
        if self._act:
            self._act(context, arguments.text)
        return EchoResponse(text=arguments.text)


class Asking(Echo):
    """The same, when the user has approved it."""

    name = "send_mail"
    description = "Send the text to somebody, if the user approves."
    side_effect = True
    needs_approval = True


class Send(Echo):
    """The same with an effect outside: it must not happen twice."""

    name = "send"
    description = "Send the text to somebody."
    side_effect = True
