"""Whatever a client sends over the socket, it gets a typed frame, and the socket stays of use."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.aws.sockets import MAX_FRAME_BYTES
from tests.support.api_client import ApiClient, api_client
from tests.support.server import SECRET, LiveParley
from tests.support.socket_client import SocketClient, connected, resume_frame, send_frame

MISSING = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def socket(idle: LiveParley, idle_api: ApiClient) -> Iterator[SocketClient]:
    """A connection of Ada's."""
    with connected(idle.sockets.url, idle_api.ticket()) as client:
        yield client


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "{",
        "null",
        "true",
        "42",
        '"send"',
        "[]",
        '[{"type":"send"}]',
        "{}",
        '{"type":null}',
        '{"type":7,"requestId":"r1"}',
        '{"type":{"a":1},"requestId":"r1"}',
        '{"type":"teleport","requestId":"r1"}',
        '{"type":"chunk","requestId":"r1"}',
        '{"type":"send"}',
        '{"type":"send","requestId":""}',
        '{"type":"send","requestId":7}',
        '{"type":"send","requestId":["r1"]}',
        '{"type":"send","requestId":"r1"}',
        '{"type":"resume","requestId":"r1"}',
        '{"type":"resume","requestId":"r1","id":7}',
        '{"type":"resume","requestId":"r1","id":""}',
        '{"type":"abort"}',
        '{"type":"send","requestId":"r 1","id":"s"}',
        '{"type":"resume","requestId":"a#b","id":"s"}',
        '{"type":"send","requestId":"' + "r" * 200 + '","id":"s"}',
        '{"type":"resume","requestId":"r1","id":"' + "s" * 200 + '"}',
        '{"type":"resume","requestId":"r1","id":"\\ud800"}',
        '{"type":"resume","requestId":"r1","id":"a\\u0000b"}',
        '{"type":"resume","requestId":"\\ud800","id":"s"}',
        '{"type":"\\ud800","requestId":"\\ud800"}',
        '{"type":"abort","requestId":"r1","cancel":"perhaps"}',
        '{"type":"send","requestId":"r1","id":"s","messages":7}',
        '{"type":"send","requestId":"r1","id":"s","messages":{}}',
        '{"type":"send","requestId":"r1","id":"s","messages":[7]}',
        '{"type":"send","requestId":"r1","id":"s","messages":[],"body":[]}',
        '{"type":"send","requestId":"r1","id":NaN}',
        "[" * 50_000,
        '{"type":"send","requestId":"r1","id":' + "[" * 50_000 + "}",
        '{"type":"send","requestId":"r1","id":"s","messages":[' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "]}",
        '{"type":"send","requestId":"r1","id":' + "9" * 6_000 + "}",
        "\u0000",
        "{" + '"type":"send",' * 5_000 + '"requestId":"r1"}',
    ],
    ids=lambda text: text[:60],
)
def test_what_no_frame_looks_like(socket: SocketClient, text: str) -> None:
    """A typed error frame that names the request, if it named itself; then the socket works as before."""
    socket.send_text(text)

    error = socket.next_frame()
    assert error["type"] == "error"
    assert error["requestId"] in {"r1", "~sys"} | set(_named(text))
    assert isinstance(error["errorText"], str)
    assert isinstance(error["code"], str)
    assert error["code"] != "internal_error"
    assert socket.works()


def _named(text: str) -> list[str]:
    """The request id that the text gives itself, if that can be read."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    given = value.get("requestId") if isinstance(value, dict) else None
    return [given] if isinstance(given, str) else []


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"id": "m1", "role": "user", "parts": []}]},
        {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "  \n "}]}]},
        {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "file", "url": "x"}]}]},
        {"messages": [{"id": "m1", "role": "assistant", "parts": [{"type": "text", "text": "I said so"}]}]},
        {"messages": [{"id": "a#b", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]},
        {"messages": [{"id": "m" * 65, "role": "user", "parts": [{"type": "text", "text": "hi"}]}]},
        {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "x" * 64_001}]}]},
        {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "x\ud800"}]}]},
        {"trigger": "regenerate-message"},
        {"body": {"policy": "explode"}},
        {"body": {"policy": ["enqueue"]}},
        {"body": {"context": 7}},
        {"messageId": 7},
    ],
    ids=lambda fields: json.dumps(fields)[:70],
)
def test_sends_that_can_not_be(socket: SocketClient, idle_api: ApiClient, fields: dict[str, Any]) -> None:
    """They are answered with an error frame for their request, and nothing of them is kept."""
    session = idle_api.new_session()

    error = socket.answers(send_frame("r1", session, "hi", "m1", **fields))

    assert (error["type"], error["requestId"]) == ("error", "r1")
    assert error["code"] != "internal_error"
    assert socket.works()
    shown = idle_api.get(f"/chat/sessions/{session}").json()
    assert (shown["messages"], shown["active_stream"]) == ([], None)


def test_a_frame_as_large_as_may_be(socket: SocketClient, idle_api: ApiClient) -> None:
    """64,000 characters fit into a frame of 128 KB; one that is filled up to the limit is answered, too."""
    session = idle_api.new_session()

    started = socket.answers(send_frame("r1", session, "x" * 64_000, "m1"))
    filled = json.dumps({"type": "send", "requestId": "r2", "id": session, "body": {"x": ""}, "messages": []})
    socket.send_text(filled.replace('"x": ""', f'"x": "{"y" * (MAX_FRAME_BYTES - len(filled))}"'))
    error = socket.next_frame()

    assert (started["type"], started["requestId"]) == ("start", "r1")
    assert (error["type"], error["requestId"]) == ("error", "r2")
    assert socket.works()


def test_a_frame_that_is_too_large(idle: LiveParley, idle_api: ApiClient) -> None:
    """Over 128 KB the gateway itself closes the connection, with 1009; a new one works."""
    with connected(idle.sockets.url, idle_api.ticket()) as socket, pytest.raises(ConnectionClosed) as closed:
        overfill(socket)

    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009
    with connected(idle.sockets.url, idle_api.ticket()) as another:
        assert another.works()


def overfill(socket: SocketClient) -> None:
    """The connection may be closed while the last piece is on its way, or after it."""
    socket.send_text("x" * (MAX_FRAME_BYTES + 1))
    socket.next_frame()


def test_what_belongs_to_others(idle: LiveParley, idle_api: ApiClient) -> None:
    """A foreign session and one that never was get the same frame, for send, for resume and for a sent message."""
    session = idle_api.new_session()
    idle_api.accept(session, "hi")
    with api_client(idle, "grace") as grace, connected(idle.sockets.url, grace.ticket()) as socket:
        frames = [
            send_frame("r1", session, "hi", "m1"),
            resume_frame("r1", session),
            send_frame("r1", session, "", "m1", messages=[], messageId="m1"),
        ]
        for frame in frames:
            foreign, missing = socket.answers(frame), socket.answers({**frame, "id": MISSING})
            assert foreign == missing
            assert (foreign["type"], foreign["code"]) == ("error", "SESSION_NOT_FOUND")
        assert socket.works()


def test_others_can_not_be_aborted(idle: LiveParley, idle_api: ApiClient) -> None:
    """`abort`, even with cancel, reaches only requests of its own connection; an unknown one is ignored."""
    session = idle_api.new_session()
    with connected(idle.sockets.url, idle_api.ticket()) as socket, api_client(idle, "grace") as grace:
        socket.send(send_frame("r1", session, "hi", "m1"))
        assert socket.next_frame()["type"] == "start"
        with connected(idle.sockets.url, grace.ticket()) as stranger:
            stranger.send({"type": "abort", "requestId": "r1", "cancel": True})
            assert stranger.works()
        assert idle_api.get(f"/chat/sessions/{session}").json()["active_stream"] is not None

        socket.send({"type": "abort", "requestId": "r1", "cancel": True})
        assert socket.works()
        assert idle_api.get(f"/chat/sessions/{session}").json()["active_stream"] is None


def test_a_message_that_was_never_sent(socket: SocketClient, idle_api: ApiClient) -> None:
    """`send` with only a message id shows that message's turn; an unknown one is an error."""
    error = socket.answers(send_frame("r1", idle_api.new_session(), "", "m1", messages=[], messageId="nobody"))

    assert (error["type"], error["code"]) == ("error", "MESSAGE_NOT_FOUND")


def test_a_request_id_may_not_be_ours(socket: SocketClient, idle_api: ApiClient) -> None:
    """`~sys` names Parley's own frames; a request of that name still gets frames that the client can tell apart."""
    frame = socket.answers(resume_frame("~sys", idle_api.new_session()))

    assert frame["type"] in {"no-active", "error"}
    assert socket.works()


def test_tickets(idle: LiveParley, idle_api: ApiClient) -> None:
    """A ticket opens one connection within its 30 s: used, old, invented, missing or monstrous ones open none."""
    used = idle_api.ticket()
    with connected(idle.sockets.url, used) as socket:
        assert socket.works()
    old = idle_api.ticket()

    assert refused(idle, used) == 403
    assert refused(idle, "A" * 43) == 403
    assert refused(idle, "x" * 5_000) == 403
    assert refused(idle, idle.token()) == 403
    assert refused(idle, jwt.encode({"sub": "ada"}, SECRET, "HS256")) == 403
    assert refused(idle, "") == 401
    with idle.clock.set_forward(31):
        assert refused(idle, old) == 403


def refused(parley: LiveParley, ticket: str) -> int:
    with pytest.raises(InvalidStatus) as refusal, connected(parley.sockets.url, ticket):
        pass
    return refusal.value.response.status_code
