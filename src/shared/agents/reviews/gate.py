"""Before a block of a run does something that its user wants to look at first."""

from pydantic import ValidationError

from shared.agents.blocks.contract import AskedReviews, BlockInput
from shared.agents.blocks.registry import AnyBlock
from shared.agents.reviews.records import Asking
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import ToolError
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext


class InputReviews:
    """Asks about the inputs of executions."""

    def __init__(self, reviews: AskedReviews, clock: Clock) -> None:
        self._reviews = reviews
        self._clock = clock

    def ask(self, call: ToolContext, block: AnyBlock, inputs: BlockInput) -> BlockInput | Wait:
        """The inputs as they were approved, or a wait on the review; the same execution asks once.

        Raises:
            ToolError: they were rejected, don't fit any more, or nobody has answered in time.
        """
        asking = Asking(
            user_id=call.user_id,
            origin="run",
            task_id=call.task_id,
            call_id=call.tool_call_id,
            session_id=call.session_id,
            block_id=block.id,
            block_name=block.name,
            payload=inputs.model_dump(mode="json", exclude_unset=True),
            of_inputs=True,
            until=call.task_ends_at,
        )
        review = self._reviews.request(asking)
        match review.status_at(to_millis(self._clock.now())):
            case "pending":
                return Wait((review.awaited,), review.expires, note={"review_id": review.id})
            case "rejected":
                said = f" They said: {review.message}" if review.message else ""
                raise ToolError(f"The user has rejected it.{said}", code="review_rejected")
            case "expired" | "closed":
                raise ToolError("Nobody has reviewed it in time.", code="review_expired")
        try:
            return block.input_model.model_validate(review.value)
        except ValidationError as error:
            message = f"What was approved doesn't fit the inputs of {block.name}."
            raise ToolError(message, code="input_invalid") from error
