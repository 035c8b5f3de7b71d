"""What runs of agents cost: calls, units and bytes, counted, for a run and for each of its nodes; and their price.

Counted with blocks that answer at once, so that those that run side by side end together and are stored together: what
ends alone costs what a node of the row does. A run's worker is priced at 10 ms for each of its calls and each block.

Run: python -m bench.run_cost
"""

import io
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass

from moto import mock_aws

from bench.meter import PRICES, Meter
from shared.agents.graphs.model import Graph
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.chat.accept import Requester
from shared.chat.resume import SocketReplay
from shared.kernel import telemetry
from tests.support.mended_moto import mended_moto
from tests.support.region import build_parley
from tests.support.runs import GREETER, Agents, graph, link, node, result

ITEMS, PARALLEL, ROW = 1_000, 50, 23
_SECONDS_A_CALL = 0.01
_WORKER_GB = 0.5
_PLATFORM_LOG_BYTES = 500
"""What Lambda itself writes about an invocation: START, END, REPORT."""
_REQUESTS_A_MESSAGE = 3
"""Send, receive, delete."""
GOALS = {"50 side by side": 3.3, "loop over 1,000": 2.5}
"""Write units for each execution, unwatched: what is stored together must stay together."""


@dataclass(frozen=True)
class Counted:
    """What a run has taken, from its start to what is told of its end."""

    executions: int
    invocations: int
    aws_calls: int
    write_units: int
    read_units: float
    bytes_sent: int
    messages: int
    frames: int
    log_bytes: int

    @property
    def dollars(self) -> float:
        """The price of one."""
        seconds = (self.aws_calls + self.executions) * _SECONDS_A_CALL
        return (
            self.write_units * PRICES["write_unit"]
            + self.read_units * PRICES["read_unit"]
            + self.messages * _REQUESTS_A_MESSAGE * PRICES["sqs_request"]
            + self.frames * PRICES["socket_message"]
            + self.log_bytes * PRICES["log_byte"]
            + self.invocations * PRICES["lambda_request"]
            + seconds * _WORKER_GB * PRICES["lambda_gb_second"]
        )


def row(nodes: int) -> Graph:
    """So many templates, one behind the other, and an output."""
    made = [node(f"n{at}", "Text template", template="{{ x }}+" if at else "go") for at in range(nodes - 1)]
    links = [f"n{at}.text > n{at + 1}.values.x" for at in range(nodes - 2)]
    return graph([*made, result("out", "Text")], *links, f"n{nodes - 2}.text > out.value")


def fan_out() -> Graph:
    """One behind which many run side by side, and what gathers them."""
    made = [node("start", "Text template", template="go"), node("all", "Merge"), result("out", "N")]
    links = [link("all.count > out.value")]
    for at in range(PARALLEL):
        made.append(node(f"n{at}", "Text template", template="{{ x }}+"))
        links += [link(f"start.text > n{at}.values.x"), link(f"n{at}.text > all.values")]
    return graph(made, *links)


def loop() -> Graph:
    """A template for each of many items, and what gathers them."""
    items = [f"item {number}" for number in range(ITEMS)]
    nodes = [node("loop", "Loop over a list", items=items), node("t", "Text template", template="<{{ x }}>")]
    nodes += [node("all", "Merge"), result("out", "N")]
    return graph(nodes, "loop.item > t.values.x", "t.text > all.values", "all.count > out.value")


def waits() -> Graph:
    """Three nodes, of which the second waits ten minutes."""
    nodes = [node("go", "Text template", template="go"), node("w", "Wait", seconds=600), result("out", "Done")]
    return graph(nodes, "go.text > w.value", "w.value > out.value")


def reviewed() -> Graph:
    """Three nodes, of which the second asks the user."""
    nodes = [node("go", "Text template", template="go"), node("ask", "Human review", name="Post?")]
    return graph([*nodes, result("out", "Said")], "go.text > ask.payload", "ask.approved_data > out.value")


def calls_child(agent_id: str) -> Graph:
    """Two nodes, of which the first runs an agent of three."""
    nodes = [node("run", "Run agent", library_agent_id=agent_id, inputs={"City": "Oslo"}), result("out", "Said")]
    return graph(nodes, "run.outputs > out.value")


class _Bench:
    """One deployment, in which runs are counted one after the other."""

    def __init__(self, output: io.StringIO) -> None:
        self._output = output
        self.parley = build_parley()
        self.parley.with_runs(5, 1_000)
        self._reviews = Reviews(self.parley.database, self.parley.clock)
        self._agents = Agents(self.parley, asked=self._reviews)
        client = self.parley.database._client
        self._meter = Meter(client)
        for watched in (client, self.parley.services.queue._client):
            self._meter.attach(watched)
            watched.meta.events.register("before-send.*", self._time_passes)

    def measure(self, made: Graph, *, watched: bool, meanwhile: Callable[[str], None] | None = None) -> Counted:
        """One run of the graph; `meanwhile` is what happens when it waits."""
        agents, parley = self._agents, self.parley
        agent = agents.agent(made)
        inputs = {"City": "Oslo"} if made is GREETER else {}
        agents.runs.stop("ada", agents.start(agent, inputs))  # what an agent's first run brings along: its session
        agents.until_quiet()
        before = self._now()
        run_id = agents.start(agent, inputs)
        if watched:
            SocketReplay(parley.services, Requester("connection", run_id)).show(parley.task(run_id))
        told = self._quiet()
        if meanwhile:
            meanwhile(run_id)
            told += self._quiet()
        spent = [now - then for now, then in zip(self._now(), before, strict=True)]
        run = agents.look(run_id)
        assert run.status == "completed", run
        calls, write_units, read_units, sent, messages, workers, frames, logs = spent
        invocations = int(workers) + told
        return Counted(
            executions=run.nodes_done,
            invocations=invocations,
            aws_calls=int(calls),
            write_units=int(write_units),
            read_units=read_units,
            bytes_sent=int(sent),
            messages=int(messages),
            frames=int(frames),
            log_bytes=int(logs) + invocations * _PLATFORM_LOG_BYTES,
        )

    def decide(self, run_id: str) -> None:
        """The user says yes."""
        self._reviews.decide("ada", self._agents.look(run_id).reviews[0], Verdict("approved"))

    def wait(self, run_id: str) -> None:
        """The time passes, and the delayed message comes."""
        self.parley.clock.advance(600)
        self.parley.run(run_id)

    def child(self) -> Graph:
        """A graph that runs another agent."""
        return calls_child(self._agents.agent(GREETER).id)

    def _time_passes(self, **_: object) -> None:
        self.parley.clock.advance(_SECONDS_A_CALL)

    def _quiet(self) -> int:
        """All that is to be done is done; how many changes were told of on the way."""
        told = 0
        self.parley.drain_all()
        while news := self.parley.state_changes():
            told += news
            self.parley.drain_all()
        return told

    def _now(self) -> tuple[float, ...]:
        telemetry.flush_metrics()
        meter, parley = self._meter, self.parley
        frames = sum(len(frames) for frames in parley.sockets.frames.values())
        sends = meter.calls["SendMessage"]
        calls = sum(meter.calls.values())
        written, logs = self._output.tell(), parley.workers_started
        return calls, meter.write_units, meter.read_units, meter.bytes_sent, sends, logs, frames, written


def measure() -> Iterator[tuple[str, bool, Counted]]:
    """Each kind of run, unwatched and watched."""
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
    output = io.StringIO()
    telemetry.logger.registered_handler.setStream(output)  # type: ignore[attr-defined]
    with mended_moto(), mock_aws():
        bench = _Bench(output)
        looping = loop()
        kinds = {
            "3 in a row": (GREETER, None),
            f"{ROW} in a row": (row(ROW), None),
            f"{PARALLEL} side by side": (fan_out(), None),
            f"loop over {ITEMS:,}": (looping, None),
            "waits once": (waits(), bench.wait),
            "asks its user": (reviewed(), bench.decide),
            "runs another": (bench.child(), None),
        }
        for name, (made, meanwhile) in kinds.items():
            # The loop takes the emulator a minute, and viewers cost it no more than they cost the others.
            for watched in (False,) if made is looping else (False, True):
                with redirect_stdout(output):
                    counted = bench.measure(made, watched=watched, meanwhile=meanwhile)
                yield name, watched, counted


def main() -> int:
    """Print what was counted, and hold what is stored together against the goals."""
    missed = False
    heads = ("nodes", "invoked", "calls", "WRU", "RRU", "bytes", "messages", "frames", "log bytes")
    print(f"{'':18} {'':9}" + "".join(f"{head:>10}" for head in heads) + f"{'WRU/node':>10}{'$/1,000':>10}")
    for name, watched, one in measure():
        each = one.write_units / one.executions
        missed |= not watched and each > GOALS.get(name, math.inf)
        numbers = "".join(f"{value:>10,}" for value in asdict(one).values())
        print(f"{name:18} {'watched' if watched else '':9}{numbers}{each:>10.2f}{one.dollars * 1000:>10.4f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
