"""A fault at every call to AWS of whatever starts, stops or ends what schedules do: nothing lost, nothing twice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from moto import mock_aws

from shared.chat.sessions import Session
from shared.kernel.errors import ParleyError
from shared.schedules.outcomes import settle_fire
from shared.schedules.records import Schedule
from shared.tasks.pools import PoolLimit, SlotLimits
from tests.crash.test_crash import EVERY, worth_striking
from tests.support.faults import FAULT_KINDS, FaultKind, Killed
from tests.support.model import says
from tests.support.region import Parley, build_parley, due_rows, tasks_by_kind
from tests.support.runs import GREETER, Agents, given, graph, node, result
from tests.support.schedules import Planner, asked

YEARLY = {"cron": "0 0 1 1 *"}
"""No second fire comes in between."""
MOST_STRIKES = 10
"""Of one scenario, unless all are wanted."""


@pytest.fixture(scope="module")
def parley() -> Iterator[Parley]:
    """One deployment for all; each run gets empty tables."""
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield build_parley()
    patch.undo()


class World(Planner):
    """A deployment with what a scenario has prepared in it."""

    def __init__(self, parley: Parley) -> None:
        super().__init__(parley, Agents(parley))
        self.schedules: list[Schedule] = []
        self.sessions: list[Session] = []

    def agent_due(self, **terms: Any) -> Schedule:
        return self._due(self.agent_schedule(YEARLY, **terms))

    def message_due(self, *, fresh: bool = False, **terms: Any) -> Schedule:
        self.sessions += [] if fresh else [self.parley.new_session()]
        return self._due(self.message_schedule(YEARLY, "" if fresh else self.sessions[-1].id, **terms))

    def once_due(self, **terms: Any) -> Schedule:
        self.schedules.append(self.agent_schedule({"delay_seconds": 60}, **terms))
        return self.schedules[-1]

    def due_again(self, schedule: Schedule) -> None:
        """Its next fire comes in a minute."""
        now = int(self.parley.clock.now() * 1000) + 60_000
        self.store.change("ada", schedule.id, lambda seen: replace(seen, next_fire=now, due=now))

    def _due(self, schedule: Schedule) -> Schedule:
        self.due_again(schedule)
        self.schedules.append(schedule)
        return schedule

    def list_and_look(self) -> None:
        """What an invocation does that is left a whole shard."""
        for pk, _, _ in due_rows(self.parley.clock.now()):
            self.one_tick().do({"shard": int(pk.removeprefix("FIRE#"))})

    def look(self) -> None:
        """What an invocation does that another one has handed rows on to."""
        self.look_at_due()

    def minutes_later(self) -> None:
        """Until there is nothing more to do, or six minutes have passed."""
        for _ in range(6):
            with suppress(Killed, ParleyError):
                self.look_at_due()
            with suppress(Killed, ParleyError):
                self.parley.sweep()
            self.agents.until_quiet()
            self.parley.clock.advance(60)
            if not due_rows(self.parley.clock.now() + 300) and not self.parley.timers():
                return

    def found(self) -> dict[str, Any]:
        """What there is in the end."""
        now = {schedule.id: self.store.find("ada", schedule.id) for schedule in self.schedules}
        return {
            "fires": [
                [(fire.outcome, fire.reason, fire.result, fire.place) for fire in self.fires(schedule)]
                for schedule in self.schedules
            ],
            "schedules": [
                (one.status, one.reason, one.failures, one.fires) if one else None
                for one in (now[schedule.id] for schedule in self.schedules)
            ],
            "said": [asked(self.parley, session) for session in self.sessions],
            "tasks": tasks_by_kind(),
            "due": len(self.due()),
        }


@dataclass(frozen=True)
class Scenario:
    """What is struck, what there was before, and what whoever has asked for it does again."""

    prepare: Callable[[World], object]
    strike: Callable[[World], object]
    repeat: Callable[[World], object] = lambda _: None
    expected: dict[str, Any] = field(default_factory=dict)


def tick_with_both(world: World) -> None:
    world.agent_due()
    world.message_due()


def two_that_stop_what_runs(world: World) -> None:
    made = [world.agent_due(overlap="cancel"), world.message_due(overlap="cancel")]
    world.parley.clock.advance(61)
    world.look()
    for schedule in made:
        world.due_again(schedule)


def at_its_limit(world: World) -> None:
    world.agent_due()
    limits = SlotLimits(runs=PoolLimit(0, 0))
    world.parley.services = replace(world.parley.services, slot_limits=limits)


def no_limit(world: World) -> None:
    world.parley.services = replace(world.parley.services, slot_limits=SlotLimits())


def without_agent(world: World) -> None:
    agent = world.agents.agent(GREETER)
    world.agent_due(agent=agent)
    world.once_due(catch_up="skip")
    world.agents.library.delete(agent)
    world.parley.clock.advance(600)


def run_now(world: World) -> None:
    for schedule in world.schedules:
        with suppress(Killed, ParleyError):
            world.firing.run_now("ada", schedule.id)


def click_again(world: World) -> None:
    for schedule in world.schedules:
        if not world.fires(schedule):
            world.firing.run_now("ada", schedule.id)


def away(world: World) -> None:
    world.agent_due(device="laptop")
    world.message_due(device="laptop")
    world.parley.clock.advance(61)
    world.look()
    world.is_there = lambda *_: True


def device_returns(world: World) -> None:
    world.firing.device_returned("ada", "laptop")


def a_run_that_fails(world: World) -> None:
    template = "{{ 1 // 0 }}"
    nodes = [given("in", "City"), node("greet", "Text template", template=template), result("out", "Said")]
    agent = world.agents.agent(graph(nodes, "in.value > greet.values.city", "greet.text > out.value"))
    world.agent_due(agent=agent, max_failures=1)
    world.parley.clock.advance(61)
    world.look()
    world.parley.drain_runs()


def its_end_is_told(world: World) -> None:
    settle_fire(world.parley.services, world.again(world.schedules[0]).last_task)


STARTED = [("started", "", "completed", 0)]
ACTIVE = ("active", "", 0, 1)
SCENARIOS = {
    "tick": Scenario(
        tick_with_both,
        lambda world: world.tick(),
        expected={"fires": [STARTED, STARTED], "schedules": [ACTIVE, ACTIVE], "said": [["Any news?"]], "due": 2},
    ),
    "new_session": Scenario(
        lambda world: world.message_due(fresh=True),
        World.look,
        expected={"fires": [STARTED], "schedules": [ACTIVE], "due": 1},
    ),
    "fires_once": Scenario(
        World.once_due,
        World.look,
        expected={"fires": [[("started", "", None, 0)]], "schedules": [None], "due": 0},
    ),
    "errand": Scenario(
        tick_with_both, World.list_and_look, expected={"fires": [STARTED, STARTED], "said": [["Any news?"]]}
    ),
    "cancel": Scenario(
        two_that_stop_what_runs,
        World.look,
        expected={
            "fires": [[("started", "", "cancelled", 0), ("started", "", "completed", 1)]] * 2,
            "said": [["Any news?", "Any news?"]],
        },
    ),
    "limit": Scenario(at_its_limit, World.look, no_limit, expected={"fires": [STARTED], "schedules": [ACTIVE]}),
    "disable": Scenario(
        without_agent,
        World.look,
        expected={
            "fires": [[("failed", "agent_deleted", None, 0)], [("missed", "tick_was_late", None, 0)]],
            "schedules": [("disabled", "agent_deleted", 0, 1), ("disabled", "tick_was_late", 0, 1)],
            "due": 0,
        },
    ),
    "run_now": Scenario(
        lambda world: world.schedules.extend([world.agent_schedule(YEARLY), world.message_schedule(YEARLY)]),
        run_now,
        click_again,
        expected={"fires": [STARTED, STARTED], "schedules": [ACTIVE, ACTIVE], "due": 2},
    ),
    "device": Scenario(
        away,
        device_returns,
        device_returns,
        expected={"fires": [STARTED, STARTED], "schedules": [ACTIVE, ACTIVE], "due": 2},
    ),
    "settle": Scenario(
        a_run_that_fails,
        its_end_is_told,
        expected={
            "fires": [[("started", "", "failed", 0)]],
            "schedules": [("paused", "failures", 1, 1)],
            "due": 0,
        },
    ),
}


def run(parley: Parley, scenario: Scenario, fault_at: int | None, fault: FaultKind) -> tuple[dict[str, Any], list[str]]:
    """The scenario, disturbed at one call, and the minutes after it: what there is then, and the disturbed calls."""
    parley.watch.reset()
    parley.wipe()
    parley.services = replace(parley.services, slot_limits=SlotLimits())
    parley.clock.advance(1_000)
    world = World(parley)
    parley.scripted(*(says("It has.") for _ in range(8)))
    scenario.prepare(world)
    parley.clock.advance(61)
    parley.watch.reset(fault_at, fault)
    with suppress(Killed, ParleyError):
        scenario.strike(world)
    calls = list(parley.watch.calls)
    parley.watch.reset()
    with suppress(ParleyError):
        scenario.repeat(world)
    world.minutes_later()
    return world.found(), calls


def sampled(calls: Sequence[int]) -> list[tuple[int, int]]:
    """Some of them, with their numbers; all if each kind of fault is to strike each."""
    step = -(-len(calls) // MOST_STRIKES) if EVERY > 1 else 1
    return list(enumerate(calls[::step]))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_call_changes_nothing_in_the_end(parley: Parley, name: str) -> None:
    """One run, one message, one record of each; the same rests, and the same goes on."""
    scenario = SCENARIOS[name]
    undisturbed, calls = run(parley, scenario, None, FAULT_KINDS[0])
    assert {part: undisturbed[part] for part in scenario.expected} == scenario.expected
    for number, at in sampled(worth_striking(calls)):
        for kind in FAULT_KINDS[number % EVERY :: EVERY]:
            try:
                assert run(parley, scenario, at, kind)[0] == undisturbed
            except (AssertionError, Exception) as problem:
                problem.add_note(f"{kind} at call {at} of {len(calls)}: {calls[max(0, at - 3) : at + 1]}")
                raise
