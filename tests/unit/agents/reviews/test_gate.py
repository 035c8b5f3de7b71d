"""What an execution of a run is given, once its user has looked at it."""

from typing import Any

import pytest

from shared.agents.blocks.contract import BlockInput
from shared.agents.reviews.gate import InputReviews
from shared.agents.reviews.records import EXPIRY_DAYS
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.kernel.errors import ToolError
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext
from tests.support.blocks import block_named
from tests.support.region import Parley

BLOCK = block_named("Send webhook")
INPUTS = {"url": "https://hooks.example.com/x", "payload": 1}


def ask(parley: Parley, execution: str = "post#0") -> BlockInput | Wait:
    gate = InputReviews(Reviews(parley.database, parley.clock), parley.clock)
    return gate.ask(ToolContext("ada", "home", "R1", execution), BLOCK, BLOCK.input_model.model_validate(INPUTS))


def decide(parley: Parley, wait: BlockInput | Wait, verdict: Verdict) -> None:
    assert isinstance(wait, Wait)
    Reviews(parley.database, parley.clock).decide("ada", wait.note["review_id"], verdict)


def test_an_execution_waits_for_its_review(parley: Parley) -> None:
    """For the same one however often it asks; another execution has another."""
    first = ask(parley)
    assert isinstance(first, Wait)
    assert first == ask(parley) != ask(parley, "post#1")
    assert first.on == (f"REVIEW#{first.note['review_id']}",)


@pytest.mark.parametrize(
    ("verdict", "given"),
    [
        (Verdict("approved"), INPUTS),
        (Verdict("approved", data={**INPUTS, "payload": 2}, edited=True), {**INPUTS, "payload": 2}),
    ],
)
def test_it_runs_with_what_was_approved(parley: Parley, verdict: Verdict, given: dict[str, Any]) -> None:
    """The inputs, or what the user has made of them, again and again the same."""
    decide(parley, ask(parley), verdict)
    assert ask(parley) == ask(parley) == BLOCK.input_model.model_validate(given)


def test_what_was_rejected_fails(parley: Parley) -> None:
    """With what the user wrote."""
    decide(parley, ask(parley), Verdict("rejected", message="Too long."))
    with pytest.raises(ToolError, match="Too long") as caught:
        ask(parley)
    assert caught.value.code == "review_rejected"


def test_nobody_answers(parley: Parley) -> None:
    """After thirty days it fails."""
    ask(parley)
    parley.clock.advance_to(parley.clock.now() + EXPIRY_DAYS * 86_400)
    with pytest.raises(ToolError) as caught:
        ask(parley)
    assert caught.value.code == "review_expired"
