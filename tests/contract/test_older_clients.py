"""What the parsers of older official clients make of our streams: ai 5.0.216, 6.0.230, 7.0.31, and the newest."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.api_client import ApiClient, api_client, events_of
from tests.support.node import parsed_by_versions
from tests.support.server import LiveParley
from tests.support.socket_client import connected, send_frame
from tests.support.waiting import eventually

pytestmark = pytest.mark.clients

OLDER = ("ai-5", "ai-6", "ai-7-early")
NEWEST = "ai"
VERSIONS = (*OLDER, NEWEST)
VERDICT = "that is the whole verdict."

Results = dict[str, dict[str, dict[str, Any]]]


def sent(api: ApiClient, text: str, query: str = "") -> str:
    """The event stream that answers a message."""
    answer = api.post(f"/chat/sessions/{api.new_session()}/stream{query}", json={"message": text, "message_id": "m1"})
    assert answer.status_code == 200, answer.text
    return answer.text


def cancelled(api: ApiClient) -> str:
    """The stream of a turn that was stopped in mid-sentence."""
    session = api.new_session()
    task = api.accept(session, "go on forever")
    while not any(part["type"] == "text-delta" for part in polled(api, task)):
        continue
    api.post(f"/chat/sessions/{session}/cancel")
    return api.get(f"/chat/tasks/{task}/stream?startIndex=0").text


def polled(api: ApiClient, task: str) -> list[dict[str, Any]]:
    return events_of(api.get(f"/chat/tasks/{task}/stream?startIndex=0")).parts


def pending_and_drained(live: LiveParley, api: ApiClient) -> tuple[str, str]:
    """What a message gets that is sent while a turn runs, and the turn's own stream, which takes it in."""
    session = api.new_session()
    live.workers.pause()
    try:
        task = api.accept(session, "compare both")
        body = {"message": "and hurry", "message_id": "m2"}
        pending = api.post(f"/chat/sessions/{session}/stream", json=body).text
    finally:
        live.workers.resume()
    eventually(lambda: api.status(task) == "completed", "the turn is over")
    return pending, api.get(f"/chat/tasks/{task}/stream?startIndex=0").text


def withdrawn(api: ApiClient, compat: str = "") -> dict[str, str]:
    """A turn whose first attempt was withdrawn: as it was sent, as a replay, and in two halves of its tail."""
    session = api.new_session()
    query = f"?compat={compat}" if compat else ""
    body = {"message": f"break off, please, {compat or 'now'}", "message_id": "m1"}
    answer = api.post(f"/chat/sessions/{session}/stream{query}", json=body)
    task = answer.headers["x-workflow-run-id"]
    types = [part["type"] for part in polled(api, task)]
    middle = types.index("reset-step")
    url = f"/chat/tasks/{task}/stream?startIndex"
    # What a client saw that polled before the withdrawal, and what it gets next.
    first = api.get(f"{url}=0").text.split("\n\n")[: middle + 1]
    second = api.get(f"{url}={middle}{query.replace('?', '&')}").text
    return {
        "sent": answer.text,
        "replayed": api.get(f"/chat/sessions/{session}/stream").text,
        "polled": "\n\n".join(first) + "\n\n" + second,
    }


def over_the_socket(live: LiveParley, api: ApiClient) -> str:
    """The chunks of a turn's frames, as events."""
    with connected(live.sockets.url, api.ticket()) as client:
        client.send(send_frame("r1", api.new_session(), "compare both", "m1"))
        chunks = [frame["chunk"] for frame in client.until_end("r1").frames if frame["type"] == "chunk"]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)


def compacted(api: ApiClient) -> str:
    """The stream of a turn whose prompt the model server refuses at first."""
    session = api.new_session()
    for number in range(3):
        body = {"message": "outgrow " * 600, "message_id": f"m{number}"}
        answer = api.post(f"/chat/sessions/{session}/stream", json=body)
    rows = api.get(f"/chat/sessions/{session}").json()["messages"]
    assert [row["tool_name"] for row in rows if row["role"] == "tool"] == ["context_compaction"]
    return answer.text


@pytest.fixture(scope="module")
def results(live: LiveParley) -> Results:
    """Streams of every kind, recorded from the running deployment, as each version reads them."""
    with api_client(live) as api, ThreadPoolExecutor(4) as pool:
        pending, drained = pending_and_drained(live, api)
        plain = {
            "text": "hello",
            "reasoning": "think",
            "parallel tools": "compare",
            "broken arguments": "bad arguments",
            "unknown tool": "unknown tool",
            "failed": "refuse me",
        }
        later = {name: pool.submit(sent, api, text) for name, text in plain.items()}
        later["compacted"] = pool.submit(compacted, api)
        later["cancelled"] = pool.submit(cancelled, api)
        later["socket"] = pool.submit(over_the_socket, live, api)
        resets = {compat: pool.submit(withdrawn, api, compat) for compat in ("", "5", "6")}
        streams = {name: future.result() for name, future in later.items()}
        streams |= {"pending": pending, "pending-drained": drained}
        for compat, future in resets.items():
            streams |= {f"{name} {compat}".strip(): text for name, text in future.result().items()}
    return parsed_by_versions(streams)


def text_of(result: dict[str, Any]) -> str:
    return "".join(part["text"] for part in result["parts"] if part["type"] == "text")


def whole(result: dict[str, Any]) -> dict[str, Any]:
    """The result, which must have come to its end without an error and with nothing left open."""
    assert result["error"] is None, result
    assert result["finished"], result
    assert all(part.get("state") not in {"streaming", "input-streaming"} for part in result["parts"]), result
    return result


@pytest.mark.parametrize("version", VERSIONS)
def test_text_and_reasoning(results: Results, version: str) -> None:
    """Plain answers, with and without thoughts."""
    assert text_of(whole(results[version]["text"])) == "Hello there, this is Parley speaking."
    reasoned = whole(results[version]["reasoning"])
    assert [part["type"] for part in reasoned["parts"]] == ["step-start", "reasoning", "text"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stream", ["parallel tools", "socket"])
def test_tools_side_by_side(results: Results, version: str, stream: str) -> None:
    """Two calls of one step have their inputs and outputs, over HTTP and over the socket."""
    result = whole(results[version][stream])
    calls = [part for part in result["parts"] if part["type"] == "tool-echo"]
    assert [call["state"] for call in calls] == ["output-available"] * 2
    assert all(call["output"]["type"] == "echo" for call in calls)
    assert text_of(result).endswith(VERDICT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stream", ["broken arguments", "unknown tool"])
def test_tools_that_fail(results: Results, version: str, stream: str) -> None:
    """A call that fails is an error of that call, and the turn goes on."""
    (call,) = [part for part in whole(results[version][stream])["parts"] if part["type"].startswith("tool-")]
    assert call["state"] == "output-error"
    assert call["errorText"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_conversation_that_outgrows_the_window(results: Results, version: str) -> None:
    """Clients see a call with its result where earlier messages were summarized, and then the answer."""
    result = whole(results[version]["compacted"])
    (call,) = [part for part in result["parts"] if part["type"].startswith("tool-")]
    assert (call["type"], call["state"]) == ("tool-context_compaction", "output-available")
    assert call["output"]["type"] == "context_compacted"
    assert text_of(result) == "Hello there, this is Parley speaking."


@pytest.mark.parametrize("version", VERSIONS)
def test_a_turn_that_fails(results: Results, version: str) -> None:
    """The reader ends with our words, and has been told the code."""
    result = results[version]["failed"]
    assert "The model's server refused the request (400)." in result["error"]
    assert [part["data"] for part in result["data"]] == [{"status": "failed", "code": "model_refused"}]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_turn_that_is_stopped(results: Results, version: str) -> None:
    """No error; the partial text stays, and a data part says why it ends."""
    result = whole(results[version]["cancelled"])
    assert text_of(result).startswith("And on")
    assert result["data"][-1]["data"] == {"status": "cancelled", "reason": "cancelled"}


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_that_wait(results: Results, version: str) -> None:
    """The sender hears that the message waits; the turn says when it takes it in."""
    pending = whole(results[version]["pending"])
    assert [part["type"] for part in pending["data"]] == ["data-pending"]
    (drained,) = whole(results[version]["pending-drained"])["data"]
    assert drained["data"]["messages"] == [{"id": "m2", "text": "and hurry"}]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_replay_has_nothing_withdrawn(results: Results, version: str) -> None:
    """GET sessions/{id}/stream tells the turn as if the step had been right at once, to everybody."""
    for name in ("replayed", "replayed 5", "replayed 6"):
        assert text_of(whole(results[version][name])).startswith("A sentence that is not spoken to its end at first")
        assert results[version][name]["data"] == []


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize("name", ["sent", "polled"])
def test_an_older_client_fails_at_a_part_that_it_does_not_know(results: Results, version: str, name: str) -> None:
    """That is why `compat` is there."""
    assert results[version][name]["error"], results[version][name]


@pytest.mark.parametrize("name", ["sent", "polled"])
def test_the_newest_client_withdraws(results: Results, name: str) -> None:
    """`reset-step` takes the half-written step away."""
    result = whole(results[NEWEST][name])
    assert text_of(result) == "A sentence that is not spoken to its end at first, and then it is."


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("compat", ["5", "6"])
def test_a_client_that_says_how_old_it_is_sees_a_whole_turn(results: Results, version: str, compat: str) -> None:
    """With `?compat=` the withdrawn step is left out of the answer to a send."""
    result = whole(results[version][f"sent {compat}"])
    assert text_of(result) == "A sentence that is not spoken to its end at first, and then it is."
    assert all(part.get("transient") for part in result["data"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("compat", ["5", "6"])
def test_an_older_client_is_told_of_what_it_can_not_take_back(results: Results, version: str, compat: str) -> None:
    """In a tail that was cut in the withdrawn step, a data part says that what was shown no longer holds."""
    result = results[version][f"polled {compat}"]
    assert result["error"] is None
    assert result["finished"]
    assert "data-reset-step" in [part["type"] for part in result["data"]]
    assert text_of(result).endswith("A sentence that is not spoken to its end at first, and then it is.")
