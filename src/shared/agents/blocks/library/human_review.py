"""A person looks at something before it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import (
    AskedReviews,
    Block,
    BlockContext,
    BlockInput,
    BlockOutput,
    BlockServices,
    Category,
    Example,
    Given,
)
from shared.agents.reviews.records import MAX_NAME_CHARACTERS, MAX_WORDS_CHARACTERS, Asking, Review
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound, ToolError
from shared.tasks.wait import Wait


class HumanReviewInput(BlockInput):
    """What to look at, and what to look for."""

    payload: Any = Field(description="What the person decides about; any JSON value up to 180 KB.")
    name: str = Field(default="", max_length=MAX_NAME_CHARACTERS, description="A title for the request.")
    instructions: str = Field(default="", max_length=MAX_WORDS_CHARACTERS, description="What to look for.")
    editable: bool = Field(default=True, description="Whether the person may change the payload.")


class HumanReviewOutput(BlockOutput):
    """What the person said."""

    approved_data: Any = Field(default=None, description="The payload, as the person has left or changed it.")
    rejected_data: Any = Field(default=None, description="The payload, if the person said no.")
    review_message: str = Field(default="", description="What the person wrote, if anything.")


class HumanReview(Block[HumanReviewInput, HumanReviewOutput]):
    """Waits for a person."""

    id: ClassVar[str] = "cc56cc7d-7625-4dea-bf74-c86a5e9b3602"
    name: ClassVar[str] = "Human review"
    description: ClassVar[str] = (
        "Wait until the user has approved, edited or rejected a value, up to 30 days. Waiting costs nothing."
    )
    category: ClassVar[Category] = "logic"
    input_model: ClassVar[type[BlockInput]] = HumanReviewInput
    output_model: ClassVar[type[BlockOutput]] = HumanReviewOutput
    in_chat: ClassVar[bool] = False
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"payload": {"post": "Hello"}, "name": "Post it?"},
            {"approved_data": [{"post": "Hello"}]},
            Given(approved=True),
        ),
        Example({"payload": "Hello"}, {"rejected_data": ["Hello"]}, Given(approved=False)),
    )

    def is_available(self, services: BlockServices) -> bool:
        """Somebody can be asked."""
        return services.reviews is not None

    def run(self, context: BlockContext, inputs: HumanReviewInput) -> HumanReviewOutput | Wait:
        """Ask, once an execution."""
        call = context.call
        asking = Asking(
            user_id=call.user_id,
            origin="run",
            task_id=call.task_id,
            call_id=call.tool_call_id,
            session_id=call.session_id,
            block_id=self.id,
            block_name=self.name,
            payload=inputs.payload,
            name=inputs.name,
            instructions=inputs.instructions,
            editable=inputs.editable,
            until=call.task_ends_at,
        )
        return _outcome(context, _reviews(context).request(asking))

    def resume(
        self,
        context: BlockContext,
        inputs: HumanReviewInput,  # noqa: ARG002 - the review has them
        note: Mapping[str, Any],
    ) -> HumanReviewOutput | Wait:
        """Somebody has decided, or it is too late."""
        try:
            review = _reviews(context).get(context.call.user_id, note["review_id"])
        except NotFound as error:
            raise _expired() from error
        return _outcome(context, review)

    def rehearse(self, context: BlockContext, inputs: HumanReviewInput) -> HumanReviewOutput:  # noqa: ARG002
        """As if it were approved as it is; nobody is asked."""
        return HumanReviewOutput(approved_data=inputs.payload)


def _reviews(context: BlockContext) -> AskedReviews:
    reviews = context.services.reviews
    assert reviews is not None, "a block that is not available is not run"
    return reviews


def _outcome(context: BlockContext, review: Review) -> HumanReviewOutput | Wait:
    match review.status_at(to_millis(context.services.clock.now())):
        case "pending":
            return Wait((review.awaited,), review.expires, note={"review_id": review.id})
        case "expired" | "closed":
            raise _expired()
        case "approved":
            output = HumanReviewOutput(approved_data=review.value)
        case "rejected":
            output = HumanReviewOutput(rejected_data=review.value)
    if review.message:
        output.review_message = review.message
    return output


def _expired() -> ToolError:
    return ToolError("Nobody has reviewed it in time.", code="review_expired")
