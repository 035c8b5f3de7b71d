"""Reviews over HTTP; every answer is held to the API's description."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.agents.blocks.library.send_webhook import SendWebhook
from shared.agents.reviews.records import EXPIRY_DAYS, MAX_DATA_BYTES, Asking
from shared.agents.reviews.reviews import Reviews
from tests.support.region import Parley
from tests.unit.api.test_http import ada, bearer

__all__ = ["ada"]

OF_RUN = Asking("ada", "run", "R1", "n#0", "home", "a-block", "Human review", {"post": "Hi"}, "Post it?", "Polite?")


def asked(parley: Parley, **more: Any) -> str:
    """The id of a review."""
    return Reviews(parley.database, parley.clock).request(Asking(**{**vars(OF_RUN), **more})).id


def test_a_review_is_listed_looked_at_and_approved(ada: TestClient, parley: Parley) -> None:
    """With data and words of the user's own."""
    review_id = asked(parley)
    (listed,) = ada.get("/api/reviews", params={"status": "pending"}).json()["reviews"]
    assert (listed["review_id"], listed["name"], listed["run_id"]) == (review_id, "Post it?", "R1")
    assert "payload" not in listed
    shown = ada.get(f"/api/reviews/{review_id}").json()
    assert (shown["payload"], shown["instructions"], shown["data"]) == ({"post": "Hi"}, "Polite?", None)

    body = {"data": {"post": "Good day"}, "message": "Better"}
    answer = ada.post(f"/api/reviews/{review_id}/approve", json=body)
    decided = answer.json()
    assert (answer.status_code, decided["status"], decided["data"]) == (200, "approved", {"post": "Good day"})
    assert decided == ada.get(f"/api/reviews/{review_id}").json()
    assert ada.get("/api/reviews", params={"status": "pending"}).json() == {"reviews": [], "next_cursor": None}
    assert ada.get("/api/reviews").json()["reviews"][0]["status"] == "approved"


def test_the_first_verdict_counts(ada: TestClient, parley: Parley) -> None:
    """A repeated one is answered with it, another one is a conflict."""
    review_id = asked(parley)
    first = ada.post(f"/api/reviews/{review_id}/reject", json={"message": "No"})
    again = ada.post(f"/api/reviews/{review_id}/reject")
    other = ada.post(f"/api/reviews/{review_id}/approve")
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"], other.json()["details"]) == (
        409,
        "review_decided",
        {"status": "rejected"},
    )


def test_the_list_comes_in_pages(ada: TestClient, parley: Parley) -> None:
    """A page names the cursor of the next one."""
    ids = []
    for number in range(3):
        parley.clock.advance(1)
        ids.append(asked(parley, call_id=f"n#{number}", origin="chat", session_id="S1", payload=number))
    first = ada.get("/api/reviews", params={"limit": 2}).json()
    second = ada.get("/api/reviews", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["review_id"] for one in first["reviews"] + second["reviews"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert ada.get(f"/api/reviews/{ids[0]}").json()["session_id"] == "S1"


def test_another_users_review_is_not_found(ada: TestClient, parley: Parley) -> None:
    """Exactly as one that doesn't exist."""
    review_id = asked(parley)
    eve = bearer("eve")
    for one, headers in ((review_id, eve), ("no-such", {}), ("x" * 300, {})):
        answers = [
            ada.get(f"/api/reviews/{one}", headers=headers),
            ada.post(f"/api/reviews/{one}/approve", headers=headers),
            ada.post(f"/api/reviews/{one}/reject", headers=headers),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "REVIEW_NOT_FOUND")] * 3
    assert ada.get("/api/reviews", headers=eve).json()["reviews"] == []
    assert ada.get(f"/api/reviews/{review_id}").json()["status"] == "pending"


def test_after_thirty_days_it_has_expired(ada: TestClient, parley: Parley) -> None:
    """Nobody decides any more."""
    review_id = asked(parley)
    parley.clock.advance(EXPIRY_DAYS * 86_400)
    late = ada.post(f"/api/reviews/{review_id}/approve")
    assert (late.status_code, late.json()["code"]) == (410, "review_expired")
    assert ada.get(f"/api/reviews/{review_id}").json()["status"] == "expired"


@pytest.mark.parametrize(
    ("asking", "body", "status", "code"),
    [
        ({"editable": False}, '{"data": 1}', 422, "review_not_editable"),
        ({"block_id": SendWebhook.id, "of_inputs": True}, '{"data": {"url": 1}}', 422, "review_data_invalid"),
        ({}, '{"data": NaN}', 422, "review_data_invalid"),
        ({}, '{"data": "\\ud800"}', 422, "review_data_invalid"),
        ({}, '{"data": ' + "[" * 102 + "]" * 102 + "}", 422, "review_data_invalid"),
        ({}, f'{{"data": "{"x" * MAX_DATA_BYTES}"}}', 413, "review_too_large"),
        ({}, '{"message": "' + "x" * 2_001 + '"}', 422, "validation_failed"),
        ({}, '{"message": "\\ud800"}', 422, "validation_failed"),
        ({}, '{"approved": true}', 422, "validation_failed"),
        ({}, "[]", 422, "validation_failed"),
        ({}, "{", 400, "invalid_json"),
    ],
)
def test_what_does_not_fit_decides_nothing(
    ada: TestClient, parley: Parley, asking: dict[str, Any], body: str, status: int, code: str
) -> None:
    """And says why."""
    review_id = asked(parley, **asking)
    answer = ada.post(f"/api/reviews/{review_id}/approve", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ada.get(f"/api/reviews/{review_id}").json()["status"] == "pending"


def test_a_cursor_of_no_list_is_refused(ada: TestClient) -> None:
    answer = ada.get("/api/reviews", params={"cursor": "zz"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("query", ["status=open", "limit=0", "limit=101", f"cursor={'x' * 301}"])
def test_a_list_that_makes_no_sense_is_refused(ada: TestClient, query: str) -> None:
    """422."""
    answer = ada.get(f"/api/reviews?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
