"""Operations on real sockets: work in the run worker, and at a service that calls back as services do."""

import json
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.kernel.settings import OperationService
from shared.tools.run_external_operation import external_operation_tools
from tests.support.api_client import ApiClient, events_of
from tests.support.examples import examples_in
from tests.support.external_worker import ExternalWorker, TakenOver, external_worker
from tests.support.grammar import check_stream
from tests.support.node import parsed_by_versions
from tests.support.region import COMPLETION_KEY
from tests.support.server import LiveParley, running_parley
from tests.support.socket_client import connected
from tests.support.waiting import eventually

pytestmark = pytest.mark.clients

WHOLE = ["user", "assistant", "tool", "assistant", "system", "assistant"]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[ExternalWorker]:
    """A service that takes work over."""
    with external_worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def live(model_url: str, warehouse: ExternalWorker) -> Iterator[LiveParley]:
    """A deployment that lists the service."""
    service = OperationService(url=warehouse.url, name="warehouse")
    with running_parley(model_url, tools=external_operation_tools([service])) as parley:
        yield parley


def handed_over(live: LiveParley, api: ApiClient, warehouse: ExternalWorker) -> tuple[str, TakenOver]:
    """A session whose operation waits for the service, and what the service was asked."""
    session, before = api.new_session(), len(warehouse.taken)
    api.answered(session, "hand over")
    eventually(lambda: len(warehouse.taken) > before, "the service was asked")
    taken = warehouse.taken[-1]
    eventually(lambda: api.status(task_of(taken)) == "waiting", "the operation waits")
    return session, taken


def task_of(taken: TakenOver) -> str:
    return taken.operation_id.removeprefix("op_")


def address(live: LiveParley, taken: TakenOver) -> str:
    """Where the operation is completed with the key."""
    return f"{live.http.url}/api/chat/operations/{taken.operation_id}/complete"


def check_whole(live: LiveParley, api: ApiClient, session: str, answer: str) -> None:
    """The continuation has ended, and is the only one."""
    eventually(lambda: len(live.rows(session)) == len(WHOLE), "the continuation")
    eventually(lambda: api.get(f"/chat/sessions/{session}").json()["active_stream"] is None, "it ends")
    rows = live.rows(session)
    assert [row.role for row in rows] == WHOLE
    assert answer in rows[-1].content


def test_the_official_clients_parse_an_operations_stream(live: LiveParley, api: ApiClient) -> None:
    """Each version makes one message of it: the call with its output, and what it knows of progress."""
    session = api.new_session()
    with connected(live.sockets.url, api.ticket()) as socket:
        api.answered(session, "ask around")
        check_whole(live, api, session, "All about rivers")
        told = next(f for f in iter(socket.next_frame, None) if f["type"] == "notify")
    assert (told["kind"], told["session_id"], told["status"]) == ("operation-finished", session, "completed")
    stream = api.get(f"/chat/tasks/{told['task_id']}/stream?startIndex=0")
    parts = events_of(stream).parts
    check_stream(parts, steps=False)
    for version, results in parsed_by_versions({"operation": stream.text}).items():
        result = results["operation"]
        assert (result["error"], result["finished"]) == (None, True), (version, result)
        assert len([part for part in result["data"] if part["type"] == "data-progress"]) == 3
        (call,) = [part for part in result["parts"] if part["type"] in {"tool-survey", "dynamic-tool"}]
        assert call["state"] == "output-available", version
        assert call["output"]["text"] == "All about rivers"


def test_a_service_calls_back_late_and_twice(live: LiveParley, api: ApiClient, warehouse: ExternalWorker) -> None:
    """At the signed address, without a key; the second time changes nothing."""
    session, taken = handed_over(live, api, warehouse)
    assert taken.input == {"rows": 3}
    assert taken.idempotency_key == taken.operation_id
    told = warehouse.call_back(taken.callback_url, result={"rows": 42})
    assert told == (200, {"status": "ok", "task_id": task_of(taken)})
    check_whole(live, api, session, '"rows":42')
    assert warehouse.call_back(taken.callback_url, success=False, error="changed my mind") == told
    assert warehouse.call_back(address(live, taken), key=COMPLETION_KEY, result="again") == told
    assert api.status(task_of(taken)) == "completed"
    assert len(live.rows(session)) == len(WHOLE)


def test_a_service_with_a_wrong_key_is_refused(live: LiveParley, api: ApiClient, warehouse: ExternalWorker) -> None:
    """Nor does a signature fit another operation, or a later time."""
    session, taken = handed_over(live, api, warehouse)
    _, other = handed_over(live, api, warehouse)
    query = urllib.parse.urlsplit(other.callback_url).query
    later = taken.callback_url.replace("expires=", "expires=9")
    for url, key in ((address(live, taken), "wrong"), (f"{address(live, taken)}?{query}", ""), (later, "")):
        status, answer = warehouse.call_back(url, key=key, result="mine")
        assert (status, answer["code"]) == (401, "api_key_invalid")
    assert api.status(task_of(taken)) == "waiting"
    assert warehouse.call_back(address(live, taken), key=COMPLETION_KEY, result="the right one")[0] == 200
    check_whole(live, api, session, "the right one")
    warehouse.call_back(other.callback_url)


def test_twenty_calls_at_once_are_one_outcome(live: LiveParley, api: ApiClient, warehouse: ExternalWorker) -> None:
    """Success and failure mixed: all are answered 200, one counts, one continuation starts."""
    session, taken = handed_over(live, api, warehouse)

    def call(number: int) -> tuple[int, dict[str, object]]:
        url = address(live, taken)
        good = number % 2 == 0
        return warehouse.call_back(url, key=COMPLETION_KEY, success=good, result=f"r{number}", error=f"e{number}")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, range(20)))
    assert answers == [(200, {"status": "ok", "task_id": task_of(taken)})] * 20
    check_whole(live, api, session, "It has come: ")
    parts = events_of(api.get(f"/chat/tasks/{task_of(taken)}/stream?startIndex=0")).parts
    check_stream(parts, steps=False)
    outputs = [part for part in parts if part["type"].startswith("tool-output")]
    assert len(outputs) == 1
    row = live.rows(session)[2]
    said = outputs[0].get("output") or json.loads(row.content)["message"]
    assert said in row.content


def test_a_service_that_never_calls_back_fails_the_operation(
    live: LiveParley, api: ApiClient, warehouse: ExternalWorker
) -> None:
    """At the deadline, by a worker that is sent to it; what comes later is answered, and changes nothing."""
    session, taken = handed_over(live, api, warehouse)
    task = task_of(taken)
    with live.clock.set_forward(24 * 3600 + 60):
        live.services.queue.send(task, "ada", kind="operation")  # as the sweep does
        eventually(lambda: api.status(task) == "failed", "it has failed")
        check_whole(live, api, session, "did not end in time")
        status, answer = warehouse.call_back(taken.callback_url, result="late")
        assert (status, answer["code"]) == (401, "signature_expired")
        assert warehouse.call_back(address(live, taken), key=COMPLETION_KEY, result="late")[0] == 200
    assert api.get(f"/chat/tasks/{task}").json()["error"]["code"] == "operation_timeout"


def test_a_service_may_answer_at_once(live: LiveParley, api: ApiClient, warehouse: ExternalWorker) -> None:
    """200 instead of 202: no callback is needed; a refusal is an error for the model."""
    warehouse.status, warehouse.body = 200, b'{"rows": 7, "token": "x"}'
    session = api.new_session()
    api.answered(session, "hand over")
    check_whole(live, api, session, '"rows":7')
    assert '"token":"[REDACTED]"' in live.rows(session)[2].content
    warehouse.status, warehouse.body = 409, b""
    refused = api.new_session()
    api.answered(refused, "hand over")
    check_whole(live, api, refused, "service_refused")
    warehouse.status = 202


def test_the_example_of_the_page_completes_an_operation(
    live: LiveParley, api: ApiClient, warehouse: ExternalWorker, tmp_path: Path
) -> None:
    """docs/operations.md prints a program that works."""
    session, taken = handed_over(live, api, warehouse)
    (example,) = [example for example in examples_in("docs/operations.md") if example.name == "complete"]
    printed = example.run(
        tmp_path, PARLEY_URL=live.http.url, OPERATION_ID=taken.operation_id, OPERATIONS_API_KEY=COMPLETION_KEY
    )
    assert json.loads(printed) == {"status": "ok", "task_id": task_of(taken)}
    check_whole(live, api, session, '"rows":42')
    assert "not for you" not in str(live.rows(session))
