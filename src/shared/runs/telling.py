"""Telling a user that a run has ended, on all their sockets."""

from shared.chat.services import Services
from shared.runs.records import load_run
from shared.stream import frames
from shared.stream.notices import notify_user


def tell_run_ended(services: Services, run_id: str) -> None:
    """Tell its user; of what is no run, or has not ended, nobody is told."""
    run = load_run(services.database, run_id)
    if run is None or run.status is None:
        return
    frame = frames.notify(
        "run-finished",
        run_id=run.id,
        library_agent_id=run.library_agent_id,
        agent_name=run.agent_name,
        status=run.status,
    )
    notify_user(services.database, services.sockets, run.user_id, frame)
