"""The model as blocks get it: one question, one answer, counted in the task that asks."""

from dataclasses import dataclass, replace

from shared.agents.blocks.contract import Prompt
from shared.chat.asking import Asking, Means
from shared.chat.services import Services
from shared.kernel.errors import Terminal, ToolError
from shared.tasks.lease import LeaseLost
from shared.tasks.records import Spend
from shared.tasks.store import get_task
from shared.tools.contract import ToolContext


@dataclass(frozen=True)
class BlockModel:
    """What blocks are given (`agents.blocks.contract.TextModel`)."""

    services: Services
    means: Means

    def ask(self, call: ToolContext, name: str, prompt: Prompt) -> str:
        """The answer; what it has used is stored by then, and on the call's progress for the task's owner.

        Raises:
            ToolError: the model's failure, or a budget's end.
        """
        task = get_task(self.services.database, call.task_id)
        assert task is not None, "the task that asks is there"

        def spent(spend: Spend) -> None:
            call.progress.spent = call.progress.spent.plus(spend)

        means = replace(self.means, max_output_tokens=prompt.max_output_tokens)
        ask = Asking(self.services, means, task, call.cancellation, spent, f"{call.tool_call_id}-{name}")
        try:
            return ask(prompt.system, prompt.text)
        except Terminal as failed:
            raise ToolError(failed.message, code=failed.code) from failed
        except LeaseLost:  # whoever has taken over asks again
            raise ToolError("Another worker has taken over.", code="cancelled") from None
