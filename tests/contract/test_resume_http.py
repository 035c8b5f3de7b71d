"""Resuming over HTTP: by session, by index, by event id; and what is said when there is nothing to resume."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api_client import ApiClient, Events, api_client, events_of
from tests.support.server import LiveParley

pytestmark = pytest.mark.clients

DAY_SECONDS = 86_400


def test_a_session_without_a_turn_has_nothing_to_resume(api: ApiClient) -> None:
    """204, without a body."""
    answer = api.get(f"/chat/sessions/{api.new_session()}/stream")

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_turn_that_ended_long_ago_is_not_resumed(live: LiveParley, api: ApiClient) -> None:
    """Just after its end a turn is replayed, for clients that missed it; some minutes later the answer is 204."""
    session = api.new_session()
    api.answered(session, "hello")
    assert events_of(api.get(f"/chat/sessions/{session}/stream")).done

    with live.clock.set_forward(6 * 60):
        assert api.get(f"/chat/sessions/{session}/stream").status_code == 204


def test_a_replay_is_joined_and_an_index_is_not(live: LiveParley, api: ApiClient) -> None:
    """The session's stream joins deltas; the task's stream counts parts as they were stored."""
    session = api.new_session()
    task = api.answered(session, "take a while")
    stored = live.services.log.parts(task)

    whole = events_of(api.get(f"/chat/sessions/{session}/stream"))
    polled = events_of(api.get(f"/chat/tasks/{task}/stream?startIndex=0"))

    assert polled.parts == stored
    assert polled.ids == list(range(len(stored)))
    assert [part["type"] for part in whole.parts].count("text-delta") == 1
    assert whole.parts[-1] == stored[-1]


@pytest.mark.parametrize("ask", ["?startIndex={next}", "?last_message_id={last}"])
def test_every_cursor_gives_what_follows_it(live: LiveParley, api: ApiClient, ask: str) -> None:
    """From each index on, and behind each event id, exactly the rest comes, numbered as before."""
    task = api.answered(api.new_session(), "hello")
    stored = live.services.log.parts(task)

    for start in range(1, len(stored)):
        events = events_of(api.get(f"/chat/tasks/{task}/stream{ask.format(next=start, last=start - 1)}"))
        assert (events.parts, events.ids, events.done) == (stored[start:], list(range(start, len(stored))), True)


def test_an_event_source_continues_behind_its_last_event(live: LiveParley, api: ApiClient) -> None:
    """`Last-Event-ID` is the seq of the last part that was received; `0-0` means all."""
    task = api.answered(api.new_session(), "hello")
    stored = live.services.log.parts(task)

    some = events_of(api.get(f"/chat/tasks/{task}/stream", headers={"last-event-id": "2"}))
    everything = events_of(api.get(f"/chat/tasks/{task}/stream?last_message_id=0-0"))

    assert (some.parts, some.ids[0]) == (stored[3:], 3)
    assert everything.parts == stored


def test_the_end_of_the_stream_is_said_once_it_is_over(live: LiveParley, api: ApiClient) -> None:
    """`[DONE]` follows only `finish`; a reader that has had `finish` gets an empty, done segment."""
    session = api.new_session()
    task = api.accept(session, "compare slowly")
    seen: list[dict[str, object]] = []
    segments: list[Events] = []
    while not segments or not segments[-1].done:
        segments.append(events_of(api.get(f"/chat/tasks/{task}/stream?startIndex={len(seen)}")))
        seen += segments[-1].parts

    assert len(segments) > 2
    assert seen == live.services.log.parts(task)
    assert [segment.parts[-1]["type"] == "finish" for segment in segments] == [s.done for s in segments]
    after = events_of(api.get(f"/chat/tasks/{task}/stream?startIndex={len(seen)}"))
    assert (after.parts, after.done) == ([], True)


def test_a_cursor_beyond_the_head_is_refused(live: LiveParley, api: ApiClient) -> None:
    """400 `cursor_beyond_head`, and nothing is guessed."""
    task = api.answered(api.new_session(), "hello")
    head = len(live.services.log.parts(task))

    answers = [
        api.get(f"/chat/tasks/{task}/stream?startIndex={head + 1}"),
        api.get(f"/chat/tasks/{task}/stream?last_message_id={head}"),
        api.get(f"/chat/tasks/{task}/stream", headers={"last-event-id": "999"}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "cursor_beyond_head")] * 3


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "٣", "1" * 40, "0-1"])
def test_a_cursor_that_is_none_is_refused(api: ApiClient, cursor: str) -> None:
    """422 `invalid_cursor`."""
    task = api.answered(api.new_session(), "hello")

    answer = api.get(f"/chat/tasks/{task}/stream", params={"last_message_id": cursor})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("index", ["x", "1.5", "1e3", "9" * 5000])
def test_an_index_that_is_none_is_refused(api: ApiClient, index: str) -> None:
    """422, however long it is."""
    task = api.answered(api.new_session(), "hello")

    assert api.get(f"/chat/tasks/{task}/stream", params={"startIndex": index}).status_code == 422


@pytest.mark.parametrize("index", ["-1", "-3", "-1000000", "9" * 30])
def test_an_index_may_count_from_the_end(live: LiveParley, api: ApiClient, index: str) -> None:
    """A negative index counts back from the head, as far as there is something; a huge one is beyond the head."""
    task = api.answered(api.new_session(), "hello")
    stored = live.services.log.parts(task)

    answer = api.get(f"/chat/tasks/{task}/stream", params={"startIndex": index})

    if int(index) > 0:
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_beyond_head")
        return
    assert events_of(answer).parts == stored[int(index) :]
    assert answer.headers["x-workflow-stream-tail-index"] == str(len(stored) - 1)


def test_a_stream_expires_and_its_messages_stay(live: LiveParley, api: ApiClient) -> None:
    """After the retention 410 TASK_EXPIRED; the session's messages remain readable."""
    session = api.new_session()
    task = api.answered(session, "hello")

    with live.clock.set_forward(8 * DAY_SECONDS):
        gone = api.get(f"/chat/tasks/{task}/stream?startIndex=0")
        messages = api.get(f"/chat/sessions/{session}").json()["messages"]

    assert (gone.status_code, gone.json()["code"]) == (410, "TASK_EXPIRED")
    assert [message["content"] for message in messages] == ["hello", "Hello there, this is Parley speaking."]


def test_a_poll_waits_for_news(live: LiveParley, api: ApiClient) -> None:
    """At the head of a running turn the answer is held until there is something to say."""
    task = api.accept(api.new_session(), "compare slowly")
    first = events_of(api.get(f"/chat/tasks/{task}/stream?startIndex=0"))

    news = events_of(api.get(f"/chat/tasks/{task}/stream?startIndex={len(first.parts)}"))

    assert news.ids[0] == len(first.parts)


def test_strangers_see_nothing(live: LiveParley, api: ApiClient) -> None:
    """A second user's 404 for a session, a task and their streams is byte for byte that of one that never was."""
    session = api.new_session()
    task = api.answered(session, "hello")
    missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with api_client(live, "grace") as grace:
        for path in ("/chat/sessions/{}", "/chat/sessions/{}/stream", "/chat/sessions/{}/messages/pending"):
            foreign, none = grace.get(path.format(session)), grace.get(path.format(missing))
            assert (foreign.status_code, foreign.content) == (404, none.content)
        for path in ("/chat/tasks/{}", "/chat/tasks/{}/stream"):
            foreign, none = grace.get(path.format(task)), grace.get(path.format(missing))
            assert (foreign.status_code, foreign.content) == (404, none.content)
            assert foreign.json()["code"] == "TASK_NOT_FOUND"
        for path in ("/chat/sessions/{}/stream", "/chat/sessions/{}/messages/pending", "/chat/sessions/{}/cancel"):
            body = {"message": "mine", "message_id": "m9"}
            foreign, none = (grace.post(path.format(which), json=body) for which in (session, missing))
            assert (foreign.status_code, foreign.content) == (404, none.content)


def test_the_same_message_id_of_two_users_does_not_collide(live: LiveParley, api: ApiClient) -> None:
    """Message ids are the session's own."""
    with api_client(live, "grace") as grace, ThreadPoolExecutor(2) as both:
        turns = [both.submit(one.answered, one.new_session(), "hello", "the-same") for one in (api, grace)]
        ada, other = (turn.result() for turn in turns)

    assert ada != other
