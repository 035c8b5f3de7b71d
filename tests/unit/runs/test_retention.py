"""What is stored of a run goes with it: every row has an end when it is written, and none goes early."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.agents.library.versions import GraphVersions
from shared.agents.running import RunFilter
from shared.chat.resume import owned_task
from shared.kernel.clock import to_millis
from shared.kernel.errors import NotFound
from shared.kernel.limits import MAX_RUN_DAYS
from shared.runs.asking import Asked, ask_for_run
from shared.runs.hooks import put_hook
from shared.tasks.lineage import children_of
from shared.tasks.wait import Wait
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, Probe, Send, graph, node

DAY = 86_400
LASTS = (31 + 90) * DAY
"""What a run may take, and how long it is kept after that."""


def rows_of(parley: Parley, run_id: str) -> Iterator[dict[str, Any]]:
    """What is stored under the run, and where it is listed."""
    yield from parley.database.query("#pk = :pk", {"pk": f"TASK#{run_id}"})
    run = parley.database.get({"pk": f"TASK#{run_id}", "sk": "RUN"})
    assert run is not None
    for kind, name in (("AGENT", run["library_agent_id"]), ("GRAPH", run["graph_id"])):
        yield from parley.database.query("#pk = :pk", {"pk": f"RUNS#ada#{kind}#{name}"})


def lifetimes(parley: Parley, run_id: str) -> dict[str, set[int]]:
    """Kind of row to the seconds from the run's start to its end."""
    found: dict[str, set[int]] = {}
    started = parley.task(run_id).created_at // 1000
    for row in rows_of(parley, run_id):
        kind = row["sk"].split("#")[0] if row["pk"].startswith("TASK#") else "list"
        found.setdefault(kind, set()).add(row.get("expires_at", 0) - started)
    return found


def test_every_row_of_a_run_has_its_end_when_it_is_written(parley: Parley) -> None:
    """Task, record, lists, executions with long outputs, journals: one end, and no later write for it."""
    until = to_millis(parley.clock.now()) + DAY * 1000
    probe, send = Probe(lambda _, value: Wait((), until) if value == "wait" else "x" * 700_000), Send()
    nodes = [node("w", "probe", value="wait"), node("p", "probe", value="go"), node("s", "send", value="go")]
    agents = Agents(parley, blocks=[probe, send])
    run_id = agents.start(agents.agent(graph(nodes)))
    parley.clock.advance(60)
    agents.until_quiet()
    assert agents.look(run_id).status == "waiting"
    kinds = ("META", "RUN", "NODE", "ORDER", "CALL", "list")
    assert lifetimes(parley, run_id) == {kind: {LASTS} for kind in kinds}
    assert sum(row["sk"].count("#") == 3 for row in rows_of(parley, run_id)) == 2, "pieces of the long output"


def test_a_child_run_has_an_end_of_its_own(parley: Parley) -> None:
    """What leads its parent to it lasts longer than either may take."""
    agents = Agents(parley)
    inner = agents.agent(GREETER)
    calls = graph([node("run", "Run agent", library_agent_id=inner.id, inputs={"City": "Oslo"})])
    run_id = agents.start(agents.agent(calls))
    parley.clock.advance(DAY)
    agents.until_quiet()
    (child,) = children_of(parley.database, parley.task(run_id))
    assert lifetimes(parley, child) == {kind: {LASTS} for kind in ("META", "RUN", "NODE", "ORDER", "list")}
    assert min(lifetimes(parley, run_id)["CHILD"]) > 366 * DAY


def test_a_run_that_has_expired_does_not_exist(parley: Parley) -> None:
    """From that second on, though DynamoDB deletes it days later."""
    agents = Agents(parley)
    run = agents.run(GREETER, {"City": "Oslo"})
    parley.clock.advance_to(run.created_at // 1000 + LASTS - 1)
    assert agents.look(run.id).outputs == {"Greeting": ["Hello Oslo"]}
    assert [one.id for one in agents.runs.recent("ada", RunFilter())] == [run.id]
    assert owned_task(parley.services, run.id, "ada").id == run.id
    parley.clock.advance(1)
    assert agents.runs.look("ada", run.id) is None
    assert agents.runs.stop("ada", run.id) is None
    assert list(agents.runs.nodes("ada", run.id)) == []
    for wanted in (RunFilter(), RunFilter(library_agent_id=run.library_agent_id)):
        assert list(agents.runs.recent("ada", wanted)) == []
    with pytest.raises(NotFound):
        owned_task(parley.services, run.id, "ada")


def test_a_run_ends_before_its_records_do(parley: Parley) -> None:
    """Also if the deployment has been told meanwhile that runs may take longer: a day before, at the latest."""
    until = to_millis(parley.clock.now()) + 1_000 * DAY * 1000
    probe = Probe(lambda *_: Wait((), until))
    agents = Agents(parley, blocks=[probe])
    run = agents.run(graph([node("w", "probe", value="wait")]))
    parley.services = replace(parley.services, run_max_days=365)
    parley.clock.advance(30 * DAY)
    agents.minutes(1)
    assert agents.look(run.id).status == "waiting"
    parley.clock.advance_to(run.created_at // 1000 + LASTS - DAY - 120)
    agents.minutes(4)
    assert (agents.look(run.id).status, agents.look(run.id).error_code) == ("failed", "run_time_over")


def test_a_delivery_goes_a_week_after_its_last_attempt(parley: Parley) -> None:
    """Its task and its message, whatever becomes of it."""
    agents = Agents(parley)
    agent = agents.agent(GREETER)
    put_hook(parley.database, "ada", agent.id, "https://hooks.example.com/runs")
    run_id = agents.start(agent, {"City": "Oslo"})
    parley.run(run_id)
    (delivery,) = [task_id for task_id in parley.runs_waiting() if task_id != run_id]
    rows = list(parley.database.query("#pk = :pk", {"pk": f"TASK#{delivery}"}))
    assert {row["sk"]: row["expires_at"] - int(parley.clock.now()) for row in rows} == {
        "DELIVERY": 8 * DAY,
        "META": 8 * DAY,
    }


def test_a_callers_own_id_stands_for_its_run_for_a_day(parley: Parley) -> None:
    """After that it starts another one, also while DynamoDB has not deleted the claim."""
    agents = Agents(parley)
    agent = agents.agent(GREETER)

    def asked() -> str:
        mine = Asked("ada", agent.id, {"City": "Oslo"}, dry_run=False, request_id="mine")
        return ask_for_run(parley.services, agents.runs, agents.library, None, mine).id

    first = asked()
    parley.clock.advance(DAY - 1)
    assert asked() == first
    parley.clock.advance(1)
    assert asked() != first


def test_what_a_run_needs_lasts_as_long_as_any_run_may(parley: Parley) -> None:
    """Its place in the pool, and the version that it runs, though a hundred newer ones have come."""
    parley.with_runs(5, 10)
    agents = Agents(parley)
    agent = agents.agent(GREETER)
    agents.start(agent, {"City": "Oslo"})
    now = int(parley.clock.now())
    (pool,) = parley.database.query("#pk = :pk", {"pk": "POOL#runs:ada"})
    assert pool["expires_at"] > now + MAX_RUN_DAYS * DAY
    GraphVersions(parley.database, parley.clock).expire(agent.graph_id, range(1, 2))
    rows = parley.database.query("#pk = :pk", {"pk": f"GRAPH#{agent.graph_id}"})
    lasts = [row["expires_at"] for row in rows if row["sk"].startswith("VERSION#")]
    assert min(lasts) > now + MAX_RUN_DAYS * DAY
