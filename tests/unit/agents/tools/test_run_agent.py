"""Each answer of `run_agent`, in the order in which it looks at what is in the way."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from shared.agents.blocks.registry import shipped_block
from shared.agents.graphs.model import Node
from shared.agents.library.library import Library
from shared.agents.running import RunFilter, RunRequest, RunView
from shared.agents.scheduling import AgentRun
from shared.agents.tools.agent_usage import MAX_OF_ONE_AGENT, AgentUsage, Kind
from shared.kernel.errors import Invalid, LimitReached, ParleyError, Retryable, ToolError
from shared.kernel.ids import dated_id
from shared.runs.starting import Runs
from tests.support.agent_calls import Caller, Connected
from tests.support.faults import Killed
from tests.support.logs import logged
from tests.support.region import Parley
from tests.support.runs import GREETER, Agents, Probe, given, graph, node, result

SCHEDULE: dict[str, Any] = {"schedule_name": "Mornings", "cron": "0 9 * * *"}
PARIS: dict[str, Any] = {"inputs": {"City": "Paris"}}
WITH_DEFAULT = graph([given("in", "City", default="Oslo"), given("too", "Mood", default=None)], name="Easy")


class Connects(Probe):
    """Needs an account. A test names it `connects`."""

    id = "connects"
    name = "Connects"
    credentials: ClassVar[Sequence[str]] = ("mail",)


class Triggered(Probe):
    """Starts when a request comes from outside. A test names it `triggered`."""

    id = "triggered"
    name = "Triggered"
    is_trigger = True


BLOCKS = {block.id: block for block in (Connects(), Triggered())}


@pytest.fixture
def caller(parley: Parley) -> Caller:
    return Caller(parley, Agents(parley), find_block=lambda id_: BLOCKS.get(id_) or shipped_block(id_))


@pytest.fixture
def greeter(caller: Caller) -> dict[str, Any]:
    return {"library_agent_id": caller.agents.agent(GREETER).id}


# -- which agent -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({}, "missing_identifier"),
        ({"username_agent_slug": "   ", "library_agent_id": " "}, "missing_identifier"),
        ({"username_agent_slug": None}, "missing_identifier"),
        ({"username_agent_slug": "greeter"}, "invalid_identifier"),
        ({"username_agent_slug": "a/b/c"}, "invalid_identifier"),
    ],
)
def test_an_agent_must_be_named(caller: Caller, named: dict[str, Any], code: str) -> None:
    """That comes before everything else, also for a guest."""
    assert caller.run(**named)["code"] == code
    assert caller.run(user="guest:1", **named)["code"] == code


def test_a_guest_needs_to_sign_in(caller: Caller, greeter: dict[str, Any]) -> None:
    """Before anybody looks whether there is such an agent."""
    assert caller.run(user="guest:1", **greeter)["type"] == "need_login"
    assert caller.run(user="guest:1", library_agent_id="none")["type"] == "need_login"


def test_an_agent_that_is_not_there_and_one_of_somebody_else_look_the_same(
    caller: Caller, greeter: dict[str, Any]
) -> None:
    """In each word."""
    missing = caller.run(library_agent_id="none")
    assert missing["code"] == "agent_not_found"
    assert caller.run(user="bob", **greeter) == missing
    assert caller.run(username_agent_slug="nobody/nothing") == missing


def test_a_published_agent_is_added_to_the_library_once(caller: Caller) -> None:
    """By its slug, whose spaces and capitals don't matter."""
    first = caller.run(username_agent_slug="  Parley/compare-two-texts ")
    again = caller.run(username_agent_slug="parley/compare-two-texts")
    assert first["type"] == "agent_details"
    assert first["library_agent_id"] == again["library_agent_id"]
    assert len(Library(caller.parley.database, caller.parley.clock).page("ada", 10).agents) == 1


def test_the_library_id_goes_before_the_slug(caller: Caller, greeter: dict[str, Any]) -> None:
    answer = caller.run(username_agent_slug="parley/compare-two-texts", **greeter)
    assert answer["library_agent_id"] == greeter["library_agent_id"]


# -- what is in the way ------------------------------------------------------------------------


def test_missing_credentials_come_before_the_inputs(caller: Caller) -> None:
    """The card says what the agent needs and what is missing; nothing is run, whatever the inputs."""
    agent = caller.agents.agent(graph([given("in", "City"), Node(id="x", block_id="connects")], name="Mailer"))
    answer = caller.run(library_agent_id=agent.id, inputs={"nonsense": 1})
    assert answer["type"] == "setup_requirements"
    info = answer["setup_info"]
    assert (info["agent_id"], info["agent_name"]) == (agent.graph_id, "Mailer")
    assert info["requirements"]["credentials"] == ["mail"]
    assert info["requirements"]["execution_modes"] == ["manual", "scheduled"]
    assert list(info["requirements"]["inputs"]["properties"]) == ["City"]
    assert info["user_readiness"] == {
        "has_all_credentials": False,
        "missing_credentials": ["mail"],
        "ready_to_run": False,
    }
    assert answer["library_agent_link"] == agent.link

    caller.connected = Connected({"mail"})
    assert caller.run(library_agent_id=agent.id, **PARIS)["type"] == "execution_started"


def test_credentials_of_agents_that_it_runs_are_missing_too(caller: Caller) -> None:
    """Not those of somebody else's agent, which it could not run."""
    needs = graph([given("in", "City"), Node(id="x", block_id="connects")], name="Mailer")
    mine, bobs = caller.agents.agent(needs), caller.agents.agent(needs, user="bob")
    for called, kind in ((mine, "setup_requirements"), (bobs, "execution_started")):
        runs = node("run", "Run agent", library_agent_id=called.id)
        agent = caller.agents.agent(graph([runs, result("out", "Status")], "run.status > out.value"))
        assert caller.run(library_agent_id=agent.id)["type"] == kind


def test_unknown_inputs_come_before_missing_ones(caller: Caller, greeter: dict[str, Any]) -> None:
    """They are named, with the schema; nothing is run."""
    answer = caller.run(inputs={"Town": "Paris"}, use_defaults=True, **greeter)
    assert (answer["type"], answer["unrecognized_fields"]) == ("input_validation_error", ["Town"])
    assert list(answer["inputs"]["properties"]) == ["City"]
    assert answer["graph_version"] == 1
    assert list(caller.agents.runs.recent("ada", RunFilter())) == []


def test_inputs_that_do_not_fit(caller: Caller) -> None:
    """The same answer says which, and why."""
    agent = caller.agents.agent(graph([given("in", "Count", value_schema={"type": "integer"})]))
    answer = caller.run(library_agent_id=agent.id, inputs={"Count": "many"})
    assert (answer["type"], answer["unrecognized_fields"]) == ("input_validation_error", [])
    assert answer["problems"][0].startswith("Count: ")


@pytest.mark.parametrize("inputs", [{}, {"City": None}])
def test_without_inputs_it_tells_which_there_are(caller: Caller, inputs: dict[str, Any]) -> None:
    """Also where each has a default: the user may want another one."""
    agent = caller.agents.agent(WITH_DEFAULT)
    answer = caller.run(library_agent_id=agent.id, inputs=inputs)
    assert (answer["type"], answer["missing_inputs"]) == ("agent_details", [])
    assert answer["agent"]["inputs"]["properties"]["City"]["default"] == "Oslo"
    assert answer["agent"]["execution_options"] == {"manual": True, "scheduled": True, "webhook": False}
    assert answer["user_authenticated"] is True
    assert (answer["graph_id"], answer["library_agent_link"]) == (agent.graph_id, agent.link)


def test_defaults_are_used_if_that_is_wanted(caller: Caller) -> None:
    agent = caller.agents.agent(WITH_DEFAULT)
    assert caller.run(library_agent_id=agent.id, use_defaults=True)["type"] == "execution_started"


def test_required_inputs_that_are_missing_are_named(caller: Caller) -> None:
    """With use_defaults, and when only others are given."""
    agent = caller.agents.agent(graph([given("a", "From"), given("b", "To")]))
    for arguments, missing in (({"use_defaults": True}, ["From", "To"]), ({"inputs": {"From": 1}}, ["To"])):
        answer = caller.run(library_agent_id=agent.id, **arguments)
        assert (answer["type"], answer["missing_inputs"]) == ("agent_details", missing)
        assert ", ".join(missing) in answer["message"]


def test_an_agent_without_inputs_just_runs(caller: Caller) -> None:
    agent = caller.agents.agent(graph([node("t", "Text template", template="Hi")]))
    assert caller.run(library_agent_id=agent.id)["type"] == "execution_started"


def test_an_agent_that_requests_start_is_not_run_by_a_chat(caller: Caller) -> None:
    """Nor scheduled; it says how it starts."""
    agent = caller.agents.agent(graph([Node(id="t", block_id="triggered")]))
    for more in ({}, SCHEDULE):
        answer = caller.run(library_agent_id=agent.id, **more)
        assert answer["type"] == "agent_details"
        assert answer["agent"]["execution_options"] == {"manual": False, "scheduled": False, "webhook": True}
        assert answer["agent"]["trigger_info"]


def test_a_graph_that_is_gone(caller: Caller, greeter: dict[str, Any]) -> None:
    agent = caller.agents.library.get("ada", greeter["library_agent_id"])
    caller.parley.database.delete_all(
        {"pk": row["pk"], "sk": row["sk"]}
        for row in list(caller.parley.database.query("#pk = :pk", {"pk": f"GRAPH#{agent.graph_id}"}))
    )
    assert caller.run(**PARIS, **greeter)["code"] == "graph_not_found"


# -- running -----------------------------------------------------------------------------------


def test_a_run_that_nobody_waits_for(caller: Caller, greeter: dict[str, Any]) -> None:
    """It has begun; the answer says not to run it again, and where people find it."""
    with logged() as log:
        answer = caller.run(**PARIS, **greeter)
    run = caller.agents.look(answer["execution_id"])
    assert (answer["type"], answer["status"]) == ("execution_started", "QUEUED")
    assert "Don't run it again" in answer["message"]
    assert answer["execution_link"] == f"/#run={run.id}"
    assert answer["library_agent_link"] == f"/#agent={greeter['library_agent_id']}"
    assert (run.inputs, run.origin, run.dry_run) == ({"City": "Paris"}, "chat", False)
    told = log.one("copilot_agent_run_success")
    assert (told["graph_id"], told["graph_name"], told["execution_id"], told["library_agent_id"]) == (
        run.graph_id,
        "Agent",
        run.id,
        greeter["library_agent_id"],
    )


def test_a_run_descends_from_the_turn_that_starts_it(caller: Caller, greeter: dict[str, Any]) -> None:
    """So that it stops with it, spends its tree's budget and may do no more than it."""
    task = caller.parley.task(caller.run(**PARIS, **greeter)["execution_id"])
    assert (task.parent, task.root, task.depth) == (caller.task.id, caller.task.tree, 1)


def test_the_same_call_starts_one_run(caller: Caller, greeter: dict[str, Any]) -> None:
    """As after a kill; it is counted and told of once."""
    with logged() as log:
        first = caller.run(call_id="c1", **PARIS, **greeter)
        assert caller.run(call_id="c1", **PARIS, **greeter)["execution_id"] == first["execution_id"]
        assert caller.run(call_id="c2", **PARIS, **greeter)["execution_id"] != first["execution_id"]
    assert len(caller.agents.runs.recent("ada", RunFilter())) == 2
    assert log.events.count("copilot_agent_run_success") == 2


def test_a_kill_between_counting_and_starting_is_told_of_once(caller: Caller, greeter: dict[str, Any]) -> None:
    """The run begins when the call is made again."""
    run_id = dated_id(caller.task.created_at, "chat-run", caller.task.id, "c1")
    usage = AgentUsage(caller.parley.database)
    with suppress(Killed), usage.counting(caller.task.session_id, greeter["library_agent_id"], "runs", run_id):
        raise Killed
    with logged() as log:
        assert caller.run(call_id="c1", **PARIS, **greeter)["execution_id"] == run_id
    assert log.events.count("copilot_agent_run_success") == 1


def test_a_call_that_is_made_again_answers_for_its_run_whatever_has_changed(
    caller: Caller, greeter: dict[str, Any]
) -> None:
    """Its worker was killed before the answer was stored; then the agent was deleted."""
    first = caller.run(call_id="call", inputs={"City": "Paris"}, **greeter)
    caller.agents.library.delete(caller.agents.library.get("ada", greeter["library_agent_id"]))
    assert caller.run(call_id="call", inputs={"City": "Paris"}, **greeter) == first


def test_whatever_is_in_the_way_links_to_the_agent(caller: Caller, greeter: dict[str, Any]) -> None:
    answer = caller.run(inputs={"City": "Paris"}, schedule_name="Daily", **greeter)
    assert answer["code"] == "missing_cron"
    assert f"/#agent={greeter['library_agent_id']}" in answer["message"]


def test_null_is_what_was_left_out(caller: Caller, greeter: dict[str, Any]) -> None:
    """Models write it."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("inputs", "use_defaults", "schedule_name", "cron", "wait_for_result", "dry_run")
    )
    assert caller.run(**nothing, **greeter)["type"] == "agent_details"


@pytest.mark.parametrize(("session", "argument"), [(True, False), (False, True)])
def test_a_dry_run(caller: Caller, greeter: dict[str, Any], *, session: bool, argument: bool) -> None:
    """Of the session, or of the call alone."""
    answer = caller.run(dry=session, dry_run=argument, **PARIS, **greeter)
    assert answer["is_dry_run"] is True
    assert caller.agents.look(answer["execution_id"]).dry_run is True


class Overloaded(Runs):
    """Begins nothing."""

    def __init__(self, agents: Agents, error: ParleyError) -> None:
        super().__init__(agents.parley.services, agents.library)
        self._error = error

    def start(self, request: RunRequest) -> RunView:
        raise self._error


def test_a_run_that_cannot_begin_is_not_counted(caller: Caller, greeter: dict[str, Any]) -> None:
    """The reason is the model's to read; what may be tried again is."""
    caller.runs = Overloaded(caller.agents, LimitReached("Too many.", code="too_many_runs"))
    assert caller.run(**PARIS, **greeter)["code"] == "too_many_runs"
    caller.runs = Overloaded(caller.agents, Retryable("Ask again."))
    with pytest.raises(Retryable):
        caller.run(**PARIS, **greeter)
    caller.runs = None
    usage = AgentUsage(caller.parley.database)
    for number in range(MAX_OF_ONE_AGENT):
        with usage.counting(caller.task.session_id, greeter["library_agent_id"], "runs", f"r{number}"):
            pass
    assert caller.run(**PARIS, **greeter)["code"] == "too_many_agent_runs"


def test_forty_calls_end_at_thirty_runs(caller: Caller, greeter: dict[str, Any]) -> None:
    """Of one agent in one session; another agent and another session have thirty of their own."""
    usage, session = AgentUsage(caller.parley.database), caller.task.session_id

    def start(number: int) -> bool:
        try:
            with usage.counting(session, "a1", "runs", f"r{number:02d}"):
                return True
        except ToolError as refused:
            return refused.code != "too_many_agent_runs"

    with ThreadPoolExecutor(8) as calls:
        begun = list(calls.map(start, range(40)))
    assert sum(begun) == MAX_OF_ONE_AGENT == 30
    others: list[tuple[str, str, Kind]] = [(session, "a2", "runs"), ("s2", "a1", "runs"), (session, "a1", "schedules")]
    for other_session, agent, kind in others:
        with usage.counting(other_session, agent, kind, "x"):
            pass
    assert [start(number) for number in range(40)] == begun, "those that are counted are so already"


# -- waiting -----------------------------------------------------------------------------------


def test_a_wait_is_for_the_end_or_a_pause(caller: Caller, greeter: dict[str, Any]) -> None:
    """And holds nothing; 300 s at most."""
    answer = caller.run(wait_for_result=1000, call_id="c1", **PARIS, **greeter)
    run_id = caller.run(call_id="c1", **PARIS, **greeter)["execution_id"]
    assert answer["on"] == (f"TASK#{run_id}", f"PAUSE#{run_id}")
    assert answer["until"] == round(caller.parley.clock.now() * 1000) + 300_000


# -- scheduling --------------------------------------------------------------------------------


def test_a_schedule(caller: Caller, greeter: dict[str, Any]) -> None:
    """Its id and its next time; it says not to schedule again. An explicit zone goes on to whoever keeps schedules."""
    answer = caller.run(call_id="c1", timezone=" Europe/Berlin ", **SCHEDULE, **PARIS, **greeter)
    assert (answer["type"], answer["status"], answer["execution_link"]) == ("execution_started", "SCHEDULED", None)
    assert answer["schedule"]["next_run_time"] == "2026-01-01T09:00 Europe/Berlin"
    assert "Don't schedule it again" in answer["message"]
    assert answer["library_agent_link"] == f"/#agent={greeter['library_agent_id']}"
    assert caller.schedules is not None
    (made,) = caller.schedules.made.values()
    assert answer["execution_id"] == answer["schedule"]["schedule_id"] == made.id
    assert (made.name, made.when.cron, made.when.timezone) == ("Mornings", "0 9 * * *", "Europe/Berlin")
    assert isinstance(made.target, AgentRun)
    assert dict(made.target.inputs) == {"City": "Paris"}
    assert made.chat_session_id == caller.task.session_id

    again = caller.run(call_id="c1", **SCHEDULE, **PARIS, **greeter)
    assert again["execution_id"] == made.id
    assert list(caller.agents.runs.recent("ada", RunFilter())) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"cron": "0 9 * * *"}, "missing_schedule_name"),
        ({"schedule_name": "Mornings"}, "missing_cron"),
        ({"schedule_name": "Mornings", "cron": "  "}, "missing_cron"),
        ({**SCHEDULE, "dry_run": True}, "dry_run"),
    ],
)
def test_what_a_schedule_needs(caller: Caller, greeter: dict[str, Any], arguments: dict[str, Any], code: str) -> None:
    """A name and its times, and a session in which things take effect."""
    assert caller.run(**arguments, **PARIS, **greeter)["code"] == code
    assert caller.schedules is not None
    assert not caller.schedules.made


def test_a_dry_session_schedules_nothing(caller: Caller, greeter: dict[str, Any]) -> None:
    assert caller.run(dry=True, **SCHEDULE, **PARIS, **greeter)["code"] == "dry_run"


def test_what_another_user_has_made_schedules_nothing(caller: Caller, greeter: dict[str, Any]) -> None:
    """The runs would use accounts without asking."""
    assert caller.run(foreign=True, **SCHEDULE, **PARIS, **greeter)["code"] == "foreign_agent"


def test_the_same_is_checked_before_a_schedule_as_before_a_run(caller: Caller, greeter: dict[str, Any]) -> None:
    """It would fail each time."""
    assert caller.run(inputs={"Town": 1}, **SCHEDULE, **greeter)["type"] == "input_validation_error"
    assert caller.run(**SCHEDULE, **greeter)["type"] == "agent_details"


def test_errors_of_schedules_are_the_models_to_read(caller: Caller, greeter: dict[str, Any]) -> None:
    """They don't count; a deployment without schedules says so."""
    assert caller.schedules is not None
    caller.schedules.fails = Invalid("Not five fields.", code="invalid_cron")
    for _ in range(MAX_OF_ONE_AGENT + 1):
        assert caller.run(**SCHEDULE, **PARIS, **greeter)["code"] == "invalid_cron"
    caller.schedules = replace(caller.schedules, fails=None)
    for _ in range(MAX_OF_ONE_AGENT):
        assert caller.run(**SCHEDULE, **PARIS, **greeter)["type"] == "execution_started"
    assert caller.run(**SCHEDULE, **PARIS, **greeter)["code"] == "too_many_agent_schedules"
    caller.schedules = None
    assert caller.run(**SCHEDULE, **PARIS, **greeter)["code"] == "schedules_unavailable"
