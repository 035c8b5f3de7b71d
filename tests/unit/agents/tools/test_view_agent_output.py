"""Each answer of `view_agent_output`."""

from typing import Any

import pytest

from shared.accounts.profile import Profile, Profiles
from shared.agents.library.records import LibraryAgent
from shared.agents.tools.view_agent_output import ViewAgentOutput
from shared.tasks.lineage import Lineage
from tests.support.agent_calls import Caller
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, given, graph, node, result

HOUR = 3_600
SECRETIVE = graph(
    [given("in", "Key", value_schema={"type": "string", "format": "password"}), given("b", "City")], name="Secretive"
)
FAILING = graph([node("q", "JSON query", query="a[", document={}), result("out", "Never")], "q.result > out.value")


@pytest.fixture
def caller(parley: Parley) -> Caller:
    parley.with_turns(None, None)
    return Caller(parley, Agents(parley))


@pytest.fixture
def greeter(caller: Caller) -> LibraryAgent:
    return caller.agents.agent(GREETER.model_copy(update={"name": "Greeter of towns"}))


def ran(caller: Caller, agent: LibraryAgent, city: str = "Paris", *, finish: bool = True, **more: Any) -> str:
    """A run of the agent, later than those before; its id."""
    caller.parley.clock.advance(1)
    run_id = caller.agents.start(agent, {"City": city}, **more)
    if finish:
        caller.parley.drain_runs()
    return run_id


# -- which agent -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{}, {"run_time": "today"}, {"agent_name": "  ", "execution_id": None}])
def test_without_an_identifier_it_names_the_four(caller: Caller, arguments: dict[str, Any]) -> None:
    answer = caller.view(**arguments)
    assert answer["code"] == "missing_identifier"
    for name in ("agent_name", "library_agent_id", "store_slug", "execution_id"):
        assert name in answer["message"]


def test_guests_need_to_sign_in() -> None:
    """The turn answers `need_login` for it."""
    assert ViewAgentOutput.requires_auth


def test_a_name_finds_the_agent_that_fits_best(caller: Caller, greeter: LibraryAgent) -> None:
    """With a mistake in it."""
    run_id = ran(caller, greeter)
    answer = caller.view(agent_name=" greter of town")
    assert answer["type"] == "agent_output"
    assert (answer["agent_name"], answer["agent_id"]) == ("Greeter of towns", greeter.graph_id)
    assert (answer["library_agent_id"], answer["library_agent_link"]) == (greeter.id, greeter.link)
    execution = answer["execution"]
    assert (execution["execution_id"], execution["status"]) == (run_id, "COMPLETED")
    assert execution["outputs"] == {"Greeting": ["Hello Paris"]}
    assert execution["inputs_summary"] == {"City": "Paris"}
    assert (execution["link"], execution["error"]) == (f"/#run={run_id}", None)
    assert (answer["total_executions"], answer["available_executions"]) == (1, None)


def test_id_goes_before_slug_and_slug_before_name(caller: Caller, greeter: LibraryAgent) -> None:
    """A better one that doesn't fit is not made up for by the others."""
    ran(caller, greeter)
    added = caller.agents.library.add_published("ada", "parley/compare-two-texts")
    other = {"store_slug": added.slug, "agent_name": "Greeter of towns"}
    assert caller.view(library_agent_id=greeter.id, **other)["type"] == "agent_output"
    assert "Compare" in caller.view(**other)["message"]
    assert caller.view(library_agent_id="none", **other)["type"] == "no_results"


def test_a_slug_of_the_library(caller: Caller) -> None:
    """Whatever its capitals."""
    added = caller.agents.library.add_published("ada", "parley/compare-two-texts")
    answer = caller.view(store_slug="Parley/Compare-Two-Texts")
    assert (answer["type"], added.link in answer["message"]) == ("no_results", True)


def test_a_slug_that_is_not_in_the_library(caller: Caller) -> None:
    """Add it first; one that is not published either is just not there."""
    assert "add it first" in caller.view(store_slug="parley/watch-a-page")["message"]
    assert "add it first" not in caller.view(store_slug="parley/nothing")["message"]


def test_what_is_not_there_and_what_is_somebody_elses_look_the_same(caller: Caller, greeter: LibraryAgent) -> None:
    """An agent by id or name, and a run; each has suggestions."""
    run_id = ran(caller, greeter)
    for mine, missing in (
        ({"library_agent_id": greeter.id}, {"library_agent_id": "none"}),
        ({"agent_name": "Greeter of towns"}, {"agent_name": "Zzz"}),
        ({"execution_id": run_id}, {"execution_id": "none"}),
    ):
        answer = caller.view(user="bob", **mine)
        assert answer["type"] == "no_results"
        assert answer["suggestions"]
        assert caller.view(**missing) == answer


# -- one run -----------------------------------------------------------------------------------


def test_a_run_by_itself_finds_its_agent(caller: Caller, greeter: LibraryAgent) -> None:
    first = ran(caller, greeter)
    ran(caller, greeter, "Rome")
    answer = caller.view(execution_id=first)
    assert (answer["library_agent_id"], answer["execution"]["execution_id"]) == (greeter.id, first)
    assert caller.view(library_agent_id=greeter.id, execution_id=first) == answer


def test_a_run_of_another_agent_is_not_found(caller: Caller, greeter: LibraryAgent) -> None:
    run_id = ran(caller, greeter)
    other = caller.agents.agent(GREETER)
    assert caller.view(library_agent_id=other.id, execution_id=run_id)["type"] == "no_results"


def test_a_run_whose_agent_was_deleted(caller: Caller, greeter: LibraryAgent) -> None:
    """The user's own, but there is no agent to show it of."""
    run_id = ran(caller, greeter)
    caller.agents.library.delete(greeter)
    answer = caller.view(execution_id=run_id)
    assert answer["type"] == "no_results"
    assert "not in the user's library" in answer["message"]


def test_a_run_that_has_failed_says_so(caller: Caller) -> None:
    """By its id; without it only completed ones count."""
    agent = caller.agents.agent(FAILING)
    run_id = caller.agents.start(agent)
    caller.agents.until_quiet()
    answer = caller.view(execution_id=run_id)
    assert answer["execution"]["status"] == "FAILED"
    assert answer["execution"]["error"]
    assert "has failed" in answer["message"]
    assert caller.view(library_agent_id=agent.id)["type"] == "no_results"


def test_a_run_that_was_stopped_says_so(caller: Caller, greeter: LibraryAgent) -> None:
    run_id = ran(caller, greeter, finish=False)
    caller.agents.runs.stop("ada", run_id)
    answer = caller.view(execution_id=run_id)
    assert (answer["execution"]["status"], "was stopped" in answer["message"]) == ("TERMINATED", True)


def test_secrets_among_the_inputs_are_hidden(caller: Caller) -> None:
    agent = caller.agents.agent(SECRETIVE)
    run_id = caller.agents.start(agent, {"Key": "s3cret", "City": "x" * 1_000})
    caller.agents.until_quiet()
    summary = caller.view(execution_id=run_id)["execution"]["inputs_summary"]
    assert summary["Key"] == "(hidden)"
    assert len(summary["City"]) == 400


def test_a_dry_run_shows_its_nodes(caller: Caller, greeter: LibraryAgent) -> None:
    """Others don't: they would be too much."""
    real, dry = ran(caller, greeter), ran(caller, greeter, lineage=Lineage(dry_run=True))
    shown = caller.view(execution_id=dry)["execution"]
    assert shown["is_dry_run"] is True
    assert [one["block_name"] for one in shown["node_executions"]] == ["Agent input", "Text template", "Agent output"]
    assert caller.view(execution_id=real)["execution"]["node_executions"] is None


def test_a_dry_run_with_secrets_does_not_show_them(caller: Caller) -> None:
    """Its nodes would: what was given stands in the inputs of one, and in the outputs."""
    agent = caller.agents.agent(SECRETIVE)
    run_id = caller.agents.start(agent, {"Key": "s3cret", "City": "Paris"}, lineage=Lineage(dry_run=True))
    caller.agents.until_quiet()
    answer = caller.view(execution_id=run_id)
    assert answer["execution"]["is_dry_run"] is True
    assert "s3cret" not in str(answer)
    caller.agents.library.delete(agent)  # nobody knows any more what was secret
    assert "s3cret" not in str(caller.view(execution_id=run_id))


# -- several runs ------------------------------------------------------------------------------


def test_the_newest_in_full_and_five_listed(caller: Caller, greeter: LibraryAgent) -> None:
    """Ten are found at most."""
    runs = [ran(caller, greeter, f"City {number}") for number in range(12)][::-1]
    answer = caller.view(library_agent_id=greeter.id)
    assert answer["execution"]["outputs"] == {"Greeting": ["Hello City 11"]}
    assert [one["execution_id"] for one in answer["available_executions"]] == runs[1:6]
    assert answer["total_executions"] == 10


def test_a_time_chooses_among_them(caller: Caller, greeter: LibraryAgent) -> None:
    """On the user's clocks; what nobody understands means the latest."""
    Profiles(caller.parley.database, caller.parley.clock).save("ada", Profile(timezone="Asia/Tokyo"))
    # The tests' clock begins at 2025-06-15T15:06:40Z, which is six minutes past midnight in Tokyo.
    old = ran(caller, greeter, "Old")
    caller.parley.clock.advance(24 * HOUR)
    new = ran(caller, greeter, "New")
    for said, found in (
        ("yesterday", old),
        ("2025-06-16", old),
        ("2025-06-16T00:30", old),
        ("today", new),
        ("latest", new),
        ("whenever", new),
        ("last week", new),
    ):
        assert caller.view(library_agent_id=greeter.id, run_time=said)["execution"]["execution_id"] == found, said
    assert caller.view(library_agent_id=greeter.id, run_time="2025-06-15")["type"] == "no_results"


# -- waiting -----------------------------------------------------------------------------------


def test_without_waiting_only_completed_runs_count(caller: Caller, greeter: LibraryAgent) -> None:
    """The suggestion says how the others do."""
    done, going = ran(caller, greeter), ran(caller, greeter, finish=False)
    assert caller.view(library_agent_id=greeter.id)["execution"]["execution_id"] == done
    waits = caller.view(library_agent_id=greeter.id, wait_if_running=60)
    assert (waits["type"], waits["note"]["run"]) == ("wait", going)
    assert waits["on"] == (f"TASK#{going}", f"PAUSE#{going}")
    other = caller.agents.agent(GREETER)
    ran(caller, other, finish=False)
    assert "wait_if_running" in str(caller.view(library_agent_id=other.id)["suggestions"])


def test_a_run_that_goes_on_is_shown_as_it_is_by_its_id(caller: Caller, greeter: LibraryAgent) -> None:
    """Nobody waits unless that is wanted."""
    run_id = ran(caller, greeter, finish=False)
    answer = caller.view(execution_id=run_id)
    assert (answer["execution"]["status"], answer["execution"]["outputs"]) == ("QUEUED", {})
    assert "not ended yet" in answer["message"]


def test_a_newer_run_does_not_take_the_place_of_the_one_that_is_waited_for(
    caller: Caller, greeter: LibraryAgent
) -> None:
    """It is listed with the others."""
    waited = ran(caller, greeter, finish=False)
    tool = ViewAgentOutput(caller.means)
    arguments = tool.input_model.model_validate({"library_agent_id": greeter.id, "wait_if_running": 60})
    note = caller.view(library_agent_id=greeter.id, wait_if_running=60)["note"]
    newer = ran(caller, greeter, "Rome")
    answer = tool.resume(caller.context(), arguments, note)  # type: ignore[arg-type]
    shown = answer.model_dump()  # type: ignore[union-attr]
    assert shown["execution"]["execution_id"] == waited
    assert [one["execution_id"] for one in shown["available_executions"]] == [newer]


def test_what_was_waited_for_is_shown_though_another_agent_has_its_name_by_now(
    caller: Caller, greeter: LibraryAgent
) -> None:
    run_id = ran(caller, greeter, finish=False)
    asked: dict[str, Any] = {"agent_name": "Greeter of towns", "wait_if_running": 60}
    waited = caller.view(**asked)
    assert waited["type"] == "wait"
    caller.agents.agent(GREETER.model_copy(update={"name": "Greeter of towns"}))
    caller.parley.drain_runs()
    shown = caller.wake_view(waited, **asked)
    assert (shown["type"], shown["execution"]["execution_id"]) == ("agent_output", run_id)
