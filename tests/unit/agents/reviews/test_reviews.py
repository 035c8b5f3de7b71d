"""Reviews: asked once, decided once, in time, and by nobody else."""

from dataclasses import replace
from typing import Any

import pytest

from shared.agents.blocks.library.send_webhook import SendWebhook
from shared.agents.reviews.records import EXPIRY_DAYS, MAX_DATA_BYTES, Asking, Status, new_review, put_review
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.aws.database import Database
from shared.aws.writes import Put
from shared.kernel.clock import to_millis
from shared.kernel.errors import Conflict, Gone, Invalid, NotFound, TooLarge, ToolError
from tests.support.region import Parley

APPROVED = Verdict("approved")
REJECTED = Verdict("rejected", message="Not today.")
OF_RUN = Asking("ada", "run", "R1", "post#0", "home", "a-block", "Human review", {"b": 1, "a": [1.5, None]})
OF_CHAT = replace(OF_RUN, origin="chat", task_id="T1", call_id="c1", session_id="S1")
DAY = 86_400


@pytest.fixture
def reviews(parley: Parley) -> Reviews:
    return Reviews(parley.database, parley.clock)


def edited(data: Any, status: Any = "approved") -> Verdict:
    return Verdict(status, data=data, edited=True)


def statuses(reviews: Reviews, status: Status | None = None) -> list[str]:
    return [review.id for review in reviews.page("ada", status, 50)[0]]


def test_an_execution_asks_once(reviews: Reviews) -> None:
    """Also behind a decision: whoever comes again learns what was said."""
    asked = reviews.request(OF_RUN)
    assert reviews.request(OF_RUN) == asked
    reviews.decide("ada", asked.id, APPROVED)

    again = reviews.request(OF_RUN)
    assert (again.id, again.status, again.value) == (asked.id, "approved", OF_RUN.payload)
    assert statuses(reviews) == [asked.id]
    assert reviews.request(replace(OF_RUN, call_id="post#1")).id != asked.id


def test_a_chat_that_asks_about_the_same_gets_the_review_that_waits(reviews: Reviews) -> None:
    """Until it is decided; another session, and other inputs, have reviews of their own."""
    asked = reviews.request(OF_CHAT)
    same = replace(OF_CHAT, task_id="T2", call_id="c7", payload={"a": [1.5, None], "b": 1})
    assert reviews.request(same).id == asked.id
    assert reviews.request(replace(same, payload={"b": 2})).id != asked.id
    assert reviews.request(replace(same, session_id="S2")).id != asked.id

    reviews.decide("ada", asked.id, REJECTED)
    anew = reviews.request(replace(same, call_id="c9"))
    assert (anew.id != asked.id, anew.status) == (True, "pending")


def test_runs_never_share_a_review(reviews: Reviews) -> None:
    """Each execution is decided by itself."""
    assert reviews.request(OF_RUN).id != reviews.request(replace(OF_RUN, call_id="post#1")).id


def test_a_review_of_a_chat_looks_like_a_node_of_no_run(reviews: Reviews) -> None:
    """`copilot-node-{block}:{8 hex digits}`; one whose id is taken gets another."""
    asked = reviews.request(OF_CHAT)
    prefix, _, short = asked.id.rpartition(":")
    assert (prefix, len(short), int(short, 16) >= 0) == ("copilot-node-a-block", 8, True)


def test_an_id_that_somebody_else_has_is_not_used(parley: Parley, reviews: Reviews) -> None:
    """Eight digits may meet; then the second one asks under another id, and both are what they were."""
    now = to_millis(parley.clock.now())
    others = replace(new_review(OF_CHAT, "7", now), user_id="eve", task_id="T9")
    for write in put_review(others):
        assert isinstance(write, Put)
        parley.database.write(write)
    asked = reviews.request(OF_CHAT)
    assert asked.id != others.id
    assert reviews.request(OF_CHAT) == asked
    assert reviews.get("eve", others.id) == others


def test_the_first_verdict_counts(reviews: Reviews) -> None:
    """The same again is answered with the first; another one is a conflict."""
    asked = reviews.request(OF_RUN)
    decided = reviews.decide("ada", asked.id, edited({"b": 2}))
    assert (decided.status, decided.value) == ("approved", {"b": 2})
    assert reviews.decide("ada", asked.id, edited({"b": 2})) == decided
    for other in (REJECTED, APPROVED, edited({"b": 3})):
        with pytest.raises(Conflict) as caught:
            reviews.decide("ada", asked.id, other)
        assert (caught.value.code, caught.value.details) == ("review_decided", {"status": "approved"})
    assert reviews.get("ada", asked.id).value == {"b": 2}


def test_of_two_verdicts_at_once_one_counts(parley: Parley, reviews: Reviews) -> None:
    """Whoever writes second finds what the first has said."""
    asked = reviews.request(OF_RUN)

    class Slow(Database):
        def transact(self, writes: Any) -> None:
            reviews.decide("ada", asked.id, REJECTED)
            super().transact(writes)

    slow = Slow.__new__(Slow)
    vars(slow).update(vars(parley.database))
    with pytest.raises(Conflict):
        Reviews(slow, parley.clock).decide("ada", asked.id, APPROVED)
    assert reviews.get("ada", asked.id).status == "rejected"


def test_null_may_stand_in_place_of_the_payload(reviews: Reviews) -> None:
    """Edited to null is not the same as not edited."""
    asked = reviews.request(OF_RUN)
    assert reviews.decide("ada", asked.id, edited(None)).value is None


def test_thirty_days_are_enough(parley: Parley, reviews: Reviews) -> None:
    """Then it has expired: nobody can decide, and a chat that asks again gets a new one."""
    asked, last = reviews.request(OF_CHAT), reviews.request(replace(OF_CHAT, call_id="c2", payload=7))
    parley.clock.advance_to(parley.clock.now() + EXPIRY_DAYS * DAY - 1)
    reviews.decide("ada", last.id, APPROVED)
    parley.clock.advance_to(parley.clock.now() + 1)
    with pytest.raises(Gone) as caught:
        reviews.decide("ada", asked.id, APPROVED)
    assert caught.value.code == "review_expired"
    assert (statuses(reviews, "pending"), statuses(reviews, "expired")) == ([], [asked.id])
    assert reviews.request(replace(OF_CHAT, call_id="c3")).status == "pending"


def test_what_is_kept_too_long_does_not_exist(parley: Parley, reviews: Reviews) -> None:
    """DynamoDB deletes late; readers don't wait for it."""
    asked = reviews.request(OF_RUN)
    parley.clock.advance_to(parley.clock.now() + (EXPIRY_DAYS + 7) * DAY)
    with pytest.raises(NotFound):
        reviews.get("ada", asked.id)
    assert statuses(reviews) == []


def test_another_users_review_does_not_exist(reviews: Reviews) -> None:
    """Neither to look at, nor to decide, nor in the list."""
    asked = reviews.request(OF_RUN)
    for review_id in (asked.id, "no-such", "", "x" * 200):
        with pytest.raises(NotFound) as caught:
            reviews.get("eve", review_id)
        assert caught.value.code == "REVIEW_NOT_FOUND"
    with pytest.raises(NotFound):
        reviews.decide("eve", asked.id, APPROVED)
    assert reviews.page("eve", None, 50) == ([], "")
    assert reviews.get("ada", asked.id).status == "pending"


def test_a_list_comes_in_pages(parley: Parley, reviews: Reviews) -> None:
    """The newest first, those of one status, without their data."""
    asked = []
    for number in range(5):
        parley.clock.advance_to(parley.clock.now() + 1)
        asked.append(reviews.request(replace(OF_RUN, call_id=f"n#{number}")).id)
    reviews.decide("ada", asked[1], APPROVED)
    first, cursor = reviews.page("ada", "pending", 2)
    second, end = reviews.page("ada", "pending", 2, cursor)
    assert [review.id for review in [*first, *second]] == [asked[4], asked[3], asked[2], asked[0]]
    assert (end, first[0].payload) == ("", "null")
    assert statuses(reviews, "approved") == [asked[1]]


def test_more_than_a_record_holds_is_not_asked(parley: Parley, reviews: Reviews) -> None:
    """Nor taken as an edit; the longest payload with the longest edit fits."""
    with pytest.raises(ToolError) as refused:
        reviews.request(replace(OF_RUN, payload="ä" * (MAX_DATA_BYTES // 2)))
    assert refused.value.code == "review_too_large"
    asked = reviews.request(replace(OF_RUN, payload="x" * (MAX_DATA_BYTES - 2)))
    with pytest.raises(TooLarge):
        reviews.decide("ada", asked.id, edited("x" * MAX_DATA_BYTES))
    reviews.decide("ada", asked.id, edited("y" * (MAX_DATA_BYTES - 2)))
    assert reviews.get("ada", asked.id).value[0] == "y"


@pytest.mark.parametrize("payload", ["\ud800", {"a": "\udfff"}])
def test_half_a_character_is_refused(reviews: Reviews, payload: Any) -> None:
    """It could not be stored."""
    with pytest.raises(ToolError) as refused:
        reviews.request(replace(OF_RUN, payload=payload))
    assert refused.value.code == "content_invalid"


INPUTS = {"url": "https://hooks.example.com/x", "payload": 1}


@pytest.mark.parametrize(
    ("asking", "data", "code"),
    [
        (replace(OF_RUN, editable=False), 1, "review_not_editable"),
        (replace(OF_RUN, block_id=SendWebhook.id, payload=INPUTS, of_inputs=True), {"url": 7}, "review_data_invalid"),
        (replace(OF_RUN, block_id=SendWebhook.id, payload=INPUTS, of_inputs=True), None, "review_data_invalid"),
        (OF_RUN, "\ud800", "review_data_invalid"),
    ],
)
def test_edits_that_do_not_fit_are_refused(reviews: Reviews, asking: Asking, data: Any, code: str) -> None:
    """And decide nothing; inputs must fit the block that gets them."""
    asked = reviews.request(asking)
    with pytest.raises(Invalid) as caught:
        reviews.decide("ada", asked.id, edited(data))
    assert caught.value.code == code
    assert reviews.get("ada", asked.id).status == "pending"


def test_edited_inputs_that_fit_are_taken(reviews: Reviews) -> None:
    """They are what the block gets."""
    asked = reviews.request(replace(OF_RUN, block_id=SendWebhook.id, payload=INPUTS, of_inputs=True))
    decided = reviews.decide("ada", asked.id, edited({**INPUTS, "payload": 2}))
    assert decided.value["payload"] == 2


def test_an_approval_is_used_by_one_call(parley: Parley, reviews: Reviews) -> None:
    """The same call may say so again; another one may when the first has done nothing."""
    asked = reviews.request(OF_CHAT)
    assert not reviews.use(asked, "T2#c1")
    reviews.decide("ada", asked.id, APPROVED)
    assert reviews.use(asked, "T2#c1")
    assert reviews.use(asked, "T2#c1")
    assert not reviews.use(asked, "T2#c2")
    reviews.give_back(asked, "T2#c2")
    assert not reviews.use(asked, "T2#c2")
    reviews.give_back(asked, "T2#c1")
    assert reviews.use(asked, "T2#c2")


def test_what_is_rejected_or_too_old_is_not_used(parley: Parley, reviews: Reviews) -> None:
    """An approval is good for as long as it could have been given."""
    no, late = reviews.request(OF_CHAT), reviews.request(replace(OF_CHAT, call_id="c2", payload=7))
    reviews.decide("ada", no.id, REJECTED)
    reviews.decide("ada", late.id, APPROVED)
    assert not reviews.use(no, "T2#c1")
    parley.clock.advance_to(parley.clock.now() + EXPIRY_DAYS * DAY)
    assert not reviews.use(late, "T2#c1")
