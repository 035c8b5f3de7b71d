"""`continue_run_block`: runs, once, what the user has approved after `run_block` had asked."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import BlockInput
from shared.agents.blocks.registry import AnyBlock
from shared.agents.reviews.records import Review
from shared.agents.reviews.reviews import MAX_ID_CHARACTERS, Reviews
from shared.agents.setup import SetupRequirements
from shared.agents.tools.block_calls import (
    BlockCalls,
    BlockOutput,
    read_inputs,
)
from shared.agents.tools.refused_inputs import InputValidationError
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import NotFound, ToolError
from shared.kernel.telemetry import log_event
from shared.tasks.wait import Wait
from shared.tools.contract import Tool, ToolContext, ToolInput

_BEFORE_ANY_EFFECT = frozenset(
    {
        "url_invalid", "url_not_allowed", "host_not_found", "header_not_allowed", "body_not_allowed",
        "content_invalid", "content_too_large", "credentials_missing", "credentials_not_configured",
        "credential_not_for_this_host", "credential_needs_https", "credential_expired", "credential_busy",
        "credential_refresh_failed", "credential_unreadable", "credentials_unavailable",
    }
)  # fmt: skip
"""Errors of blocks that come before anything was sent: the approval stays."""


class ContinueRunBlockInput(ToolInput):
    """Which review."""

    review_id: str = Field(default="", max_length=MAX_ID_CHARACTERS, description="From run_block's review_required.")


class ContinueRunBlock(Tool[ContinueRunBlockInput]):
    """Runs what was approved."""

    name: ClassVar[str] = "continue_run_block"
    description: ClassVar[str] = (
        "Run the block of a review that the user has approved, once, with the inputs as approved."
    )
    input_model: ClassVar[type[ToolInput]] = ContinueRunBlockInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, calls: BlockCalls, reviews: Reviews, clock: Clock) -> None:
        self._calls = calls
        self._reviews = reviews
        self._clock = clock

    def takes_effect(self, arguments: ContinueRunBlockInput) -> bool:  # noqa: ARG002 - nothing else is reviewed
        """Always: a call that was interrupted is not made again, nor by another one what it had begun."""
        return True

    def run(
        self, context: ToolContext, arguments: ContinueRunBlockInput
    ) -> BlockOutput | InputValidationError | SetupRequirements | Wait:
        """What the block emits."""
        review = self._approved(context, arguments.review_id.strip())
        block = self._calls.find(context, review.block_id)
        inputs = read_inputs(block, review.value)
        if isinstance(inputs, InputValidationError):
            return inputs
        missing = self._calls.to_set_up(context, block, inputs)
        if missing is not None:
            return missing
        self._calls.begin(context, block)
        if context.dry_run:
            return self._calls.run(context, block, inputs)
        return self._once(context, review, block, inputs)

    def resume(
        self, context: ToolContext, arguments: ContinueRunBlockInput, note: Mapping[str, Any]
    ) -> BlockOutput | Wait:
        """Go on with a block that has waited."""
        review = self._of_session(context, arguments.review_id.strip())
        block = self._calls.find(context, review.block_id)
        inputs = read_inputs(block, review.value)
        assert isinstance(inputs, BlockInput), "what waits has been read before"
        return self._calls.resume(context, block, inputs, note)

    def _once(self, context: ToolContext, review: Review, block: AnyBlock, inputs: BlockInput) -> BlockOutput | Wait:
        by = f"{context.task_id}#{context.tool_call_id}"
        if not self._reviews.use(review, by):
            raise _used()
        try:
            outcome = self._calls.run(context, block, inputs)
        except ToolError as error:
            if error.code in _BEFORE_ANY_EFFECT or not block.takes_effect(inputs):
                self._reviews.give_back(review, by)
            raise
        log_event("review.used", **context.ids, tool_call_id=context.tool_call_id)
        return outcome

    def _of_session(self, context: ToolContext, review_id: str) -> Review:
        if not review_id:
            raise ToolError("Give the review_id that run_block has answered.", code="missing_review_id")
        try:
            review = self._reviews.get(context.user_id, review_id)
        except NotFound as error:
            raise _not_found() from error
        if review.origin != "chat":
            raise _not_found()
        if review.session_id != context.session_id:
            raise ToolError("That review belongs to another session.", code="review_of_other_session")
        return review

    def _approved(self, context: ToolContext, review_id: str) -> Review:
        review = self._of_session(context, review_id)
        match review.status_at(to_millis(self._clock.now())):
            case "pending":
                message = "The user has not decided yet. Don't ask again: you will be told."
                raise ToolError(message, code="review_pending")
            case "rejected":
                said = f" They said: {review.message}" if review.message else ""
                raise ToolError(f"The user has rejected it; it is not run.{said}", code="review_rejected")
            case "expired" | "closed":
                raise _expired()
        if review.used_by:
            raise _used()
        if to_millis(self._clock.now()) >= review.expires:
            raise _expired()
        return review


def _not_found() -> ToolError:
    return ToolError("There is no such review; use the review_id that run_block has answered.", code="review_not_found")


def _used() -> ToolError:
    return ToolError(
        "An earlier call has run it, or has begun to: an approval is good for one run.", code="review_used"
    )


def _expired() -> ToolError:
    return ToolError("The review has expired. Call run_block again to ask anew.", code="review_expired")
