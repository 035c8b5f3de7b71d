"""Asking users for a review, and hearing what they say: once, whoever asks and answers how often."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from shared.agents.blocks.rules.json_text import to_bytes
from shared.agents.reviews.records import (
    MAX_DATA_BYTES,
    Asking,
    Review,
    Status,
    asking_key,
    decide,
    give_back,
    new_review,
    put_in_session,
    put_review,
    review_key,
    use,
)
from shared.aws.database import ConditionFailed, Database, TransactionFailed
from shared.aws.writes import Item, Write
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import Conflict, Gone, Invalid, NotFound, Retryable, TooLarge, ToolError
from shared.kernel.nesting import MAX_VALUE_DEPTH, nests_within
from shared.kernel.telemetry import log_event
from shared.kernel.validating import problem_of

MAX_ID_CHARACTERS = 100
_ATTEMPTS = 6
_PORTION = 100


@dataclass(frozen=True)
class Verdict:
    """What a user says to a review."""

    status: Literal["approved", "rejected"]
    data: Any = None
    edited: bool = False
    """Whether `data` stands in place of the payload; it may be null."""
    message: str = ""


class Reviews:
    """The reviews of all users; each method looks only at those of the user that it is given."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # -- asking --------------------------------------------------------------------------------

    def request(self, asking: Asking) -> Review:
        """Ask; the same execution again gets what it has asked, whatever became of it.

        A chat that asks about the same block and inputs while it still waits for an answer gets the review that waits.

        Raises:
            ToolError: there is more to look at than a review can hold (`review_too_large`), or it is no text.
            Retryable: it may have been asked; ask again.
        """
        payload = _written(asking.payload)
        attempt = 0
        for _ in range(_ATTEMPTS):
            now = to_millis(self._clock.now())
            review = new_review(asking, payload, now, attempt)
            known = self.find(review.id)
            if known is not None and (known.asker, known.user_id) == (review.asker, review.user_id):
                return known
            if known is not None:
                attempt += 1
                continue
            seen, waiting = self._asked_before(asking, payload, now)
            if waiting is not None:
                return waiting
            remembered: list[Write] = []
            if asking.origin == "chat":
                remembered = put_in_session(asking_key(asking, payload), review, seen)
            try:
                self._database.transact([*put_review(review), *remembered])
            except TransactionFailed:
                continue
            log_event("review.requested", user_id=review.user_id, session_id=review.session_id, task_id=review.task_id)
            return review
        raise Retryable("Too many ask for the same review.", code="review_busy")

    def _asked_before(self, asking: Asking, payload: str, now: int) -> tuple[str, Review | None]:
        """The id of what the chat has asked last about the same, and the review if it still waits for an answer."""
        if asking.origin != "chat":
            return "", None
        item = self._database.get(asking_key(asking, payload))
        if item is None:
            return "", None
        review = self.find(item["review_id"])
        waits = review is not None and review.status_at(now) == "pending" and review.user_id == asking.user_id
        return item["review_id"], review if waits else None

    # -- looking -------------------------------------------------------------------------------

    def get(self, user_id: str, review_id: str) -> Review:
        """The review.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        review = self.find(review_id) if 0 < len(review_id) <= MAX_ID_CHARACTERS else None
        if review is None or review.user_id != user_id:
            raise NotFound("There is no such review.", code="REVIEW_NOT_FOUND")
        return review

    def page(self, user_id: str, status: Status | None, limit: int, before: str = "") -> tuple[list[Review], str]:
        """Up to `limit` reviews without their data, the newest first, and where the next page begins; empty: nowhere.

        `before` is where the page before has ended.
        """
        now = to_millis(self._clock.now())
        fitting = ((item, review) for item, review in self._listed(user_id, before) if _fits(review, status, now))
        found = list(islice(fitting, limit + 1))
        cursor = str(found[limit - 1][0]["sk"]) if len(found) > limit else ""
        return [review for _, review in found[:limit]], cursor

    def _listed(self, user_id: str, before: str) -> Iterator[tuple[Item, Review]]:
        condition, values = "#pk = :pk", {"pk": f"REVIEWS#{user_id}"}
        if before:
            condition, values = "#pk = :pk AND #sk < :before", {**values, "before": before}
        now = self._clock.now()
        for item in self._database.query(condition, values, forward=False, portion=_PORTION):
            if item["expires_at"] > now:
                yield item, Review.from_listing(item)

    def find(self, review_id: str) -> Review | None:
        """The review, whosever it is: for what is no user's request."""
        item = self._database.get(review_key(review_id))
        return Review.from_item(item) if item is not None and item["expires_at"] > self._clock.now() else None

    # -- deciding ------------------------------------------------------------------------------

    def decide(self, user_id: str, review_id: str, verdict: Verdict) -> Review:
        """Approve or reject; the same verdict again is answered with the first.

        Raises:
            NotFound: there is no such review for this user.
            Conflict: it was decided before, and not like this.
            Gone: it has expired.
            Invalid: the edited data don't fit, or must not be edited.
            TooLarge: there are too many of them.
            Retryable: nothing was decided.
        """
        data = _edited(verdict)
        for _ in range(_ATTEMPTS):
            review = self.get(user_id, review_id)
            now = to_millis(self._clock.now())
            status = review.status_at(now)
            if status == "expired":
                raise Gone("The review has expired.", code="review_expired")
            if status == "closed":
                raise Gone("The run that asked has ended.", code="review_closed")
            if status != "pending":
                return _as_before(review, verdict.status, data)
            if data:
                _check_edits(review, verdict.data)
            decided, writes = decide(review, verdict.status, now, data, verdict.message)
            try:
                self._database.transact(writes)
            except TransactionFailed:
                continue
            log_event("review.decided", user_id=user_id, task_id=review.task_id, outcome=verdict.status)
            return decided
        raise Retryable("The review changes too fast.", code="review_busy")

    def close(self, review_id: str) -> None:
        """Nobody waits for the answer any more: it can't be decided. One that was decided stays as it is."""
        review = self.find(review_id)
        now = to_millis(self._clock.now())
        if review is None or review.status_at(now) != "pending":
            return
        with suppress(TransactionFailed):  # it was decided meanwhile
            self._database.transact(decide(review, "closed", now, "", "")[1])
            log_event("review.decided", user_id=review.user_id, task_id=review.task_id, outcome="closed")

    # -- using an approval in a chat -------------------------------------------------------------

    def use(self, review: Review, by: str) -> bool:
        """Have `by` be the one call that runs what was approved; False if another one is, or its time is over."""
        write = use(review, by, to_millis(self._clock.now()))
        attempts = Retrying(retry=retry_if_exception_type(Retryable), stop=stop_after_attempt(_ATTEMPTS), reraise=True)
        try:
            attempts(self._database.write, write)  # may have taken effect already: an approval must not be lost so
        except ConditionFailed:
            return False
        return True

    def give_back(self, review: Review, by: str) -> None:
        """Leave it for another call: this one has done nothing."""
        try:
            self._database.write(give_back(review, by))
        except ConditionFailed:
            return


def _fits(review: Review, status: Status | None, now: int) -> bool:
    return status is None or review.status_at(now) == status


def _written(payload: Any) -> str:
    """As JSON text, the same for the same payload."""
    if not nests_within(payload, MAX_VALUE_DEPTH):
        raise ToolError(f"It nests more than {MAX_VALUE_DEPTH} deep.", code="content_invalid")
    try:
        text = json.dumps(payload, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (ValueError, RecursionError):
        raise ToolError("It holds what JSON can't.", code="content_invalid") from None
    try:
        return to_bytes(text, MAX_DATA_BYTES).decode()
    except ToolError as error:
        if error.code != "content_too_large":
            raise
        message = f"There is more to review than {MAX_DATA_BYTES} bytes of JSON; ask about less."
        raise ToolError(message, code="review_too_large") from None


def _edited(verdict: Verdict) -> str:
    """What stands in place of the payload, as JSON text; empty: nothing does."""
    if not verdict.edited:
        return ""
    try:
        return _written(verdict.data)
    except ToolError as error:
        if error.code != "review_too_large":
            raise Invalid(error.message, code="review_data_invalid") from error
        raise TooLarge(f"The data have more than {MAX_DATA_BYTES} bytes.", code="review_too_large") from error


def _as_before(review: Review, status: Status, data: str) -> Review:
    if (review.status, review.data) != (status, data):
        message = f"The review is {review.status} already."
        raise Conflict(message, code="review_decided", details={"status": review.status})
    return review


def _check_edits(review: Review, data: Any) -> None:
    """Edited inputs must fit the block that is about to get them."""
    if not review.editable:
        raise Invalid("The data of this review can't be edited.", code="review_not_editable")
    if not review.of_inputs:
        return
    from pydantic import ValidationError  # like the blocks below: what only lists reviews needs none of it

    from shared.agents.blocks import registry

    block = registry.shipped_block(review.block_id)
    if block is None:
        return  # whoever runs it says that it is gone
    try:
        block.input_model.model_validate(data)
    except ValidationError as error:
        problems = [
            {"field": ".".join(map(str, one["loc"])) or "data", "problem": problem_of(one)}
            for one in error.errors()[:10]
        ]
        message = "The data don't fit the block's inputs."
        raise Invalid(message, code="review_data_invalid", details={"problems": problems}) from error
