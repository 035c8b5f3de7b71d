"""What a run may do, pays, waits for, and never does twice."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.credits import Credits
from shared.accounts.permissions import Permissions
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.agents.running import RunFilter, Spent
from shared.kernel.errors import Retryable
from shared.runs import work
from shared.tasks.lineage import Lineage
from shared.tasks.wait import Wait
from tests.support.checks import check_dense_rows
from tests.support.grammar import check_stream
from tests.support.model import says
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, Paid, Probe, Send, graph, node, result

ALL = RunFilter(limit=100)


def test_a_block_that_the_run_may_not_use_is_not_run(parley: Parley) -> None:
    probe = Probe()
    agents = Agents(parley, blocks=[probe])
    denied = Lineage(permissions=Permissions.of_lists(blocks=["Probe"]).to_item())
    run = agents.run(graph([node("p", "probe")]), lineage=denied)
    assert (run.status, run.error_code, probe.calls) == ("failed", "block_not_allowed", [])


def test_a_block_that_asks_first_is_not_run_unasked(parley: Parley) -> None:
    """Where nobody can be asked it fails; nothing is sent."""
    run = Agents(parley).run(graph([node("h", "HTTP request", url="https://example.com", method="POST", body={})]))
    assert (run.status, run.error_code) == ("failed", "review_unavailable")


def test_a_price_is_charged_once_and_not_beyond_the_balance(parley: Parley) -> None:
    """Executions that run at once count before they are charged."""
    credits = Credits(parley.database, parley.clock)
    credits.grant("ada", 8, "g1")
    probe = Paid()
    agents = Agents(parley, blocks=[probe])
    nodes = [node("loop", "Loop over a list", items=[1, 2, 3, 4]), node("p", "paid"), result("why", "Why")]
    run = agents.run(graph(nodes, "loop.item > p.value", "p.error > why.value"))
    assert (run.status, run.credits, credits.balance("ada")) == ("completed", 6, 2)
    assert [one.error for one in agents.nodes(run.id) if one.node_id == "p" and one.status == "failed"] == [
        "Paid costs 3 credits, and there are 2."
    ] * 2
    assert len(probe.calls) == 2


def test_a_block_that_has_waited_is_charged_too(parley: Parley) -> None:
    """By the worker that goes on with it."""
    credits = Credits(parley.database, parley.clock)
    credits.grant("ada", 8, "g1")

    def act(_: Any, value: Any) -> Any:
        return "late" if value else Wait((), int(parley.clock.now() * 1000) + 60_000, note={"waited": 1})

    agents = Agents(parley, blocks=[Paid(act)])
    run_id = agents.start(agents.agent(graph([node("p", "paid")])))
    agents.until_quiet()
    assert (agents.look(run_id).status, credits.balance("ada")) == ("waiting", 8)
    agents.minutes(2)
    assert (agents.look(run_id).status, credits.balance("ada")) == ("completed", 5)


def test_a_wait_costs_nothing_and_holds_no_slot(parley: Parley) -> None:
    """The run is let go; another one of its user's gets its slot; then it goes on."""
    parley.with_runs(1, 10)
    agents = Agents(parley)
    made = graph([node("w", "Wait", seconds=3600, value="x"), result("out", "X")], "w.value > out.value")
    waiting = agents.start(agents.agent(made))
    agents.until_quiet()
    assert agents.look(waiting).status == "waiting"
    assert parley.pool("runs:ada").running == frozenset()
    assert parley.task(waiting).lease_expires == 0
    other = agents.start(agents.agent(GREETER), {"City": "Oslo"})
    agents.until_quiet()
    assert agents.look(other).status == "completed"
    agents.minutes(62)
    assert agents.look(waiting).outputs == {"X": ["x"]}
    assert [part["data"]["status"] for part in parley.parts(waiting) if part["type"] == "data-run"] == [
        "running",
        "waiting",
        "running",
        "completed",
    ]
    check_stream(parley.parts(waiting), steps=False)


def test_the_stream_of_a_run_that_waits_for_weeks_has_no_gaps(parley: Parley) -> None:
    """What was shown before a wait does not expire before what is shown after it: rows are numbered from the first."""
    agents = Agents(parley)
    nodes = [node(name, "Wait", seconds=5 * 86_400, value="x") for name in ("a", "b", "c")]
    run_id = agents.start(agents.agent(graph(nodes, "a.value > b.value", "b.value > c.value")))
    agents.until_quiet()
    started = agents.look(run_id).started_at
    for _ in nodes:
        parley.clock.advance(5 * 86_400)
        agents.minutes(2)
    ended = agents.look(run_id)
    assert (ended.status, ended.started_at) == ("completed", started)
    check_dense_rows(parley, run_id)
    check_stream(parley.parts(run_id), steps=False)


def test_a_started_foreign_effect_is_not_repeated(parley: Parley) -> None:
    """A worker died in it: nobody knows what became of it, and the node says so."""

    def die(_: Any, __: Any) -> Any:
        raise KeyboardInterrupt

    send = Send(die)
    agents = Agents(parley, blocks=[send])
    run_id = agents.start(agents.agent(graph([node("s", "send", value="mail")])))
    with pytest.raises(KeyboardInterrupt):
        parley.drain_runs()
    agents.minutes(3)
    run = agents.look(run_id)
    assert (run.status, run.error_code, len(send.calls)) == ("failed", "outcome_unknown", 1)


def test_the_model_is_asked_within_the_budget_of_the_run(parley: Parley) -> None:
    """Its tokens count in the run; when they are used up, the next question fails."""
    parley.with_limits(run_max_tokens=2_500)
    parley.scripted(says("One"))
    agents = Agents(parley)
    made = graph(
        [node("m", "Ask a model", prompt="Hello", max_output_tokens=16), result("out", "Said")],
        "m.response > out.value",
    )
    run = agents.run(made)
    assert (run.status, run.outputs) == ("completed", {"Said": ["One"]})
    used = parley.task(run.id).spend
    assert (run.spend.tokens, run.spend.cost_micros) == (used.tokens, used.cost_micros)
    assert used.tokens > 0
    assert {one.node_id: one.spend for one in agents.nodes(run.id)} == {"m": run.spend, "out": Spent()}
    parley.with_limits(run_max_tokens=0)
    agents = Agents(parley)
    run = agents.run(made)
    assert (run.status, run.error_code) == ("failed", "run_budget")


def test_an_agent_runs_another_and_waits_for_it(parley: Parley) -> None:
    """The child is a run of its own; the parent's end needs its outputs."""
    agents = Agents(parley)
    inner = agents.agent(GREETER, agent_id="inner")
    made = graph(
        [node("run", "Run agent", library_agent_id=inner.id, inputs={"City": "Oslo"}), result("out", "Got")],
        "run.outputs > out.value",
    )
    run = agents.run(made)
    assert (run.status, run.outputs) == ("completed", {"Got": [{"Greeting": ["Hello Oslo"]}]})


def test_a_stop_takes_the_runs_that_it_has_started_along(parley: Parley) -> None:
    agents = Agents(parley)
    sleeper = agents.agent(graph([node("w", "Wait", seconds=86_400)]), agent_id="sleeper")
    parent = agents.start(agents.agent(graph([node("run", "Run agent", library_agent_id=sleeper.id)])))
    agents.until_quiet()
    assert {run.status for run in agents.runs.recent("ada", ALL)} == {"waiting"}
    agents.runs.stop("ada", parent)
    agents.until_quiet()
    assert {run.status for run in agents.runs.recent("ada", ALL)} == {"terminated"}


def test_an_agent_that_runs_itself_ends(parley: Parley) -> None:
    """Three levels down it is refused."""
    agents = Agents(parley)
    itself = graph([node("run", "Run agent", library_agent_id="itself")])
    run_id = agents.start(agents.agent(itself, agent_id="itself"))
    agents.until_quiet()
    assert agents.look(run_id).status == "failed"
    assert len(agents.runs.recent("ada", ALL)) == 4


def test_a_run_stops_at_its_most_executions(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_EXECUTIONS", 5)
    nodes = [node("loop", "Loop over a list", items=list(range(9))), result("out", "X")]
    run = Agents(parley).run(graph(nodes, "loop.item > out.value"))
    assert (run.status, run.error_code) == ("failed", "too_many_executions")


def test_a_run_stops_at_its_most_bytes(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_BYTES", 50_000)
    nodes = [node("loop", "Loop over a list", items=["x" * 9_000] * 9), result("out", "X")]
    run = Agents(parley).run(graph(nodes, "loop.item > out.value"))
    assert (run.status, run.error_code) == ("failed", "values_too_large")


def test_a_run_stops_at_its_most_values(parley: Parley, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short ones take much more memory than room: one execution has a bound, and so have all together."""
    run = Agents(parley, blocks=[Probe(lambda *_: [{}] * 200_000)]).run(graph([node("p", "probe")]))
    assert (run.status, run.error_code) == ("failed", "value_too_large")
    monkeypatch.setattr(work, "MOST_RUN_PARTS", 50)
    nodes = [node("loop", "Loop over a list", items=[[{}] * 9] * 3), result("out", "X")]
    run = Agents(parley).run(graph(nodes, "loop.item > out.value"))
    assert (run.status, run.error_code) == ("failed", "values_too_large")


def test_long_outputs_are_kept_in_pieces(parley: Parley) -> None:
    """Larger than an item may be, and with characters of several bytes at each edge."""
    text = "ä€😀" * 80_000
    agents = Agents(parley, blocks=[Probe(lambda _, __: text)])
    run = agents.run(graph([node("p", "probe"), result("out", "X")], "p.value > out.value"))
    assert run.outputs == {"X": [text]}
    shown = [part["data"] for part in parley.parts(run.id) if part["type"] == "data-run-outputs"]
    assert shown[0]["complete"] is False
    assert len(json.dumps(shown)) < 10_000


def test_the_cap_ends_a_block_that_never_does(parley: Parley) -> None:
    """Another one goes on beside it."""
    agents = Agents(parley, blocks=[Probe()])
    silent = _Silent(parley)
    assert parley.run_bench is not None
    parley.run_bench = replace(parley.run_bench, workers=silent)
    run = agents.run(graph([node("p", "probe")]))
    assert (run.status, run.error_code) == ("failed", "block_timeout")


class _Silent:
    """Workers that take jobs and never do them."""

    def __init__(self, parley: Parley) -> None:
        self._inline = parley.engine.workers

    def mailbox(self) -> Any:
        return self._inline.mailbox()

    def start(self, name: str, job: Any) -> None:
        return


def failing_until(parley: Parley, seconds: float, act: Any = None) -> Any:
    """What it calls doesn't answer for so long."""
    ends = parley.clock.now() + seconds

    def doing(context: Any, value: Any) -> Any:
        if parley.clock.now() < ends:
            raise Retryable("DynamoDB throttles.", code="storage_unavailable")
        return act(context, value) if act else "ok"

    return doing


def test_what_may_pass_is_tried_again_for_minutes(parley: Parley) -> None:
    """At no cost in between, and by whichever worker."""
    agents = Agents(parley, blocks=[Probe(failing_until(parley, 180))])
    run_id = agents.start(agents.agent(graph([node("p", "probe"), result("o", "O")], "p.value > o.value")))
    agents.until_quiet()
    assert (agents.look(run_id).status, parley.task(run_id).lease_expires) == ("waiting", 0)
    agents.minutes(9)
    assert agents.look(run_id).outputs == {"O": ["ok"]}


def test_what_does_not_pass_fails_in_the_end(parley: Parley) -> None:
    """Within a quarter of an hour. What has an effect is not tried again at all."""
    probe, send = Probe(failing_until(parley, 9_999)), Send(failing_until(parley, 9_999))
    agents = Agents(parley, blocks=[probe, send])
    first = agents.start(agents.agent(graph([node("p", "probe")])))
    second = agents.start(agents.agent(graph([node("s", "send")])))
    agents.minutes(15)
    assert [agents.look(run).error_code for run in (first, second)] == ["storage_unavailable"] * 2
    assert (len(probe.calls), len(send.calls)) == (18, 1)


def test_who_has_waited_goes_on_from_there_when_it_is_tried_again(parley: Parley) -> None:
    """With the note of its own wait."""
    begun: list[Any] = []

    def act(context: Any, value: Any) -> Any:
        begun.append(value)
        if not value:
            return Wait((), int(parley.clock.now() * 1000) + 60_000, note={"kept": 1})
        return fails(context, value)

    fails = failing_until(parley, 150)
    agents = Agents(parley, blocks=[Probe(act)])
    run_id = agents.start(agents.agent(graph([node("p", "probe"), result("o", "O")], "p.value > o.value")))
    agents.minutes(5)
    assert agents.look(run_id).outputs == {"O": ["ok"]}
    assert (begun[0], {str(one) for one in begun[1:]}) == (None, {"{'kept': 1}"})


def test_a_run_waits_for_a_place_for_another(parley: Parley) -> None:
    """The user has as many in flight as may be; then one ends."""
    parley.with_runs(1, 2)
    agents = Agents(parley)
    agents.agent(GREETER, agent_id="inner")
    outer = graph(
        [node("run", "Run agent", library_agent_id="inner", inputs={"City": "Oslo"}), result("o", "O")],
        "run.outputs > o.value",
    )
    parent = agents.start(agents.agent(outer))
    (first,) = parley.runs_waiting()
    other = agents.start(agents.agent(GREETER), {"City": "Rome"})
    parley.run(first)  # of two places, it holds one itself
    assert agents.look(parent).status == "waiting"
    agents.minutes(1)
    assert {agents.look(run).status for run in (parent, other)} == {"completed"}


@pytest.mark.parametrize("how", ["by itself", "by its user"])
def test_how_long_a_node_took_is_told_across_its_wait(parley: Parley, how: str) -> None:
    """Whoever works on it when, and from where it began, not from where the run did."""
    reviews = Reviews(parley.database, parley.clock)
    agents = Agents(parley, asked=reviews)
    block = node("w", "Wait", seconds=7_200) if how == "by itself" else node("w", "Human review")
    field = "value" if how == "by itself" else "payload"
    made = graph([node("first", "Wait", seconds=3_600, value="x"), block], f"first.value > w.{field}")
    run_id = agents.start(agents.agent(made))
    agents.until_quiet()
    parley.clock.advance(3_600)
    agents.minutes(1)
    (waiting,) = [one for one in agents.nodes(run_id) if one.node_id == "w"]
    began = agents.look(run_id).created_at + 3_600_000
    assert abs(waiting.started_at - began) < 120_000
    assert waiting.inputs[field] == "x"

    parley.clock.advance(7_200)
    for review_id in agents.look(run_id).reviews:
        reviews.decide("ada", review_id, Verdict("approved"))
    agents.minutes(1)
    (ended,) = [one for one in agents.nodes(run_id) if one.node_id == "w"]
    assert (ended.status, ended.started_at) == ("completed", waiting.started_at)
    assert ended.ended_at is not None
    assert abs(ended.ended_at - ended.started_at - 7_200_000) < 120_000
