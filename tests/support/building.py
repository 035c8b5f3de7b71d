"""Building agents in turns of a deployment that is driven by hand."""

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.demo_agent import demo_agent
from local.demo_generator import Asked, DemoGenerator, Manners
from shared.accounts.permissions import Permissions
from shared.agents.catalogue import chat_tools
from shared.agents.library.library import Library
from shared.aws.objects import Objects
from shared.aws.writes import Put
from shared.chat.operations.completing import complete_operation
from shared.chat.sessions import Session, create_session
from shared.chat.sub_sessions import SubSessionTurns
from shared.kernel.settings import ToolSettings
from shared.runs.starting import Runs
from shared.tasks.records import Task
from shared.tools.catalogue import ToolDependencies
from tests.support.blocks import Answers
from tests.support.model import Script, calls, says
from tests.support.region import Parley
from tests.support.serving import serving
from tests.support.waiting import PATIENCE

PLAN = json.dumps({"type": "instructions", "steps": ["Take a topic.", "Fill a template.", "Answer with it."]})
AGENT = demo_agent("Say something about a topic")


@dataclass
class Builder:
    """Asks for agents, as a model does in a turn."""

    parley: Parley
    session: Session
    asked: int = 0

    @property
    def library(self) -> Library:
        return Library(self.parley.database, self.parley.clock)

    def ask(self, tool: str, *answers: str, **arguments: Any) -> dict[str, Any]:
        """What comes of a call in a turn; `answers` are what the model says to the work."""
        self.begin(tool, *answers, **arguments)
        self.parley.drain_all()
        return self.result()

    def begin(self, tool: str, *answers: str, **arguments: Any) -> None:
        """The same, as far as the turn goes that calls."""
        self.asked += 1
        call = calls((f"c{self.asked}", tool, json.dumps(arguments, ensure_ascii=False)))
        work: list[Script] = [says(answer) for answer in answers]
        self.parley.scripted(call, says("It is on its way."), *work, says("Done."))
        self.parley.send(self.session, "Build!", f"m{self.asked}")
        self.parley.drain_queue()

    def result(self) -> dict[str, Any]:
        """What the last call's row holds."""
        rows = [row for row in self.parley.transcript(self.session) if row.role == "tool"]
        found: dict[str, Any] = json.loads(rows[-1].content)
        return found

    @property
    def operation(self) -> Task:
        """That of the last call."""
        pending = self.result()
        assert pending["type"] == "operation_pending", pending
        return self.parley.task(pending["operation_id"].removeprefix("op_"))

    def told(self, url_or_id: str, brought: dict[str, Any]) -> None:
        """Somebody outside completes an operation."""
        operation_id = next(part for part in url_or_id.split("/") if part.startswith("op_"))
        complete_operation(self.parley.services, operation_id, **brought)


def builder(
    parley: Parley,
    *,
    objects: Objects | None = None,
    user: str = "ada",
    secret: str = "",
    has_read: bool = True,
    permissions: Permissions | None = None,
    dry_run: bool = False,
    **environment: str,
) -> Builder:
    """One who has read the guide, or not; `environment` is the deployment's."""
    settings = ToolSettings.from_environment(environment)
    sub_sessions = SubSessionTurns(parley.services)
    needs = ToolDependencies(settings, parley.database, parley.clock, lambda _name: secret, objects, sub_sessions)
    parley.with_tools(*chat_tools(needs, Answers(), Runs(parley.services, Library(parley.database, parley.clock))))
    bound = permissions.to_item() if permissions else None
    session = create_session(
        parley.database, parley.clock, parley.services.ids, user, permissions=bound, dry_run=dry_run
    )
    if has_read:
        parley.database.write(Put({"pk": f"SESSION#{session.id}", "sk": "GUIDE", "v": 1, "seq": -1}))
    return Builder(parley, session)


@dataclass
class Generator:
    """A generator outside that listens on loopback, and what it wanted to call back with."""

    server: DemoGenerator
    callbacks: "queue.Queue[tuple[str, dict[str, Any]]]" = field(default_factory=queue.Queue)

    @property
    def asked(self) -> list[Asked]:
        return self.server.manners.asked

    def callback(self) -> tuple[str, dict[str, Any]]:
        """The next one: address and body."""
        return self.callbacks.get(timeout=PATIENCE)


@contextmanager
def generator() -> Iterator[Generator]:
    """One for the length of a block."""
    with DemoGenerator(("127.0.0.1", 0)) as server:
        made = Generator(server)
        server.manners = Manners(lambda _seconds: None, lambda url, told: made.callbacks.put((url, told)))
        with serving(server):
            yield made
