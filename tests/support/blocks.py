"""A world in which blocks run by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.accounts.permissions import Permissions
from shared.agents.blocks import registry
from shared.agents.blocks.contract import BlockContext, BlockServices, Example, Prompt, emitted
from shared.agents.blocks.registry import AnyBlock
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.agents.running import RunView
from shared.kernel.errors import ToolError
from shared.tasks.run_state import Followed, RunState
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext
from shared.tools.sub_sessions.contract import Assignment, Row
from tests.support.credentials import Safe
from tests.support.time import FakeClock
from tests.support.workspace import Desk
from tests.unit.tools.loopback import Web, page

NOON = 1_752_840_000.0
"""2025-07-18T12:00:00Z, the time of all examples."""


@dataclass
class Answers:
    """A model that gives prepared answers, in order."""

    says: list[str] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)

    def ask(self, call: ToolContext, name: str, prompt: Prompt) -> str:
        self.asked.append(prompt)
        if not self.says:
            raise ToolError("The model is not there.", code="model_unavailable")
        return self.says.pop(0)


@dataclass
class SubSession:
    """One that is where a test says."""

    state: RunState
    begun: list[Assignment] = field(default_factory=list)

    def begin(self, context: ToolContext, assignment: Assignment) -> Followed:
        self.begun.append(assignment)
        return Followed(self.state.session_id, self.state.task_id)

    def look(self, context: ToolContext, followed: Followed) -> RunState:
        return self.state

    def latest(self, context: ToolContext, session_id: str) -> Followed:
        raise NotImplementedError

    def cancel(self, context: ToolContext, session_id: str) -> None:
        raise NotImplementedError

    def recent(self, context: ToolContext, session_id: str) -> Sequence[Row]:
        raise NotImplementedError


def answered(text: str = "", **more: Any) -> SubSession:
    """One that has completed."""
    state = RunState("completed", "sub-session", "sub-task", text)
    return SubSession(replace(state, **more))


class CompletedRuns:
    """Every agent runs at once, and says that it rains."""

    def begin_child(self, call: ToolContext, library_agent_id: str, inputs: Mapping[str, Any]) -> RunView:
        return RunView(
            id="child-run",
            user_id=call.user_id,
            library_agent_id=library_agent_id,
            graph_id="graph",
            version=1,
            agent_name="Weather",
            status="completed",
            inputs=inputs,
            outputs={"Weather": ["rain"]},
            error="",
            error_code="",
            dry_run=call.dry_run,
            origin="agent",
            created_at=0,
            started_at=0,
            ended_at=0,
            nodes_done=1,
            credits=0,
        )

    def look(self, user_id: str, run_id: str) -> RunView | None:
        raise NotImplementedError


@dataclass
class Bench:
    """Runs blocks."""

    desk: Desk
    web: Web
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    model: Answers = field(default_factory=Answers)
    sub_sessions: SubSession = field(default_factory=answered)
    dry_run: bool = False
    is_foreign: bool = False
    approves: bool | None = None
    """What the user says to whatever they are asked."""
    safe: Safe | None = None
    """The accounts that users have connected."""

    @property
    def services(self) -> BlockServices:
        files, network = self.desk.workspace, self.web.network()
        safe = self.safe.vault if self.safe else None
        services = BlockServices(self.clock, self.model, self.sub_sessions, files, network, self.reviews, safe)
        return replace(services, runs=CompletedRuns())

    @property
    def reviews(self) -> Reviews:
        return Reviews(self.desk.database, self.clock)

    def context(self, call_id: str = "call") -> BlockContext:
        call = ToolContext("ada", "S1", "T1", call_id, dry_run=self.dry_run, is_foreign=self.is_foreign)
        return BlockContext(call, self.services, Permissions())

    def start(self, name: str, inputs: Mapping[str, Any], call_id: str = "call") -> Any:
        """What the block answers at first: outputs, or a wait."""
        block = block_named(name)
        given, context = block.input_model.model_validate(inputs), self.context(call_id)
        return block.rehearse(context, given) if self.dry_run else block.run(context, given)

    def run(self, name: str, inputs: Mapping[str, Any], call_id: str = "call") -> dict[str, list[Any]]:
        """What the block emits, when all that it waits for has come."""
        outcome = self.start(name, inputs, call_id)
        block = block_named(name)
        while isinstance(outcome, Wait):
            if self.approves is None or not self._decide():
                self.clock.advance_to(outcome.until / 1000)
            given = block.input_model.model_validate(inputs)
            outcome = block.resume(self.context(call_id), given, outcome.note)
        return emitted(outcome)

    def _decide(self) -> bool:
        """Have the user say what they say; whether they were asked."""
        asked, _ = self.reviews.page("ada", "pending", 10)
        for review in asked:
            self.reviews.decide("ada", review.id, Verdict("approved" if self.approves else "rejected"))
        return bool(asked)

    def fails(self, name: str, inputs: Mapping[str, Any]) -> str:
        """The code of the error that the block answers with."""
        try:
            outcome = self.run(name, inputs)
        except ToolError as error:
            return error.code
        raise AssertionError(f"{name} has answered {outcome}")

    def holds(self, example: Example) -> None:
        """Make the world that an example is about."""
        self.model.says = list(example.given.says)
        self.approves = example.given.approved
        self.sub_sessions = answered("".join(example.given.says))
        kind = "application/json" if example.given.page.startswith(("{", "[")) else "text/plain"
        self.web.server.answers(page(example.given.page.encode(), f"Content-Type: {kind}"))
        for path, text in example.given.files.items():
            self.desk.write(path, text)


def block_named(name: str) -> AnyBlock:
    """One of the shipped ones."""
    found = registry.find(registry.shipped_blocks(), name)
    assert found is not None, name
    return found
