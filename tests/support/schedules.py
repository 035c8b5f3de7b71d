"""Schedules that fire in a test's own deployment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi.testclient import TestClient

from shared.agents.blocks.library.agent_input import AgentInput
from shared.agents.blocks.library.agent_output import AgentOutput
from shared.agents.graphs.model import Graph, Link, Node
from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.chat.requests import validated
from shared.chat.sessions import Session
from shared.runs.records import Run, load_run
from shared.schedules.book import ScheduleBook, Terms
from shared.schedules.firing import Firing, Presence, nobody_is_there
from shared.schedules.records import SHARDS, DueRow, Fire, Schedule
from shared.schedules.requests import Times
from shared.schedules.store import ScheduleStore
from shared.schedules.tick import ERRAND, Tick
from tests.support.region import Parley, due_rows
from tests.support.runs import GREETER, Agents

HOURLY = {"cron": "0 * * * *"}
WEEKDAYS = {"name": "Levels", "cron": "30 9 * * 1-5"}
Client = Callable[..., TestClient]
"""Makes a client for a user."""


def at(text: str) -> float:
    """An instant in UTC, in seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def told(millis: int) -> str:
    """The same for people."""
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def asked(parley: Parley, session: Session) -> list[str]:
    """What the user has said in a session."""
    return [row.content for row in parley.transcript(parley.session(session.id)) if row.role == "user"]


def river_agent(parley: Parley, user: str = "ada", agent_id: str = "agent1") -> LibraryAgent:
    """An agent that says what it is told."""
    graph = Graph(
        name="Rivers",
        nodes=[
            Node(id="in", block_id=AgentInput.id, input_default={"name": "river"}),
            Node(id="out", block_id=AgentOutput.id, input_default={"name": "said"}),
        ],
        links=[Link(source_id="in", source_name="value", sink_id="out", sink_name="value")],
    )
    return Library(parley.database, parley.clock).create(user, graph, agent_id)


def agent_schedule(agent: LibraryAgent, **fields: Any) -> dict[str, Any]:
    """What a client sends to have it run."""
    target = {"type": "agent", "library_agent_id": agent.id, "inputs": {"river": "Elbe"}}
    return {**WEEKDAYS, "target": target, **fields}


def message_schedule(**fields: Any) -> dict[str, Any]:
    """The same for a message."""
    return {**WEEKDAYS, "target": {"type": "message", "message": "Has it fallen?"}, **fields}


@dataclass
class Planner:
    """A deployment with schedules. Its runs are begun for real; they are worked on when a test wants them to be."""

    parley: Parley
    agents: Agents
    is_there: Presence = nobody_is_there
    errands: list[dict[str, Any]] = field(default_factory=list)
    may_go_on: Callable[[], bool] = lambda: True

    @property
    def book(self) -> ScheduleBook:
        return ScheduleBook(self.parley.database, self.parley.clock)

    @property
    def store(self) -> ScheduleStore:
        return ScheduleStore(self.parley.database)

    @property
    def firing(self) -> Firing:
        return Firing(self.parley.services, self.agents.runs, self.is_there)

    def tick(self) -> int:
        """One minute's invocation, and those that it has asked for."""
        seen = self.one_tick().look()
        while self.errands:
            seen += self.one_tick().do(self.errands.pop(0)[ERRAND])
        return seen

    def one_tick(self) -> Tick:
        needs = self.parley.services
        return Tick(
            needs.database, needs.clock, lambda: self.firing, self.errands.append, needs.executor, self.may_go_on
        )

    def minutes(self, count: int = 1) -> None:
        """Let time pass, and each minute look at what is due. How `tick` finds that is left out: it takes long."""
        for _ in range(count):
            self.parley.clock.advance(60)
            self.look_at_due()

    def look_at_due(self) -> None:
        """What the tick would do, on the emulator's own word of what is due."""
        for pk, sk, user in due_rows(self.parley.clock.now()):
            due, _, schedule_id = sk.partition("#")
            self.one_tick().do({"shard": int(pk.removeprefix("FIRE#")), "rows": [(int(due), schedule_id, user)]})

    def tick_at(self, instant: str) -> int:
        """Jump to an instant and tick."""
        self.parley.clock.advance_to(at(instant))
        return self.tick()

    def agent_schedule(self, times: dict[str, Any], agent: LibraryAgent | None = None, **terms: Any) -> Schedule:
        """A schedule of the user `ada` that runs the agent, or one that greets."""
        agent = agent or self.agents.agent(GREETER)
        inputs = terms.pop("inputs", {"City": "Oslo"})
        schedule_id = terms.pop("id", self.parley.services.ids.new())
        read: Times = validated(Times, times)
        return self.book.schedule_agent("ada", schedule_id, read, Terms("Greet", **terms), agent, inputs)

    def message_schedule(self, times: dict[str, Any], session_id: str = "", **terms: Any) -> Schedule:
        """The same with a message."""
        read: Times = validated(Times, times)
        schedule_id = terms.pop("id", self.parley.services.ids.new())
        return self.book.schedule_message("ada", schedule_id, read, Terms("Ask", **terms), "Any news?", session_id)

    def again(self, schedule: Schedule) -> Schedule:
        """As it is now."""
        return self.store.get(schedule.user_id, schedule.id)

    def fires(self, schedule: Schedule) -> list[Fire]:
        """Its history, the oldest first."""
        return self.store.fires(schedule.id, self.parley.clock.now())[::-1]

    def runs(self, schedule: Schedule) -> list[Run]:
        """What it has started, the oldest first."""
        found = [load_run(self.parley.database, fire.task_id) for fire in self.fires(schedule) if fire.task_id]
        return [run for run in found if run]

    def due_row(self) -> DueRow:
        """The first row by which the tick finds something, due or not."""
        return next(row for shard in range(SHARDS) for row in self.store.due(shard, 10**13 - 1))

    def meanwhile(self, call: str, happens: Callable[[], object], nth: int = 1) -> None:
        """Have something happen right before the n-th of such calls to AWS from now on."""
        watch, left = self.parley.watch, nth

        def on_call(name: str, _: int) -> None:
            nonlocal left
            left -= name == call
            if left == 0:
                watch.on_call = None
                happens()

        watch.on_call = on_call

    def due(self) -> list[str]:
        """When the tick looks at what."""
        rows = [row for shard in range(SHARDS) for row in self.store.due(shard, 10**13 - 1)]
        return sorted(told(row.due) for row in rows)
