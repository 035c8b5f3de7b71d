"""Another agent, run as a part of this one."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import (
    Block,
    BlockContext,
    BlockInput,
    BlockOutput,
    BlockServices,
    Category,
    Example,
)
from shared.agents.running import ChildRuns, RunView
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound, ToolError
from shared.tasks.wait import Wait, pause_awaited, review_awaited, task_awaited

_MOST_SECONDS = 31 * 86_400
"""As long as a run may take."""
_MOST_SHOWN = 8
"""Questions of the run within that this one asks at a time: each may be told by a webhook, in one transaction."""


class RunAgentInput(BlockInput):
    """Which one, and with what."""

    library_agent_id: str = Field(min_length=1, max_length=100, description="An agent of the user's library.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Its inputs by name.")


class RunAgentOutput(BlockOutput):
    """What it has brought."""

    outputs: dict[str, Any] = Field(default_factory=dict, description="Name of an output to the list of its values.")
    status: str = ""
    run_id: str = ""


class RunAgent(Block[RunAgentInput, RunAgentOutput]):
    """Starts a run and waits for it at no cost."""

    id: ClassVar[str] = "41344a19-28c8-43cd-b5da-19c02d382bf1"
    name: ClassVar[str] = "Run agent"
    description: ClassVar[str] = "Run another agent of the library and go on with its outputs."
    category: ClassVar[Category] = "agent"
    in_chat: ClassVar[bool] = False  # a chat has the tool run_agent
    input_model: ClassVar[type[BlockInput]] = RunAgentInput
    output_model: ClassVar[type[BlockOutput]] = RunAgentOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"library_agent_id": "agent-1", "inputs": {"City": "Oslo"}},
            {"outputs": [{"Weather": ["rain"]}], "status": ["completed"], "run_id": ["child-run"]},
        ),
    )

    def is_available(self, services: BlockServices) -> bool:
        """Where agents are run."""
        return services.runs is not None

    def run(self, context: BlockContext, inputs: RunAgentInput) -> RunAgentOutput | Wait:
        """Start it; the same execution starts it once. In a dry run the child runs dry too."""
        child = _runs(context).begin_child(context.call, inputs.library_agent_id, inputs.inputs)
        until = to_millis(context.services.clock.now() + _MOST_SECONDS)
        return _followed(context, child, until)

    def resume(self, context: BlockContext, inputs: RunAgentInput, note: Mapping[str, Any]) -> RunAgentOutput | Wait:  # noqa: ARG002 - the note has what matters
        """It has ended, or the time has."""
        child = _runs(context).look(context.call.user_id, note["run_id"])
        if child is None:
            raise ToolError("The run is gone.", code="run_gone")
        if not child.ended and to_millis(context.services.clock.now()) >= note["until"]:
            raise ToolError("The run did not end in time.", code="run_timeout")
        return _followed(context, child, note["until"])


def _runs(context: BlockContext) -> ChildRuns:
    assert context.services.runs is not None, "it is not available without"
    return context.services.runs


def _followed(context: BlockContext, child: RunView, until: int) -> RunAgentOutput | Wait:
    """Its outputs, or a wait for its end; what it asks its user, this run asks, too."""
    if not child.ended:
        note = {"run_id": child.id, "until": until}
        if child.status != "review":
            return Wait((task_awaited(child.id), pause_awaited(child.id)), until, note=note)
        asked = tuple(islice((review for review in child.reviews if _is_open(context, review)), _MOST_SHOWN))
        # Comes with an answer to any of them, unless that was the last.
        next_question = pause_awaited(child.id, behind=child.epoch)
        on = (task_awaited(child.id), next_question, *map(review_awaited, asked[:1]))
        return Wait(on, until, note=note, reviews_within=asked)
    if child.status != "completed":
        why = child.error or "it was stopped"
        raise ToolError(f"The run of {child.agent_name} has no outputs: {why}", code=f"run_{child.status}")
    outputs = {name: list(values) for name, values in child.outputs.items()}
    return RunAgentOutput(outputs=outputs, status=child.status, run_id=child.id)


def _is_open(context: BlockContext, review_id: str) -> bool:
    """Whether its user may still answer; a run that nobody has taken up since an answer looks as if it asked."""
    reviews = context.services.reviews
    try:
        review = reviews.get(context.call.user_id, review_id) if reviews else None
    except NotFound:
        return False
    return review is not None and review.status_at(to_millis(context.services.clock.now())) == "pending"
