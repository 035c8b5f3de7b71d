"""What the official npm clients make of a turn, over each of their transports."""

from typing import Any

import pytest

from tests.support.node import Place, drive, model_requests
from tests.support.server import LiveParley

pytestmark = pytest.mark.clients

TRANSPORTS = ["default", "workflow", "websocket"]


def says(text: str, message_id: str = "m1", **more: Any) -> dict[str, Any]:
    return {"do": "send", "text": text, "id": message_id, **more}


Results = dict[str, tuple[str, dict[str, Any]]]


def played(
    parley: LiveParley, place: Place, *steps: dict[str, Any], transports: list[str] = TRANSPORTS, **fields: Any
) -> Results:
    """The same job over each transport, in sessions of their own: transport -> session, result."""
    sessions = [parley.new_session() for _ in transports]
    jobs = [
        {"token": parley.token(), "session": session, "transport": transport, "steps": list(steps), **fields}
        for transport, session in zip(transports, sessions, strict=True)
    ]
    results = drive(place, jobs)
    assert not any("stuck" in result for result in results), results
    return dict(zip(transports, zip(sessions, results, strict=True), strict=True))


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def test_a_conversation_of_two_turns(live: LiveParley, place: Place) -> None:
    """A plain answer streams, the chat is ready, and the next send continues the session."""
    for session, result in played(live, place, says("hello"), says("think", "m2")).values():
        assert [step["statuses"] for step in result["steps"]] == [
            ["ready", "submitted", "streaming", "ready"],
            ["submitted", "streaming", "ready"],
        ]
        assert [message["role"] for message in result["messages"]] == ["user", "assistant"] * 2
        assert text_of(result["messages"][1]) == "Hello there, this is Parley speaking."
        assert [part["type"] for part in result["messages"][3]["parts"]] == ["step-start", "reasoning", "text"]
        assert [row.role for row in live.rows(session)] == ["user", "assistant"] * 2


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("too many requests", "After a rest."),
        ("a hiccup", "After a hiccup."),
        ("say nothing", "After silence."),
        ("break off", "A sentence that is not spoken to its end at first, and then it is."),
        ("bad arguments", "My arguments were broken."),
        ("unknown tool", "There is no such tool."),
    ],
)
def test_a_model_that_stumbles(live: LiveParley, place: Place, said: str, answer: str) -> None:
    """429, 500, an empty answer, a cut stream, broken arguments and an unknown tool all end in an answer."""
    results = drive(
        place,
        [
            {
                "token": live.token(),
                "session": live.new_session(),
                "transport": transport,
                "steps": [says(f"{said}, over {transport}")],
            }
            for transport in TRANSPORTS
        ],
    )

    for transport, result in zip(TRANSPORTS, results, strict=True):
        assert result["steps"][0]["status"] == "ready", transport
        assert text_of(result["messages"][1]) == answer, transport
        assert result["finishes"][0]["finishReason"] == "stop", transport


def test_a_model_that_refuses(live: LiveParley, place: Place) -> None:
    """A turn that fails leaves the client in `error`, with our words, and the next send works."""
    for transport, (_, result) in played(live, place, says("refuse me"), says("hello", "m2")).items():
        assert [step["status"] for step in result["steps"]] == ["error", "ready"], transport
        assert result["steps"][0]["error"] == "The model's server refused the request (400)."
        assert text_of(result["messages"][-1]) == "Hello there, this is Parley speaking."


def test_a_refusal_is_final(live: LiveParley, place: Place) -> None:
    """A refusal is not retried, neither by Parley nor by the package beneath it."""
    played(live, place, says("refuse me just once"), transports=["websocket"])

    assert len(model_requests(live.model_url, "refuse me just once")) == 1


def test_a_stop_is_not_an_error(live: LiveParley, place: Place) -> None:
    """POST /cancel during the text: the partial text stays, the client is ready, and the next send works."""
    results = played(live, place, says("go on forever", cancel_at=20), says("hello", "m2"))

    for transport, (session, result) in results.items():
        assert result["cancelled"]["reason"] == "cancelled"
        assert [step["status"] for step in result["steps"]] == ["ready", "ready"], (transport, result["steps"])
        parts = result["messages"][1]["parts"]
        assert {"type": "data-status", "data": {"status": "cancelled", "reason": "cancelled"}} in parts
        assert all(part.get("state") != "streaming" for part in parts)
        partial = text_of(result["messages"][1])
        assert partial.startswith("And on and on, ")
        assert (live.rows(session)[1].status, live.rows(session)[1].content) == ("cancelled", partial)
        assert result["finishes"][0] == {
            "isAbort": False, "isDisconnect": False, "isError": False, "finishReason": "other",
        }  # fmt: skip
        assert text_of(result["messages"][3]) == "Hello there, this is Parley speaking."


def test_leaving_does_not_stop_the_turn(live: LiveParley, place: Place) -> None:
    """chat.stop() sends `abort`: this viewer is gone, the turn goes on, and a resume shows all of it."""
    steps = [says("compare slowly", stop_at=5), {"do": "resume"}]
    ((_, result),) = played(live, place, *steps, transports=["websocket"]).values()

    assert result["running_at_resume"] == [True]
    assert [step["status"] for step in result["steps"]] == ["ready", "ready"]
    assert text_of(result["messages"][1]).endswith("that is the whole verdict.")
    assert result["finishes"][0]["isAbort"]


def test_a_message_sent_while_a_turn_runs(live: LiveParley, place: Place) -> None:
    """It becomes pending: the client gets a data-pending part and is ready; the turn answers it afterwards."""
    steps = [{"do": "accept", "text": "take a while", "id": "m1"}, says("hello", "m2"), {"do": "away"}]

    for session, result in played(live, place, *steps).values():
        assert result["steps"][1]["status"] == "ready"
        (pending,) = [part for part in result["messages"][1]["parts"] if part["type"] == "data-pending"]
        assert pending["data"]["message_id"] == "m2"
        rows = live.rows(session)
        assert [row.id for row in rows if row.role == "user"] == ["m1", "m2"]
        assert rows[-1].role == "assistant"


def test_nothing_to_resume(live: LiveParley, place: Place) -> None:
    """204 over HTTP and no-active over the socket leave the client ready, without a message."""
    for _, result in played(live, place, {"do": "resume"}, transports=["default", "websocket"]).values():
        assert (result["steps"][0]["status"], result["messages"]) == ("ready", [])


def test_a_negative_index_shows_the_tail(live: LiveParley, place: Place) -> None:
    """WorkflowChatTransport with initialStartIndex -4: the server counts from the end and says where that is."""
    steps = [{"do": "accept", "text": "hello", "id": "m1"}, {"do": "away"}, {"do": "resume"}]
    ((_, result),) = played(live, place, *steps, transports=["workflow"], start_index=-4).values()

    assert result["steps"][-1]["status"] == "ready", result["steps"]
    assert result["finishes"][-1]["finishReason"] == "stop"
