"""Tools that do what a test needs."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import Field

from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.long_running import HandedOff, LongRunningTool, Progress, WorkContext


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


class Survey(LongRunningTool[EchoInput]):
    """Work in three steps; a test may act in the middle of them, or hand the work to somebody outside."""

    name = "survey"
    description = "Ask around about the text; takes long."
    input_model = EchoInput
    max_seconds = 1800

    def __init__(self, act: Callable[[WorkContext, str], Any] | None = None) -> None:
        self.asked: list[str] = []
        """The steps that were done, repeats included."""
        self.contexts: list[WorkContext] = []
        self._act = act

    def work(self, context: WorkContext, arguments: EchoInput, progress: Progress) -> ToolResponse | HandedOff:
        self.contexts.append(context)
        for step in range(3):
            progress(f"Asking {step}", step, 3)
            context.journal.once(f"ask-{step}", partial(self._ask, step))
        acted = self._act(context, arguments.text) if self._act else None
        return HandedOff() if isinstance(acted, HandedOff) else EchoResponse(text=f"All about {arguments.text}")

    def _ask(self, step: int) -> str:
        self.asked.append(f"ask-{step}")
        return f"answer {step}"


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
