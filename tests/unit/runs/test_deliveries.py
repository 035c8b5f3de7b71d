"""How a run has ended is told to where its user wants it told: signed, once, and again until it is taken."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from shared.agents.reviews.reviews import Reviews, Verdict
from shared.kernel.errors import ParleyError
from shared.runs.hooks import delete_hook, put_hook
from shared.tasks.lineage import Lineage
from shared.tools.web.network import Network
from tests.support.authority import Authority
from tests.support.credentials import SIGNING, open_safe
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, graph, node
from tests.unit.tools.loopback import Web, small_web

URL = "https://hooks.example.com/runs"
TAKEN, REFUSED = b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
KEY = base64.b64decode("QUJD" * 8)


class Told:
    """A user's agent, and the server that hears of its runs."""

    def __init__(self, parley: Parley, web: Web, network: Network) -> None:
        self.parley, self.web = parley, web
        self.reviews = Reviews(parley.database, parley.clock)
        self.agents = Agents(parley, network=network, asked=self.reviews)
        safe = open_safe(parley.database, parley.clock)
        safe.connect(SIGNING)
        assert parley.run_bench is not None
        parley.run_bench = replace(
            parley.run_bench, blocks=replace(parley.run_bench.blocks, credentials=safe.vault, network=network)
        )
        self.agent = self.agents.agent(GREETER)
        put_hook(parley.database, "ada", self.agent.id, URL)

    def run(self, *replies: bytes) -> str:
        self.web.server.answers(*replies)
        run_id = self.agents.start(self.agent, {"City": "Oslo"})
        self.agents.until_quiet()
        return run_id

    def heard(self) -> list[dict[str, Any]]:
        """The bodies, after a look at the signatures."""
        bodies = []
        for request in self.web.server.requests:
            head, _, body = request.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
            signature = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
            assert headers["Webhook-Signature"] == f"v1,{signature}"
            bodies.append(json.loads(body) | {"id": headers["Webhook-Id"]})
        return bodies


@pytest.fixture
def told(parley: Parley, tmp_path: Path) -> Iterator[Told]:
    authority = Authority()
    with small_web(authority.serving(tmp_path, x509.DNSName("*.example.com"))) as web:
        yield Told(parley, web, web.network(authority.trusted()))


def test_a_runs_end_is_told_once_and_signed(told: Told) -> None:
    run_id = told.run(TAKEN)
    (message,) = told.heard()
    assert message["type"] == "run.completed"
    assert message["data"] == {
        "run_id": run_id,
        "library_agent_id": told.agent.id,
        "agent_name": "Agent",
        "status": "completed",
        "error_code": "",
    }
    told.agents.minutes(3)
    assert len(told.heard()) == 1


def test_what_is_refused_comes_again_with_the_same_id(told: Told) -> None:
    """After 10 s, a minute, five: until it is taken."""
    told.run(REFUSED, REFUSED, TAKEN)
    told.agents.minutes(8)
    messages = told.heard()
    assert len(messages) == 3
    assert len({message["id"] for message in messages}) == 1


def test_after_a_day_nobody_tries_any_more(told: Told) -> None:
    told.run(*[REFUSED] * 8)
    for _ in range(20):
        told.parley.clock.advance(3 * 3600)
        told.parley.sweep()
        told.agents.until_quiet()
    assert len(told.heard()) == 8


def test_nobody_is_told_who_is_no_longer_wanted(told: Told) -> None:
    told.run(REFUSED)
    delete_hook(told.parley.database, "ada", told.agent.id)
    told.agents.minutes(8)
    assert len(told.heard()) == 1


def test_a_stop_is_told_too(told: Told) -> None:
    told.web.server.answers(TAKEN)
    run_id = told.agents.start(told.agent, {"City": "Oslo"})
    told.agents.runs.stop("ada", run_id)
    told.agents.until_quiet()
    assert [message["type"] for message in told.heard()] == ["run.terminated"]


def test_a_dry_run_tells_nobody(told: Told) -> None:
    """Nor do the runs that it starts."""
    outer = graph([node("run", "Run agent", library_agent_id=told.agent.id, inputs={"City": "Oslo"})])
    put_hook(told.parley.database, "ada", "outer", URL)
    run_id = told.agents.start(told.agents.agent(outer, agent_id="outer"), lineage=Lineage(dry_run=True))
    told.agents.until_quiet()
    assert told.agents.look(run_id).status == "completed"
    assert told.heard() == []


def test_what_one_user_is_told_stands_before_nobody_elses_run(told: Told) -> None:
    """Two of a user's deliveries are tried at once; the others have no message. All are told in the end."""
    parley = told.parley
    told.web.server.answers(*[TAKEN] * 3)
    runs = [told.agents.start(told.agent, {"City": "Oslo"}) for _ in range(3)]
    for run_id in runs:
        parley.run(run_id)
    parley.runs_waiting()
    told.agents.runs.start(told.agents.request(told.agents.agent(GREETER, "bob"), {"City": "Rome"}, run_id="BOB"))
    pool = parley.pool("deliveries:ada")
    assert (len(pool.running), len(pool.queued)) == (2, 1)
    assert parley.runs_waiting() == ["BOB"]
    told.agents.minutes(1)
    assert len(told.heard()) == 3
    assert not parley.pool("deliveries:ada").running


def test_what_a_run_asks_its_user_is_told_once(told: Told) -> None:
    """Each review, also while others wait; then the end."""
    told.web.server.answers(*[TAKEN] * 4)
    nodes = [
        node("loop", "Loop over a list", items=["a", "b"]),
        node("h", "Human review"),
        node("then", "Human review"),
    ]
    agent = told.agents.agent(graph(nodes, "loop.item > h.payload", "h.rejected_data > then.payload"))
    put_hook(told.parley.database, "ada", agent.id, URL)
    run_id = told.agents.start(agent)
    told.agents.until_quiet()
    told.agents.minutes(1)
    first, second = told.agents.look(run_id).reviews
    assert [(one["type"], one["data"]["status"]) for one in told.heard()] == [("run.review", "review")] * 2
    assert {one["data"]["review_id"] for one in told.heard()} == {first, second}
    assert {one["data"]["run_id"] for one in told.heard()} == {run_id}

    told.reviews.decide("ada", first, Verdict("rejected"))
    told.reviews.decide("ada", second, Verdict("approved"))
    told.agents.until_quiet()
    (third,) = told.agents.look(run_id).reviews
    told.agents.runs.stop("ada", run_id)
    told.agents.until_quiet()
    assert [one["data"].get("review_id") for one in told.heard()[2:]] == [third, None]
    assert told.heard()[-1]["type"] == "run.terminated"


@pytest.mark.parametrize("kind", ["error_after", "kill_after"])
def test_whatever_breaks_on_the_way_it_is_told(told: Told, kind: FaultKind) -> None:
    """Under one id; a worker that died behind the receiver's answer tells it once more."""
    parley = told.parley
    for at in range(FAULT_KINDS.index(kind), 60, 8):
        told.web.server.requests.clear()
        told.web.server.answers(*[TAKEN] * 4)
        run_id = told.agents.start(told.agent, {"City": "Oslo"})
        parley.watch.reset(fault_at=at, fault=kind)
        with suppress(Killed, ParleyError):
            told.agents.until_quiet()
        parley.watch.reset()
        with suppress(Killed, ParleyError):
            told.agents.until_quiet()
        told.agents.minutes(2)
        assert told.agents.look(run_id).status == "completed", at
        heard = [one for one in told.heard() if one["data"]["run_id"] == run_id]
        assert len({one["id"] for one in heard}) == 1, at
        assert len(heard) <= 2, at
