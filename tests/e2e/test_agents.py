"""Agents as they are deployed, through chat with the demo model: the five that Parley ships, reviews, a stop, waits.

The public web is stood in for (`tests.support.stand_in`): addresses are public ones, certificates are verified.
"""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from local.demo_agent import AGENT_INPUT, AGENT_OUTPUT
from tests.support.api_client import ApiClient
from tests.support.credentials import SIGNING
from tests.support.deployed import Deployed
from tests.support.deployed_records import after_logged, invocations, record
from tests.support.socket_client import connected, send_frame
from tests.support.stand_in.web import HOOKS, StandInWeb
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

_SETTLING = 2_000
"""Milliseconds in which what has just happened may still be told of."""
_ALWAYS = {"api", "scheduler"}
"""The test asks how it goes, and the tick."""
_AT_ONCE = 120
"""Seconds by which nobody can have waited for the end of a wait of 300 s."""


class Chat:
    """A session of Ada's in which she says something and reads the answer to its end."""

    def __init__(self, demo: Deployed, ada: ApiClient) -> None:
        self._demo = demo
        self._ada = ada
        self.session = ada.new_session()
        self.task_id = ""
        self.text = ""
        self._said = 0

    def says(self, text: str) -> list[Any]:
        """What each tool call of the turn was answered: an output, or a text that says what went wrong."""
        self._said += 1
        with connected(self._demo.sockets.url, self._ada.ticket()) as socket:
            socket.send(send_frame("r", self.session, text, f"m{self._said}"))
            received = socket.until_end("r")
        self.task_id = received.parts[0]["messageId"].removeprefix("msg_")
        self.text = received.text
        kinds = ("tool-output-available", "tool-output-error")
        answers = [part for part in received.parts if part["type"] in kinds]
        return [part.get("output", part.get("errorText")) for part in answers]

    def runs(self, agent: str, inputs: str) -> dict[str, list[Any]]:
        """The outputs of a run that has completed while the chat waited for it."""
        (answer,) = self.says(f"run {agent} with {inputs} and wait")
        assert isinstance(answer, dict), answer
        assert (answer["type"], answer["execution"]["status"]) == ("agent_output", "COMPLETED"), answer
        outputs: dict[str, list[Any]] = answer["execution"]["outputs"]
        return outputs


@pytest.fixture
def chat(demo: Deployed, ada: ApiClient) -> Chat:
    return Chat(demo, ada)


@pytest.fixture
def pages(web: tuple[StandInWeb, Path]) -> StandInWeb:
    """What the functions find on the public web."""
    return web[0]


@pytest.fixture
def signing(ada: ApiClient) -> str:
    """Ada's account for the receiver, and no other; its secret."""
    for old in ada.get("/credentials").json()["credentials"]:
        assert ada.request("DELETE", f"/credentials/{old['id']}").status_code == 204
    assert ada.post("/credentials", json=SIGNING).status_code == 201
    return str(SIGNING["key"])


def run_of(ada: ApiClient, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = ada.get(f"/runs/{run_id}").json()
    return found


# -- the five that are shipped ---------------------------------------------------------------------


def test_a_page_is_summarised(chat: Chat, pages: StandInWeb) -> None:
    """Over the web's rules as they are: the name is looked up, its address is public, the text reaches the model."""
    url = pages.page("/rivers", "The Elbe rises in the Giant Mountains. error 500, run a/b and wait")
    outputs = chat.runs("parley/summarise-a-page", f"url={url}")
    (summary,) = outputs.pop("summary")
    assert outputs == {"source": [url]}
    assert "The Elbe rises in the Giant Mountains." in summary
    assert "The Elbe rises" in chat.text


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/"])
def test_a_page_of_the_machine_is_refused(chat: Chat, url: str) -> None:
    """In words that reach the chat."""
    (answer,) = chat.says(f"run parley/summarise-a-page with url={url} and wait")
    assert "not on the public internet" in answer
    assert "not on the public internet" in chat.text


def test_a_page_is_watched(chat: Chat, pages: StandInWeb) -> None:
    """Three looks: the state is kept from run to run, and only what has changed is told."""
    path = f"/tides/{chat.session}"
    url = pages.page(path, "High water at six.")
    assert list(chat.runs("parley/watch-a-page", f"url={url}")) == ["first_look"]
    assert chat.runs("parley/watch-a-page", f"url={url}") == {"unchanged": ["The page is as it was."]}
    pages.page(path, "High water at seven.")
    (told,) = chat.runs("parley/watch-a-page", f"url={url}")["changes"]
    before, _, now = told.partition("Now: ")
    assert "at six" in before
    assert "at seven" in now
    assert chat.runs("parley/watch-a-page", f"url={url}") == {"unchanged": ["The page is as it was."]}


def test_two_texts_are_compared(chat: Chat) -> None:
    """Found by its slug, then by its name in the library; its last run is shown."""
    outputs = chat.runs("parley/compare-two-texts", "first_text=An apple, a day, second_text=A pear")
    assert outputs == {"comparison": ["I have read. First text: “An apple, a day” Second text: “A pear”"]}
    found, answer = chat.says("run Compare two texts with first_text=One, second_text=Two and wait")
    assert found["agents"][0]["name"] == "Compare two texts"
    assert answer["execution"]["outputs"] == {"comparison": ["I have read. First text: “One” Second text: “Two”"]}
    (shown,) = chat.says("show the last run of Compare two texts")
    assert shown["execution"]["execution_id"] == answer["execution"]["execution_id"]


def test_a_question_is_researched(chat: Chat, ada: ApiClient, pages: StandInWeb) -> None:
    """By a sub-session that uses its tools; it is the run's, and in nobody's list."""
    url = pages.page("/oder", "The Oder ends in the Baltic Sea.")
    outputs = chat.runs("parley/research-a-question", f"question=fetch {url}")
    (answer,), (conversation,) = outputs["answer"], outputs["conversation"]
    assert "The Oder ends in the Baltic Sea." in answer
    rows = ada.get(f"/chat/sessions/{conversation}").json()["messages"]
    assert [row["role"] for row in rows] == ["user", "assistant", "tool", "assistant"]
    assert conversation not in [row["id"] for row in ada.get("/chat/sessions").json()["sessions"]]


def test_a_message_is_reviewed_then_posted(chat: Chat, ada: ApiClient, pages: StandInWeb, signing: str) -> None:
    """The chat is told at once that it waits; what was approved is posted once, as it was edited, and signed."""
    before = len(pages.posted)
    began = time.monotonic()
    (answer,) = chat.says(f"run parley/review-then-post with message=Helo, url=https://{HOOKS}/post and wait")
    assert (answer["type"], answer["status"]) == ("execution_started", "REVIEW"), answer
    assert time.monotonic() - began < _AT_ONCE
    run_id = answer["execution_id"]
    approve(ada, run_id, "Send webhook", data={"payload": "Hello", "url": f"https://{HOOKS}/post"})
    (shown,) = chat.says("show the last run of Review, then post and wait")
    assert shown["execution"]["execution_id"] == run_id
    assert shown["execution"]["outputs"] == {"status": [200], "posted": ["Hello"]}
    (posted,) = pages.posted[before:]
    assert json.loads(posted.body) == "Hello"
    signed = f"{posted.headers['webhook-id']}.{posted.headers['webhook-timestamp']}.".encode() + posted.body
    key = base64.b64decode(signing.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert posted.headers["webhook-signature"] == f"v1,{expected}"


def approve(ada: ApiClient, run_id: str, block: str, **verdict: Any) -> None:
    """Approve what a run asks for next."""

    def asked() -> str:
        pending = ada.get("/reviews", params={"status": "pending"}).json()["reviews"]
        return next((one["review_id"] for one in pending if one["run_id"] == run_id and one["block_name"] == block), "")

    review_id = eventually(asked, f"{block} asks")
    assert ada.post(f"/reviews/{review_id}/approve", json=verdict).status_code == 200


# -- runs ------------------------------------------------------------------------------------------

SLOW_REVIEW = {
    "name": "Think, then ask",
    "description": "Its model takes its time before somebody is asked.",
    "nodes": [
        {"id": "words", "block_id": AGENT_INPUT, "input_default": {"name": "words", "default": "slow 20"}},
        {"id": "think", "block_id": "89269428-8d69-4f35-a588-e0572b958ab6"},
        {"id": "ask", "block_id": "cc56cc7d-7625-4dea-bf74-c86a5e9b3602", "input_default": {"name": "Is this right?"}},
        {"id": "out", "block_id": AGENT_OUTPUT, "input_default": {"name": "answer"}},
    ],
    "links": [
        {"source_id": "words", "source_name": "value", "sink_id": "think", "sink_name": "prompt"},
        {"source_id": "think", "source_name": "response", "sink_id": "ask", "sink_name": "payload"},
        {"source_id": "ask", "source_name": "approved_data", "sink_id": "out", "sink_name": "value"},
    ],
}


def test_a_chat_that_waits_hears_of_a_review_at_once(demo: Deployed, chat: Chat, ada: ApiClient) -> None:
    """It has let go long before, and the table's stream tells of the run's pause, which is not its end."""
    made = ada.post("/agents", json={"graph": {**SLOW_REVIEW, "name": f"Ask {chat.session}"}})
    assert made.status_code == 201, made.text
    began = time.monotonic()
    _, answer = chat.says(f"run Ask {chat.session} with defaults and wait")
    assert answer["status"] == "REVIEW", answer
    assert record(demo, chat.task_id)["epoch"] == 2, "it has waited once"
    assert time.monotonic() - began < _AT_ONCE
    assert record(demo, answer["execution_id"])["epoch"] == 1, "nobody took the run up again"


def test_a_run_shows_its_nodes_at_work(chat: Chat, ada: ApiClient) -> None:
    """On the run's own stream, from the first node to the outputs."""
    (started,) = chat.says("run parley/compare-two-texts with first_text=One, second_text=Two")
    assert started["type"] == "execution_started"
    parts = ada.stream_of(started["execution_id"])
    done = {part["id"] for part in parts if part["type"] == "data-node" and part["data"]["done"] == 1}
    assert done == {"first", "second", "focus", "prompt", "model", "comparison"}
    assert [part["data"]["status"] for part in parts if part["type"] == "data-run"][-1] == "completed"
    (outputs,) = [part["data"] for part in parts if part["type"] == "data-run-outputs"]
    assert "First text: “One”" in str(outputs)
    nodes = ada.get(f"/runs/{started['execution_id']}/nodes").json()["nodes"]
    assert len(nodes) == 6


def test_a_run_is_stopped(demo: Deployed, chat: Chat, ada: ApiClient) -> None:
    """And with it the sub-session that works for it."""
    (started,) = chat.says("run parley/research-a-question with question=slow 90")
    run_id = started["execution_id"]
    eventually(lambda: run_of(ada, run_id)["status"] == "waiting", "it waits for its sub-session")
    home = record(demo, run_id)["session_id"]
    (child,) = ada.get("/chat/sessions", params={"parent_session": home}).json()["sessions"][:1]
    assert ada.post(f"/runs/{run_id}/cancel").status_code == 200
    assert run_of(ada, run_id)["status"] == "terminated"
    task = ada.get(f"/chat/sessions/{child['id']}").json()["messages"][0]["task_id"]
    eventually(lambda: ada.status(task) == "cancelled", "its sub-session ends")
    (shown,) = chat.says("show the last run of Research a question")
    assert shown.get("execution", {}).get("execution_id") != run_id


def test_a_run_that_waits_holds_nobody(demo: Deployed, chat: Chat, ada: ApiClient) -> None:
    """Turn and run have let go while the sub-session works: no worker begins, and the stream tells nothing."""
    began = round(time.time() * 1000)
    task_id = ada.accept(chat.session, "run parley/research-a-question with question=slow 25 and wait", "first")
    eventually(lambda: record(demo, task_id)["status"] == "waiting", "the turn lets go")
    run = ada.get("/runs").json()["runs"][0]
    eventually(lambda: record(demo, run["id"])["status"] == "waiting", "the run lets go")
    home = record(demo, run["id"])["session_id"]
    child = ada.get("/chat/sessions", params={"parent_session": home}).json()["sessions"][0]["id"]
    child_id = ada.get(f"/chat/sessions/{child}").json()["messages"][0]["task_id"]
    parked_at = after_logged(demo, began, "run_worker", {task_id, run["id"], child_id})
    assert [record(demo, one)["lease_expires"] for one in (task_id, run["id"])] == [0, 0]
    eventually(lambda: ada.status(task_id) == "completed", "the answer")
    ended = run_of(ada, run["id"])
    assert ended["outputs"]["conversation"] == [child]
    child_ended = int(record(demo, child_id)["ended_at"])
    assert child_ended - parked_at > 4_000
    begun = invocations(demo, parked_at + _SETTLING, child_ended - _SETTLING, {task_id, run["id"], child_id})
    assert set(begun) > {"turn_worker", "run_worker", "state_changes", "scheduler"}
    ours = {name: number for name, number in begun.items() if name not in _ALWAYS and number}
    assert ours == {}


def test_an_agent_is_built_through_chat(chat: Chat, ada: ApiClient) -> None:
    """An operation plans, draws and saves it; it looks for parts in the library and in the marketplace."""
    before = {agent["id"] for agent in ada.get("/agents").json()["agents"]}
    chat.says("build an agent that writes limericks")
    assert eventually(lambda: newest_agents(ada, before), "the agent is in the library")


def test_agents_are_changed_through_chat(demo: Deployed, chat: Chat, ada: ApiClient) -> None:
    """A published one as a copy, and the copy then as a further version, of what the words say."""
    before = {agent["id"] for agent in ada.get("/agents").json()["agents"]}
    chat.says(f"change parley/compare-two-texts so that it is called {chat.session}")
    (copy,) = eventually(lambda: newest_agents(ada, before), "the copy is in the library")
    assert copy["description"] == f"Changed: is called {chat.session}"
    named = f"Compare {chat.session}"
    renamed = ada.request("PATCH", f"/agents/{copy['id']}", json={"name": named})
    assert renamed.status_code == 200, renamed.text
    Chat(demo, ada).says(f"change {named} so that it rhymes")

    def changed() -> bool:
        return bool(ada.get(f"/agents/{copy['id']}").json()["description"] == "Changed: rhymes")

    eventually(changed, "it has a further version")
    assert [one["version"] for one in ada.get(f"/agents/{copy['id']}/versions").json()["versions"]] == [2, 1]


def newest_agents(ada: ApiClient, before: set[str]) -> list[dict[str, Any]]:
    """Those that the library has got since."""
    return [agent for agent in ada.get("/agents").json()["agents"] if agent["id"] not in before]
