"""The tool that keeps what users say about themselves."""

import json

import pytest

from shared.accounts.profile import Profiles
from shared.tools.add_understanding import AddUnderstanding
from tests.support.model import calls, says
from tests.support.region import Parley


def turn(parley: Parley, arguments: dict[str, object], user: str = "ada") -> dict[str, object]:
    """One turn in which the model calls the tool; what the tool answered."""
    parley.with_tools(AddUnderstanding(Profiles(parley.database, parley.clock)))
    parley.scripted(calls(("c1", "add_understanding", json.dumps(arguments))), says("Noted."))
    session = parley.new_session(user)
    parley.send(session, "I am Ada")
    parley.drain_queue()
    (row,) = [row for row in parley.transcript(session) if row.role == "tool"]
    answer: dict[str, object] = json.loads(row.content)
    return answer


def test_what_the_user_said_is_merged_into_their_profile(parley: Parley) -> None:
    """The answer says that, and which fields, changed."""
    answer = turn(parley, {"name": "Ada", "timezone": "Europe/London", "facts": {"job": "analyst"}})
    assert answer["type"] == "understanding_updated"
    assert answer["updated"] is True
    assert answer["fields"] == ["name", "timezone", "understanding.job"]
    assert answer["understanding"] == {"job": "analyst"}
    again = turn(parley, {"facts": {"job": "analyst", "town": "London"}})
    assert again["fields"] == ["understanding.town"]
    assert turn(parley, {"facts": {"job": "analyst"}})["updated"] is False


def test_the_next_model_call_of_a_later_turn_knows_it(parley: Parley) -> None:
    """Of the same user, in every session, and of nobody else."""
    turn(parley, {"instructions": "Answer in French.", "facts": {"job": "analyst"}})
    parley.scripted(says("Oui."))
    for user in ("ada", "grace"):
        parley.send(parley.new_session(user), "Who am I?")
        parley.drain_queue()
    known, unknown = (request.messages[0]["content"] for request in parley.model.requests)
    assert '"job": "analyst"' in known
    assert "Answer in French." in known
    assert "analyst" not in unknown


@pytest.mark.parametrize(
    "arguments",
    [{"timezone": "Mars/Olympus"}, {"instructions": "x" * 4_001}, {"facts": {"x" * 61: "y"}},
     {"facts": {"x": "y" * 301}}, {"facts": {f"f{n}": "x" for n in range(41)}}, {"name": "A\nB"}, {"mood": "good"}],
)  # fmt: skip
def test_what_no_profile_holds_is_an_error_for_the_model(parley: Parley, arguments: dict[str, object]) -> None:
    """It reads why, and nothing is kept."""
    answer = turn(parley, arguments)
    assert (answer["type"], answer["code"]) == ("error", "invalid_arguments")
    assert Profiles(parley.database, parley.clock).load("ada").empty


def test_a_guest_is_asked_to_sign_in(parley: Parley) -> None:
    """The turn goes on; nothing is kept for somebody whom nobody knows."""
    answer = turn(parley, {"name": "Ada"}, user="guest:01JZ")
    assert answer["type"] == "need_login"
    assert Profiles(parley.database, parley.clock).load("guest:01JZ").empty
