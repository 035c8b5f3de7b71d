"""A generator outside: at once or by a callback; and whatever it does, a clear answer and an operation that ends."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from local.demo_agent import demo_agent
from shared.agents.building.exchange import MAX_ANSWER_BYTES, Exchange, Unreachable
from shared.kernel.errors import ConfigError, ToolError
from shared.kernel.settings import ToolSettings
from shared.tools.contract import Cancellation
from tests.support.building import AGENT, Builder, Generator, builder, generator
from tests.support.region import Parley
from tests.support.time import FakeClock


@pytest.fixture
def outside() -> Iterator[Generator]:
    with generator() as made:
        yield made


@pytest.fixture
def ada(parley: Parley, outside: Generator) -> Builder:
    return builder(parley, AGENT_GENERATOR_URL=outside.server.url)


def saved(ada: Builder) -> list[str]:
    return [agent.name for agent in ada.library.page("ada", 10).agents]


def test_a_result_that_comes_at_once_is_saved(ada: Builder, outside: Generator) -> None:
    """Decomposed first; the second request has the plan, the parts, the operation and its task."""
    task = None
    ada.begin("create_agent", description="Greet people", context="Politely.")
    task = ada.operation
    ada.parley.drain_all()
    assert (ada.result()["type"], saved(ada)) == ("agent_saved", ["Greet people"])
    plan, generate = outside.asked
    assert plan.action == "decompose-description"
    assert (plan.body["description"], plan.body["context"], plan.body["library_agents"]) == (
        "Greet people",
        "Politely.",
        [],
    )
    assert generate.action == "generate-agent"
    assert generate.body["instructions"]["steps"] == ["Greet people"]
    assert (generate.body["operation_id"], generate.body["task_id"]) == (task.operation_id, task.id)
    assert generate.headers["idempotency-key"] == f"{task.operation_id}-generate-agent"
    assert "x-api-key" not in generate.headers


def test_an_edit_asks_for_an_update(ada: Builder, outside: Generator) -> None:
    """With the agent as it is and the request; the next version is saved."""
    made = ada.ask("create_agent", agent_json=AGENT)
    answer = ada.ask("edit_agent", agent_id=made["library_agent_id"], changes="Be kind")
    assert (answer["type"], answer["version"]) == ("agent_saved", 2)
    asked = outside.asked[-1]
    assert (asked.action, asked.body["update_request"]) == ("update-agent", "Be kind")
    assert asked.body["current_agent"]["name"] == AGENT["name"]
    assert ada.library.get("ada", made["library_agent_id"]).description == "Changed: Be kind"


def test_a_result_that_comes_by_callback_is_saved(ada: Builder, outside: Generator) -> None:
    """Nothing of ours runs until then; the result takes the call's place."""
    ada.ask("create_agent", description="Greet people later")
    assert (ada.operation.status, saved(ada)) == ("waiting", [])
    url, brought = outside.callback()
    assert url.startswith("https://parley.example/api/chat/operations/op_")
    ada.told(url, brought)
    ada.parley.drain_all()
    assert (ada.result()["type"], saved(ada)) == ("agent_saved", ["Greet people later"])


def test_a_result_that_comes_twice_is_saved_once(ada: Builder, outside: Generator) -> None:
    """The second one changes nothing, also when it is another agent."""
    ada.ask("create_agent", description="Greet people twice")
    (url, brought), _again = outside.callback(), outside.callback()
    ada.told(url, brought)
    ada.told(url, {**brought, "result": {"agent_json": demo_agent("Another one")}})
    ada.parley.drain_all()
    ada.told(url, {**brought, "result": {"agent_json": demo_agent("A third one")}})
    ada.parley.drain_all()
    assert saved(ada) == ["Greet people twice"]


def test_a_result_that_never_comes_is_a_clear_answer(ada: Builder, outside: Generator) -> None:
    """At the deadline; what comes late changes nothing."""
    ada.ask("create_agent", description="Greet people later")
    task = ada.operation
    url, brought = outside.callback()
    ada.parley.clock.advance(1_801)
    ada.parley.sweep()
    ada.parley.drain_all()
    assert (ada.result()["code"], ada.parley.task(task.id).status) == ("operation_timeout", "failed")
    ada.told(url, brought)
    ada.parley.drain_all()
    assert (ada.result()["code"], saved(ada)) == ("operation_timeout", [])


@pytest.mark.parametrize(
    ("goal", "code", "status"),
    [
        ("rubbish", "generator_invalid_response", "failed"),
        ("wrong", "generator_invalid_response", "completed"),
        ("fail", "generator_failed", "failed"),
        ("error 401", "generator_refused", "failed"),
        ("error 429", "generator_rate_limited", "failed"),
        ("error 503", "generator_unavailable", "failed"),
    ],
)
def test_whatever_it_does_is_a_clear_answer(
    ada: Builder, outside: Generator, goal: str, code: str, status: str
) -> None:
    """With a code of its own; nothing is saved, and the operation ends."""
    ada.begin("create_agent", description=goal)
    task = ada.operation
    ada.parley.drain_all()
    assert (ada.result()["type"], ada.result()["code"]) == ("error", code)
    assert ada.parley.task(task.id).status == status
    assert saved(ada) == []
    assert len(outside.asked) == (4 if goal in {"error 429", "error 503"} else 2), "what may pass is tried three times"


@pytest.mark.parametrize(
    ("brought", "code"),
    [
        ("I have thought about it.", "generator_invalid_response"),
        (None, "generator_invalid_response"),
        ({"nodes": "many"}, "generator_invalid_response"),
        ({"agent_json": {"name": "x", "nodes": [], "links": []}}, "generator_invalid_response"),
        ({"success": False, "error": "No ideas."}, "generator_failed"),
        ({"type": "clarifying_questions"}, "generator_invalid_response"),
        ({"type": []}, "generator_invalid_response"),
        ({"type": {"a": 1}}, "generator_invalid_response"),
    ],
)
def test_rubbish_by_callback_is_a_clear_answer(ada: Builder, outside: Generator, brought: Any, code: str) -> None:
    """It is checked before it is saved, as everything."""
    ada.ask("create_agent", description="Greet people later")
    url, _ = outside.callback()
    ada.told(url, {"success": True, "result": brought, "error": None})
    ada.parley.drain_all()
    assert (ada.result()["code"], saved(ada)) == (code, [])


def test_what_is_wrong_is_listed_with_what_was_brought(ada: Builder) -> None:
    """So that somebody may repair it; without what stands under a secret's name."""
    answer = ada.ask("create_agent", description="wrong")
    assert "result" in {problem["node_id"] for problem in answer["details"]["problems"]}
    assert answer["details"]["agent_json"]["success"] is True


def test_a_plan_that_is_larger_than_can_be_kept_is_refused(ada: Builder, outside: Generator) -> None:
    answer = ada.ask("create_agent", description="endless")
    assert (answer["code"], saved(ada)) == ("generator_invalid_response", [])


def test_questions_and_goals_come_from_the_plan(ada: Builder, outside: Generator) -> None:
    """Then nothing is generated."""
    assert ada.ask("create_agent", description="vague")["suggested_goal"] == "Greet each new customer by name."
    assert ada.ask("create_agent", description="impossible")["goal_type"] == "unachievable"
    assert ada.ask("create_agent", description="unclear")["questions"][0]["keyword"] == "town"
    assert {one.action for one in outside.asked} == {"decompose-description"}
    assert ada.ask("create_agent", description="unclear", context="Bergen")["type"] == "agent_saved"


def test_an_agent_that_cannot_be_saved_is_in_the_answer(ada: Builder, outside: Generator) -> None:
    """The operation has completed; secrets are taken out."""
    made = ada.ask("create_agent", agent_json=AGENT)
    ada.ask("edit_agent", agent_id=made["library_agent_id"], changes="Be kind later")
    task = ada.operation
    ada.library.delete(ada.library.get("ada", made["library_agent_id"]))
    url, brought = outside.callback()
    brought["result"]["agent_json"]["nodes"][1]["input_default"]["values"]["password"] = "hunter2"
    ada.told(url, brought)
    ada.parley.drain_all()
    answer = ada.result()
    assert (answer["code"], answer["details"]["reason"]) == ("agent_not_saved", "agent_not_found")
    assert answer["details"]["agent_json"]["nodes"][1]["input_default"]["values"]["password"] == "[REDACTED]"
    assert ada.parley.task(task.id).status == "completed"
    assert "hunter2" not in json.dumps(
        [ada.parley.parts(task.id), [r.content for r in ada.parley.transcript(ada.session)]]
    )


def test_its_key_goes_along(parley: Parley, outside: Generator) -> None:
    """From SSM."""
    url = outside.server.url
    ada = builder(parley, secret="the key", AGENT_GENERATOR_URL=url, AGENT_GENERATOR_KEY_PARAMETER="/parley/generator")
    ada.ask("create_agent", description="Greet people")
    assert {one.headers["x-api-key"] for one in outside.asked} == {"the key"}


@pytest.mark.parametrize(
    "url", ["http://generator.example", "ftp://generator.example", "https://a:b@generator.example"]
)
def test_an_address_that_others_could_read_along_is_refused_at_start(url: str) -> None:
    """It is given users' words, and addresses that take results."""
    with pytest.raises(ConfigError, match="AGENT_GENERATOR_URL"):
        ToolSettings.from_environment({"AGENT_GENERATOR_URL": url})


def test_nobody_at_its_address_is_a_clear_answer(parley: Parley) -> None:
    """Three times."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        ada = builder(parley, AGENT_GENERATOR_URL=f"http://127.0.0.1:{sock.getsockname()[1]}")
        assert ada.ask("create_agent", description="Greet people")["code"] == "generator_unreachable"


# -- one request --------------------------------------------------------------------------------


class Stranger:
    """A server that sends what a test says, and no more."""

    def __init__(self, *sent: bytes, holds: bool = False) -> None:
        self.url = ""
        self.was_asked = threading.Event()
        self._sent, self._holds = sent, holds
        self._let_go = threading.Event()

    def __enter__(self) -> "Stranger":
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/generate-agent"
        self._thread = threading.Thread(target=self._serve, name="stranger")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        line, _ = self._socket.accept()
        with line:
            while (said := line.recv(100_000)) and not said.endswith(b"{}"):
                pass
            self.was_asked.set()
            try:
                for piece in self._sent:
                    line.sendall(piece)
            except OSError:
                return
            if self._holds:
                self._let_go.wait(20)


def test_a_service_that_never_answers_is_left() -> None:
    """At the time-out."""
    with Stranger(holds=True) as stranger, pytest.raises(ToolError) as raised:
        Exchange(FakeClock(), Cancellation(), timeout_seconds=0.05).post(stranger.url, {}, {})
    assert raised.value.code == "generator_timeout"


class HastyClock(FakeClock):
    """Minutes pass whenever somebody looks."""

    def now(self) -> float:
        self.advance(700)
        return super().now()


def test_an_answer_that_trickles_is_left() -> None:
    """At the time-out, though there is always something more to come."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"
    with Stranger(head, holds=True) as stranger, pytest.raises(ToolError) as raised:
        Exchange(HastyClock(), Cancellation()).post(stranger.url, {}, {})
    assert raised.value.code == "generator_timeout"


def test_an_answer_without_end_is_left() -> None:
    """At 2 MB."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n"
    with Stranger(head, *[b"x" * 100_000] * 40) as stranger, pytest.raises(ToolError) as raised:
        Exchange(FakeClock(), Cancellation()).post(stranger.url, {}, {})
    assert str(MAX_ANSWER_BYTES) in raised.value.message


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
def test_an_answer_that_is_none_is_a_typed_error(sent: bytes) -> None:
    """Not HTTP, nothing, or half of it."""
    with Stranger(sent) as stranger, pytest.raises(ToolError) as raised:
        Exchange(FakeClock(), Cancellation()).post(stranger.url, {}, {})
    assert raised.value.code in {"generator_invalid_response", "generator_unreachable"}


def test_work_that_is_to_stop_does_not_wait_for_the_answer() -> None:
    """The connection is cut in the middle of it."""
    cancellation, caught = Cancellation(), list[str]()

    def post(url: str) -> None:
        try:
            Exchange(FakeClock(), cancellation).post(url, {}, {})
        except ToolError as error:
            caught.append(error.code)

    with Stranger(holds=True) as stranger:
        thread = threading.Thread(target=post, args=(stranger.url,))
        thread.start()
        assert stranger.was_asked.wait(20)
        cancellation.cancel()
        thread.join(20)
        assert not thread.is_alive()
    assert caught == ["cancelled"]
    assert issubclass(Unreachable, ToolError)
