"""What follows when a run has ended: what it asks is asked no more, and its user is told on all their sockets."""

from shared.agents.reviews.reviews import Reviews
from shared.chat.services import Services
from shared.runs.records import load_run
from shared.runs.views import open_reviews
from shared.stream import frames
from shared.stream.notices import notify_user


def run_has_ended(services: Services, run_id: str) -> None:
    """Close its reviews and tell its user; of what is no run, or has not ended, nobody is told. May be repeated."""
    run = load_run(services.database, run_id)
    if run is None or run.status is None:
        return
    reviews = Reviews(services.database, services.clock)
    for review_id in open_reviews(services.database, run_id):
        reviews.close(review_id)
    frame = frames.notify(
        "run-finished",
        run_id=run.id,
        library_agent_id=run.library_agent_id,
        agent_name=run.agent_name,
        status=run.status,
    )
    notify_user(services.database, services.sockets, run.user_id, frame)
