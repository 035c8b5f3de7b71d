"""Frames that clients send: every failure is answered with a typed frame, and nothing ever raises."""

import json
import random

import pytest

from tests.support.model import says
from tests.support.region import Parley

BAD = [
    "", "nonsense", "[]", "5", "null", '"text"', "{}", '{"type":5}', '{"type":"nope","requestId":"r"}', "[" * 100_000,
    '{"type":"send"}', '{"type":"send","requestId":"r","id":"missing","messages":[]}',
    '{"type":"send","requestId":"r","id":"x","messages":[{"id":"m","role":"user","parts":[]}]}',
    '{"type":"send","requestId":"r","id":"x","messages":[{"id":"m","role":"assistant","parts":[{"type":"text"}]}]}',
    '{"type":"send","requestId":"r","id":"x","messages":[{"id":"m","role":"user","parts":[{"type":"text","text":"\\ud800"}]}]}',
    '{"type":"resume","requestId":"r","id":"missing"}', '{"type":"resume","requestId":"#","id":"x"}',
    '{"type":"resume","requestId":"\\ud800","id":"x"}', '{"type":"\\ud800","requestId":"r"}',
    '{"type":"resume","requestId":"r","id":"\\ud800"}', '{"type":"resume","requestId":"r","id":""}',
    '{"type":"resume","requestId":{"a":1},"id":"x"}', '{"type":"resume","requestId":"' + "r" * 500 + '","id":"x"}',
    '{"type":"send","requestId":"r","id":"x","messages":[' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "]}",
    '{"type":"ping","requestId":"' + "x" * 200_000 + '"}', '{"type":"send","requestId":NaN}',
]  # fmt: skip


@pytest.mark.parametrize("raw", BAD, ids=range(len(BAD)))
def test_a_bad_frame_is_answered_with_a_typed_error(parley: Parley, raw: str) -> None:
    """A type, a requestId, a code; the socket stays open, and the next frame is served."""
    parley.frames.handle("c", "ada", raw)
    (answer,) = parley.sockets.frames["c"]
    assert answer["type"] == "error"
    assert isinstance(answer["code"], str)
    parley.frames.handle("c", "ada", '{"type":"ping"}')
    assert parley.sockets.frames["c"][-1] == {"type": "pong", "requestId": "~sys"}
    assert parley.sockets.closed == []


def test_mangled_frames_never_raise(parley: Parley) -> None:
    """Ten thousand cuts, swaps and insertions of good frames."""
    session = parley.new_session()
    good = [
        json.dumps({"type": kind, "requestId": "r", "id": session.id, "messages": [], "cancel": True, "body": {}})
        for kind in ("send", "resume", "abort", "ping")
    ]
    draw = random.Random(7)  # noqa: S311 - reproducible, no secret
    alphabet = '{}[]":,0\\u\x00é🙂\ud800nulltrue'
    for _ in range(1_500):
        raw = list(draw.choice(good))
        for _ in range(draw.randint(1, 4)):
            raw[draw.randrange(len(raw))] = draw.choice(alphabet)
        parley.frames.handle("c", "ada", "".join(raw))


def test_a_send_starts_a_turn_that_the_sender_watches(parley: Parley) -> None:
    """`start` before the first chunk, the parts from 0, one `end`."""
    session = parley.new_session()
    parley.scripted(says("Hello"))
    parley.frames.handle("c", "ada", _send(session.id, "r1"))
    parley.drain_queue()
    types = [frame["type"] for frame in parley.sockets.frames["c"]]
    assert types[0] == "start"
    assert set(types[1:-1]) == {"chunk"}
    assert types[-1] == "end"


def test_a_repeated_send_is_shown_the_same_turn(parley: Parley) -> None:
    """Also on another connection, also when it is over."""
    session = parley.new_session()
    parley.scripted(says("Hello"))
    for connection in ("c", "d"):
        parley.frames.handle(connection, "ada", _send(session.id, "r"))
    parley.drain_queue()
    parley.frames.handle("e", "ada", _send(session.id, "r"))
    assert [parley.sockets.of(c, "r").text for c in "cde"] == ["Hello"] * 3
    assert [parley.sockets.of(c, "r").ends for c in "cde"] == [1] * 3
    assert len(parley.model.requests) == 1


def test_a_message_for_a_running_turn_is_answered_as_pending(parley: Parley) -> None:
    """start, a data-pending part, end."""
    session = parley.new_session()
    parley.send(session)
    parley.frames.handle("c", "ada", _send(session.id, "r", "m2"))
    received = parley.sockets.of("c", "r")
    assert [frame["type"] for frame in received.frames] == ["start", "chunk", "end"]
    assert received.parts[0]["type"] == "data-pending"


def test_rewriting_a_session_is_refused(parley: Parley) -> None:
    """`regenerate-message` is no new message, and answers as over HTTP."""
    session = parley.new_session()
    raw = _send(session.id, "r").replace("submit-message", "regenerate-message")
    parley.frames.handle("c", "ada", raw)
    (answer,) = parley.sockets.frames["c"]
    assert answer["code"] == "unsupported_trigger"


@pytest.mark.parametrize("kind", ["send", "resume", "abort"])
def test_a_foreign_session_looks_like_a_missing_one(parley: Parley, kind: str) -> None:
    """The same frame for both."""
    theirs = parley.new_session("grace")
    answers = []
    for session_id in (theirs.id, "missing"):
        parley.frames.handle(session_id, "ada", _send(session_id, "r").replace('"send"', f'"{kind}"'))
        answers.append(parley.sockets.frames[session_id])
    assert answers[0] == answers[1]


def test_a_connection_that_is_not_known_is_refused(parley: Parley) -> None:
    """Without an identity nothing is done."""
    session = parley.new_session()
    parley.frames.handle("c", None, _send(session.id, "r"))
    assert parley.sockets.frames["c"][0]["code"] == "connection_unknown"


def _send(session_id: str, request: str, message_id: str = "m1") -> str:
    message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    frame = {"type": "send", "requestId": request, "id": session_id, "trigger": "submit-message"}
    return json.dumps({**frame, "messages": [message]})
