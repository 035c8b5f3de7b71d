"""Operations as they are deployed: the run queue, its worker, the webhook, and what a connected user sees."""

from typing import Any

import pytest

from local.demo_generator import DemoGenerator
from tests.support.api_client import ApiClient, events_of
from tests.support.deployed import Deployed
from tests.support.external_worker import ExternalWorker
from tests.support.grammar import check_stream
from tests.support.socket_client import SocketClient, connected, resume_frame, send_frame
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

WHOLE = ["user", "assistant", "tool", "assistant", "system", "assistant"]


def notified(socket: SocketClient) -> dict[str, Any]:
    """The notice that an operation has ended."""
    while True:
        frame = socket.next_frame()
        if frame["type"] == "notify":
            return frame


def test_a_service_completes_what_it_has_taken_over(stack: Deployed, api: ApiClient, warehouse: ExternalWorker) -> None:
    """Over the deployment's own address: the webhook, the result in its place, a notice, and the continuation."""
    session = api.new_session()
    with connected(stack.sockets.url, api.ticket()) as socket:
        socket.send(send_frame("r1", session, "hand over", "m1"))
        socket.until_end("r1")
        eventually(lambda: bool(warehouse.taken), "the service was asked")
        taken = warehouse.taken[-1]
        task = taken.operation_id.removeprefix("op_")
        eventually(lambda: api.status(task) == "waiting", "the operation waits")
        page = api.get(f"/chat/sessions/{session}").json()
        assert page["active_stream"]["operation_id"] == taken.operation_id
        address = f"{stack.http.url}/api/chat/operations/{taken.operation_id}/complete"
        key = stack.description["operations_api_key"]
        assert warehouse.call_back(address, key="wrong")[0] == 401
        assert warehouse.call_back(address.replace("op_", "op_x"), key=key)[0] == 404
        told = warehouse.call_back(taken.callback_url, result={"rows": 42})
        assert told == (200, {"status": "ok", "task_id": task})
        notice = notified(socket)
        assert (notice["kind"], notice["session_id"], notice["status"]) == ("operation-finished", session, "completed")
        socket.send(resume_frame("r2", session))
        assert '"rows":42' in socket.until_end("r2").text
        assert warehouse.call_back(address, key=key, success=False) == told
    eventually(lambda: api.get(f"/chat/sessions/{session}").json()["active_stream"] is None, "the end")
    rows = api.get(f"/chat/sessions/{session}").json()["messages"]
    assert [row["role"] for row in rows] == WHOLE
    parts = events_of(api.get(f"/chat/tasks/{task}/stream?startIndex=0")).parts
    check_stream(parts, steps=False)
    assert parts[-2]["output"] == {"rows": 42}


@pytest.mark.parametrize("later", ["", " later"], ids=["at-once", "by-callback"])
def test_an_agent_is_built_by_a_generator_outside(
    stack: Deployed, api: ApiClient, generator: DemoGenerator, later: str
) -> None:
    """It plans and writes the graph, at once or by calling back; the library has it, and the chat is told."""
    session, asked = api.new_session(), len(generator.manners.asked)
    with connected(stack.sockets.url, api.ticket()) as socket:
        socket.send(send_frame("r1", session, f"have it built{later}", "m1"))
        socket.until_end("r1")
        notice = notified(socket)
    assert (notice["tool_name"], notice["status"]) == ("create_agent", "completed")
    assert [one.action for one in generator.manners.asked[asked:]] == ["decompose-description", "generate-agent"]
    saved = events_of(api.get(f"/chat/tasks/{notice['task_id']}/stream?startIndex=0")).parts[-2]["output"]
    agent = api.get(f"/agents/{saved['library_agent_id']}").json()
    assert agent["description"] == f"Built for a demo: greet people{later}"


def test_research_works_in_the_run_worker(stack: Deployed, api: ApiClient) -> None:
    """It asks the model, finds no page here (the model server plans none), and the failure starts a turn too."""
    session = api.new_session()
    with connected(stack.sockets.url, api.ticket()) as socket:
        socket.send(send_frame("r1", session, "research", "m1"))
        socket.until_end("r1")
        notice = notified(socket)
    assert (notice["tool_name"], notice["status"]) == ("deep_research", "failed")
    parts = events_of(api.get(f"/chat/tasks/{notice['task_id']}/stream?startIndex=0")).parts
    check_stream(parts, steps=False)
    assert [part["type"] for part in parts] == [
        *("start", "tool-input-available"),
        *("data-progress", "tool-output-error", "finish"),
    ]
    eventually(lambda: len(api.get(f"/chat/sessions/{session}").json()["messages"]) == 6, "the answer")
    rows = api.get(f"/chat/sessions/{session}").json()["messages"]
    assert "nothing_found" in rows[-1]["content"]
