"""The block that waits for a person."""

import pytest

from shared.agents.reviews.records import EXPIRY_DAYS
from shared.agents.reviews.reviews import Verdict
from shared.kernel.errors import NotFound, ToolError
from shared.tasks.wait import Wait
from tests.support.blocks import Bench, block_named

NAME = "Human review"
ASKED = {"payload": {"post": "Hello"}, "instructions": "Is it polite?"}


def resumed(bench: Bench, wait: Wait) -> object:
    block = block_named(NAME)
    return block.resume(bench.context(), block.input_model.model_validate(ASKED), wait.note)


def test_it_waits_for_its_review(bench: Bench) -> None:
    """For the same one, however often it is run again, and on when somebody knocks too early."""
    wait, again = bench.start(NAME, ASKED), bench.start(NAME, ASKED)
    (asked,), _ = bench.reviews.page("ada", "pending", 10)
    assert wait == again == resumed(bench, wait)
    assert (wait.on, wait.until) == ((f"REVIEW#{asked.id}",), asked.expires)


def test_it_emits_what_the_person_has_made_of_it(bench: Bench) -> None:
    """And what they wrote."""
    wait = bench.start(NAME, ASKED)
    said = Verdict("approved", data={"post": "Good day"}, edited=True, message="Better so.")
    bench.reviews.decide("ada", wait.note["review_id"], said)
    assert resumed(bench, wait) == bench.start(NAME, ASKED)
    assert bench.run(NAME, ASKED) == {"approved_data": [{"post": "Good day"}], "review_message": ["Better so."]}


def test_nobody_answers(bench: Bench) -> None:
    """After thirty days it fails, and still does when the record is gone."""
    wait = bench.start(NAME, ASKED)
    for days in (EXPIRY_DAYS, 10):
        bench.clock.advance_to(bench.clock.now() + days * 86_400)
        with pytest.raises(ToolError) as caught:
            resumed(bench, wait)
        assert caught.value.code == "review_expired"
    with pytest.raises(NotFound):
        bench.reviews.get("ada", wait.note["review_id"])
