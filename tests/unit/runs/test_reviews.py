"""Runs that wait for their user: at no cost, for one verdict, and for one execution of what was approved."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.accounts.credits import Credits
from shared.agents.graphs.model import Graph
from shared.agents.reviews.gate import InputReviews
from shared.agents.reviews.records import EXPIRY_DAYS, Asking
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.agents.running import RunFilter, RunView
from shared.chat.review_news import review_changed
from shared.chat.sessions import owned_session
from shared.kernel.errors import Gone, ParleyError
from shared.runs import work
from shared.tasks.lineage import Lineage, children_of
from shared.tasks.records import TaskStatus
from tests.support.chat_blocks import Paint, paint, with_blocks
from tests.support.faults import FaultKind, Killed
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.runs import OWN, Agents, Probe, Send, given, graph, node, result

APPROVED = Verdict("approved")
REJECTED = Verdict("rejected", message="Too loud.")
DAY = 86_400


class AsksFirst(Send):
    """Its user is asked before it takes effect."""

    id = OWN["asks"]
    name = "Asks first"
    needs_review = True


ASKING = graph(
    [given("in", "Text"), node("s", "asks"), result("out", "Sent")], "in.value > s.value", "s.value > out.value"
)
LOOKED_AT = graph(
    [given("in", "Text"), node("h", "Human review", name="Post it?"), result("yes", "Yes"), result("no", "No")],
    "in.value > h.payload",
    "h.approved_data > yes.value",
    "h.rejected_data > no.value",
)


def reviews_of(parley: Parley) -> Reviews:
    return Reviews(parley.database, parley.clock)


def agents_of(parley: Parley, block: AsksFirst | None = None) -> Agents:
    gate = InputReviews(reviews_of(parley), parley.clock)
    return Agents(parley, reviews=gate, blocks=[block] if block else [], asked=reviews_of(parley))


def waiting(agents: Agents, made_of: Any = ASKING, text: str = "Hello") -> RunView:
    """A run that waits for its review."""
    run = agents.run(made_of, {"Text": text})
    assert run.status == "review"
    return run


def decide(agents: Agents, run: RunView, verdict: Verdict = APPROVED) -> RunView:
    """The user says so, and whoever is woken by that works."""
    reviews_of(agents.parley).decide("ada", run.reviews[0], verdict)
    agents.until_quiet()
    return agents.look(run.id)


def test_a_run_waits_for_its_user_at_no_cost(parley: Parley) -> None:
    """It names its review, holds no lease and no slot, and has not done what it asks about."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    run = waiting(agents)
    task = parley.task(run.id)
    review = reviews_of(parley).get("ada", run.reviews[0])
    assert (task.status, task.lease_expires, block.calls) == (TaskStatus.WAITING, 0, [])
    assert (review.task_id, review.block_name, review.value) == (run.id, "Asks first", {"value": "Hello"})
    assert [one.status for one in agents.nodes(run.id)] == ["completed", "review"]


def test_what_was_approved_runs_once(parley: Parley) -> None:
    """However often it is approved, and the run is woken."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    run = waiting(agents)
    ended = decide(agents, run)
    assert (ended.status, ended.outputs, ended.reviews) == ("completed", {"Sent": ["Hello"]}, ())
    for _ in range(2):
        reviews_of(parley).decide("ada", run.reviews[0], APPROVED)
        review_changed(parley.services, run.reviews[0])
        parley.run(run.id)
        agents.until_quiet()
    assert [value for _, value in block.calls] == ["Hello"]


def test_edited_inputs_are_what_runs(parley: Parley) -> None:
    """And what the node shows."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    run = waiting(agents)
    ended = decide(agents, run, Verdict("approved", data={"value": "Good day"}, edited=True))
    assert (ended.outputs, [value for _, value in block.calls]) == ({"Sent": ["Good day"]}, ["Good day"])
    assert agents.nodes(run.id)[1].inputs == {"value": "Good day"}


def test_edited_inputs_are_validated_again(parley: Parley) -> None:
    """What doesn't fit is not run."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    ended = decide(agents, waiting(agents), Verdict("approved", data={"volume": 11}, edited=True))
    assert (ended.status, ended.error_code, block.calls) == ("failed", "input_invalid", [])


def test_what_was_rejected_fails_its_node(parley: Parley) -> None:
    """With what the user wrote; an agent may go on from there."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    ended = decide(agents, waiting(agents), REJECTED)
    assert (ended.status, ended.error_code, "Too loud." in ended.error) == ("failed", "review_rejected", True)

    made = graph(
        [given("in", "Text"), node("s", "asks"), result("why", "Why")], "in.value > s.value", "s.error > why.value"
    )
    ended = decide(agents, waiting(agents, made), REJECTED)
    assert (ended.status, "Too loud." in ended.outputs["Why"][0], block.calls) == ("completed", True, [])


def test_nobody_answers(parley: Parley) -> None:
    """After thirty days the node fails, and the verdict comes too late."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    run = waiting(agents)
    parley.clock.advance(EXPIRY_DAYS * DAY)
    with pytest.raises(Gone):
        reviews_of(parley).decide("ada", run.reviews[0], APPROVED)
    agents.minutes(2)
    ended = agents.look(run.id)
    assert (ended.status, ended.error_code, block.calls) == ("failed", "review_expired", [])


def test_a_review_that_was_decided_is_not_waited_for(parley: Parley) -> None:
    """The run waits for the time behind it, and says that."""
    agents = agents_of(parley)
    nodes = [given("in", "Text"), node("h", "Human review"), node("w", "Wait", seconds=7200), result("out", "Sent")]
    links = ["in.value > h.payload", "h.approved_data > w.value", "w.value > out.value"]
    ended = decide(agents, waiting(agents, graph(nodes, *links)))
    assert (ended.status, ended.reviews, parley.task(ended.id).status) == ("waiting", (), TaskStatus.WAITING)


def test_each_execution_has_a_review_of_its_own(parley: Parley) -> None:
    """Also about the same inputs."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    nodes = [node("loop", "Loop over a list", items=["a", "a", "b"]), node("s", "asks"), result("out", "Sent")]
    run = waiting(agents, graph(nodes, "loop.item > s.value", "s.value > out.value"))
    assert len(set(run.reviews)) == 3
    for review_id in run.reviews:
        reviews_of(parley).decide("ada", review_id, APPROVED)
    agents.until_quiet()
    assert agents.look(run.id).outputs == {"Sent": ["a", "a", "b"]}
    assert sorted(value for _, value in block.calls) == ["a", "a", "b"]


def test_a_run_shows_what_it_still_asks(parley: Parley) -> None:
    """Not what has been answered: neither by the node that has ended, nor for the run."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    made = graph(
        [given("in", "Text"), node("a", "asks"), node("b", "asks"), result("out", "Sent")],
        "in.value > a.value",
        "a.value > b.value",
        "b.value > out.value",
    )
    first = waiting(agents, made)
    second = decide(agents, first)
    assert (second.status, len(second.reviews)) == ("review", 1)
    assert second.reviews != first.reviews
    assert decide(agents, second).status == "completed"


@pytest.mark.parametrize(
    ("verdict", "outputs"),
    [
        (APPROVED, {"Yes": ["Hello"]}),
        (Verdict("approved", data="Good day", edited=True), {"Yes": ["Good day"]}),
        (REJECTED, {"No": ["Hello"]}),
    ],
)
def test_an_agent_has_something_looked_at(parley: Parley, verdict: Verdict, outputs: dict[str, Any]) -> None:
    """By the block that is made for it."""
    agents = agents_of(parley)
    ended = decide(agents, waiting(agents, LOOKED_AT), verdict)
    assert (ended.status, ended.outputs) == ("completed", outputs)


def test_a_dry_run_asks_nobody(parley: Parley) -> None:
    """It goes on as if all had been approved."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    for made in (ASKING, LOOKED_AT):
        run = agents.run(made, {"Text": "Hello"}, lineage=Lineage(dry_run=True))
        assert run.status == "completed"
    assert reviews_of(parley).page("ada", None, 10) == ([], "")


@pytest.mark.parametrize("told_first", ["of the end", "of the review"])
def test_a_run_that_has_ended_asks_no_more(parley: Parley, told_first: str) -> None:
    """Whichever the stream tells of first. What was decided before stays as it is."""
    block = AsksFirst()
    agents = agents_of(parley, block)
    made = graph([node("loop", "Loop over a list", items=["a", "b"]), node("s", "asks")], "loop.item > s.value")
    run_id = agents.start(agents.agent(made))
    parley.drain_runs()
    decided, open_ = agents.look(run_id).reviews
    reviews_of(parley).decide("ada", decided, REJECTED)
    if told_first == "of the review":
        parley.state_changes()
    agents.runs.stop("ada", run_id)
    agents.until_quiet()
    assert [reviews_of(parley).get("ada", one).status for one in (decided, open_)] == ["rejected", "closed"]
    assert reviews_of(parley).page("ada", "pending", 10) == ([], "")
    with pytest.raises(Gone) as refused:
        reviews_of(parley).decide("ada", open_, APPROVED)
    assert (refused.value.code, block.calls) == ("review_closed", [])


def test_a_review_that_comes_after_the_end_is_closed(parley: Parley) -> None:
    """A worker that had not heard of the stop has asked."""
    agents = agents_of(parley, AsksFirst())
    run_id = agents.start(agents.agent(ASKING), {"Text": "Hello"})
    agents.runs.stop("ada", run_id)
    agents.until_quiet()
    asking = Asking("ada", "run", run_id, "s.0", "home", AsksFirst.id, "Asks first", {"value": "Hello"})
    late = reviews_of(parley).request(asking)
    agents.until_quiet()
    assert reviews_of(parley).get("ada", late.id).status == "closed"


@pytest.mark.parametrize("made", [ASKING, LOOKED_AT])
def test_nobody_is_given_more_time_than_the_run_has(parley: Parley, made: Graph) -> None:
    """It asks on its 29th day, and may take 31."""
    agents = agents_of(parley, AsksFirst())
    nodes = [node("w", "Wait", seconds=29 * DAY), *made.nodes]
    asks = next(one.id for one in made.nodes if one.id in {"s", "h"})
    field = "value" if asks == "s" else "payload"
    rest = [one for one in made.links if one.sink_id != asks]
    run_id = agents.start(agents.agent(graph(nodes, f"w.value > {asks}.{field}", *rest)))
    agents.until_quiet()
    parley.clock.advance(29 * DAY)
    agents.minutes(2)
    (review_id,) = agents.look(run_id).reviews
    over = agents.look(run_id).created_at + parley.services.run_max_days * DAY * 1000
    assert reviews_of(parley).get("ada", review_id).expires == over


@pytest.mark.parametrize("kind", ["error_after", "kill_after"])
def test_whatever_breaks_between_the_verdict_and_the_end(parley: Parley, kind: FaultKind) -> None:
    """It is run once at most, and the run ends; what may have been done is never done again."""
    for at in range(0, 200, 3):
        parley.wipe()
        block = AsksFirst()
        agents = agents_of(parley, block)
        run = waiting(agents)
        reviews_of(parley).decide("ada", run.reviews[0], APPROVED)
        parley.watch.reset(fault_at=at, fault=kind)
        with suppress(Killed, ParleyError):
            agents.until_quiet()
        struck = len(parley.watch.calls) > at
        parley.watch.reset()
        agents.until_quiet()
        agents.minutes(3)
        ended = agents.look(run.id)
        done = ended.status == "completed" and ended.outputs == {"Sent": ["Hello"]}
        assert done or (ended.status, ended.error_code) == ("failed", "outcome_unknown"), (at, ended)
        assert len(block.calls) == 1 if done else len(block.calls) <= 1
        if not struck:
            assert at > 10
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("kind", ["error_after", "kill_after"])
def test_whatever_breaks_while_it_asks(parley: Parley, kind: FaultKind) -> None:
    """The user is asked once."""
    for at in range(0, 200, 3):
        parley.wipe()
        block = AsksFirst()
        agents = agents_of(parley, block)
        run_id = agents.start(agents.agent(ASKING), {"Text": "Hello"})
        parley.watch.reset(fault_at=at, fault=kind)
        with suppress(Killed, ParleyError):
            agents.until_quiet()
        struck = len(parley.watch.calls) > at
        parley.watch.reset()
        agents.minutes(3)
        run = agents.look(run_id)
        listed, _ = reviews_of(parley).page("ada", None, 10)
        assert (run.status, [one.id for one in listed], block.calls) == ("review", list(run.reviews), []), at
        if not struck:
            assert at > 10
            return
    raise AssertionError("it never ends")


class UsesAccount(Probe):
    """Reads something with an account of its user."""

    id = OWN["asks"]
    name = "Uses an account"

    def credentials_for(self, given: Mapping[str, Any]) -> Sequence[str]:
        return ("http_bearer",)


def accounts(parley: Parley) -> tuple[UsesAccount, Agents]:
    """A block that uses an account, and agents that can ask."""
    block = UsesAccount()
    gate = InputReviews(reviews_of(parley), parley.clock)
    return block, Agents(parley, reviews=gate, blocks=[block], asked=reviews_of(parley))


def test_an_agent_of_another_user_asks_before_it_uses_an_account(parley: Parley) -> None:
    """Who has made it might send on what it reads; one's own agents, and those that Parley ships, are trusted."""
    block, agents = accounts(parley)
    own = agents.agent(ASKING)
    anothers = replace(own, owns_graph=False, slug="bob/reader")
    shipped = replace(own, owns_graph=False, slug="parley/summarise-a-page")

    runs = [agents.start(agent, {"Text": "Hello"}) for agent in (own, anothers, shipped)]
    agents.until_quiet()

    assert [agents.look(run).status for run in runs] == ["completed", "review", "completed"]
    assert len(block.calls) == 2
    assert decide(agents, agents.look(runs[1])).status == "completed"
    assert len(block.calls) == 3


def test_what_it_runs_asks_too(parley: Parley) -> None:
    """One's own agent, with inputs of its choice."""
    block, agents = accounts(parley)
    agents.agent(ASKING, agent_id="mine")
    outer = agents.agent(graph([node("run", "Run agent", library_agent_id="mine", inputs={"Text": "Hello"})]))
    agents.start(replace(outer, owns_graph=False, slug="bob/reader"))
    agents.until_quiet()
    first, second = agents.runs.recent("ada", RunFilter())
    assert (first.status, second.status) == ("review", "review")
    assert first.reviews == second.reviews != ()
    assert block.calls == []


def test_so_does_its_sub_session(parley: Parley) -> None:
    """In the turn that it has prompted, and in whatever is said there later."""
    block = Paint(needs=("webhook_signing",))
    with_blocks(parley, block)
    agents = Agents(parley)
    outer = agents.agent(graph([node("ap", "AutoPilot", prompt="Paint"), result("o", "O")], "ap.tool_calls > o.value"))
    for agent in (outer, replace(outer, owns_graph=False, slug="bob/painter")):
        Credits(parley.database, parley.clock).grant("ada", 10, agent.slug)
        parley.scripted(calls(("c1", *_painting())), says("Done"))
        run_id = agents.start(agent)
        agents.until_quiet()
    assert block.painted == ["river"]
    (called,) = agents.look(run_id).outputs["O"][0]
    assert "review_required" in str(called)

    (session_id,) = {parley.task(child).session_id for child in children_of(parley.database, parley.task(run_id))}
    session = owned_session(parley.database, session_id, "ada")
    parley.scripted(calls(("c2", *_painting("lake"))), says("Done"))
    parley.send(session, message_id="later")
    parley.drain_queue()
    assert block.painted == ["river"]


def _painting(text: str = "river") -> tuple[str, str]:
    name, arguments = paint(text)
    return name, json.dumps(arguments)


def test_a_branch_that_is_ready_does_not_stand_still_while_others_wait(
    parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reviews that nobody has looked at hold no place that something could run in."""
    monkeypatch.setattr(work, "MOST_AT_ONCE", 2)
    probe = Probe()
    agents = Agents(parley, blocks=[probe], asked=reviews_of(parley))
    nodes = [
        node("loop", "Loop over a list", items=list(range(3))),
        node("h", "Human review"),
        node("w", "Wait", seconds=600),
        node("p", "probe"),
    ]
    run_id = agents.start(agents.agent(graph(nodes, "loop.item > h.payload", "w.value > p.value")))
    agents.until_quiet()
    parley.clock.advance(600)
    agents.minutes(1)
    run = agents.look(run_id)
    assert (run.status, len(run.reviews), len(probe.calls)) == ("review", 3, 1)


def test_there_is_a_bound_to_what_waits_and_to_what_goes_on_at_once(
    parley: Parley, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is behind it comes later; and all comes."""
    monkeypatch.setattr(work, "MOST_WAITING", 4)
    monkeypatch.setattr(work, "MOST_AT_ONCE", 2)
    agents = Agents(parley)
    nodes = [
        node("loop", "Loop over a list", items=list(range(6))),
        node("w", "Wait", seconds=600),
        node("all", "Merge"),
        result("out", "N"),
    ]
    made = graph(nodes, "loop.item > w.value", "w.value > all.values", "all.count > out.value")
    run_id = agents.start(agents.agent(made))
    agents.until_quiet()
    assert [one.status for one in agents.nodes(run_id)].count("waiting") == 4
    for _ in range(2):
        parley.clock.advance(600)
        agents.minutes(1)
    assert agents.look(run_id).outputs == {"N": [6]}
