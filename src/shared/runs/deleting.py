"""Deleting an agent with what is kept for it: the files of its runs, and where they are told.

Runs that are under way are stopped: their files go. Those that nobody could tell end when they are worked on next (see
`work`). Runs stay readable; so does what was asked for review.
"""

from collections.abc import Iterator

from shared.agents.library.library import Library
from shared.agents.library.records import LibraryAgent
from shared.aws.writes import Write
from shared.chat.deletion import deletion_writes
from shared.chat.services import Services
from shared.chat.sessions import Session, session_key
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import log_problem
from shared.runs.home import home_session
from shared.runs.hooks import forget_hook
from shared.runs.records import agent_list
from shared.tasks.waits import wake

_MOST_TOLD = 100
"""Runs, the newest, that are told to stop at once."""


def delete_agent(services: Services, library: Library, user_id: str, agent_id: str) -> None:
    """Delete it: at once for everybody who looks; its files bit by bit in the background (see `chat.purge`).

    Raises:
        NotFound: there is none, or it is somebody else's.
        Conflict: it was changed meanwhile.
    """
    agent = library.get(user_id, agent_id)
    library.delete(agent, [forget_hook(user_id, agent_id), *_home_writes(services, agent)])
    for run_id in _newest_runs(services, agent):
        try:
            wake(services.database, services.queue, services.clock, run_id, cancel=True)
        except Retryable as error:  # it ends when it is worked on next
            log_problem("turn.send_failed", task_id=run_id, code=error.code)


def _home_writes(services: Services, agent: LibraryAgent) -> list[Write]:
    item = services.database.get(session_key(home_session(agent)))
    return deletion_writes(services, Session.from_item(item)) if item else []


def _newest_runs(services: Services, agent: LibraryAgent) -> Iterator[str]:
    listed = {"pk": agent_list(agent.user_id, agent.id)}
    rows = services.database.query("#pk = :pk", listed, forward=False, limit=_MOST_TOLD)
    yield from (row["run_id"] for row in rows)
