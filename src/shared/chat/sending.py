"""Sending a message, as every door does it: by the policy that it comes with."""

from collections.abc import Callable

from shared.accounts.budgets.usage import UsageOf
from shared.accounts.limits import RateLimit
from shared.chat.accept import Acceptance, Accepted, Policy, Requester, TurnRunning
from shared.chat.cancel import cancel_turn
from shared.chat.opening import Submission
from shared.chat.services import Services
from shared.kernel.errors import Retryable
from shared.tasks.records import Task

_SEND_WINDOW_SECONDS = 60
_ATTEMPTS = 4
_INTERRUPT_AGAIN_SECONDS = 2.0
"""Somebody else's turn that slips in is stopped too, as long as the whole stays within a request's time."""


class Sending:
    """Takes messages in: `enqueue` and `reject` as they come, `interrupt` by stopping the turn that runs.

    Those of a user are `limited`; what a turn sends for itself has bounds of its own.
    """

    def __init__(self, services: Services, *, limited: bool = True) -> None:
        self._services = services
        database, clock = services.database, services.clock
        most = services.sends_per_minute if limited else None
        limit = RateLimit(database, clock, "send", most, _SEND_WINDOW_SECONDS)
        usage = UsageOf(database, clock, services.limits) if limited else None
        self._acceptance = Acceptance(database, services.queue, clock, services.ids, services.slots, limit, usage)

    def submit(
        self,
        user_id: str,
        session_id: str,
        submission: Submission,
        policy: Policy = "enqueue",
        requester: Requester | None = None,
        before_sending: Callable[[Task], None] | None = None,
    ) -> Accepted:
        """Make the message a turn, or keep it for the turn that runs; see `Acceptance.submit`.

        With `interrupt` the running turn is stopped first, as POST cancel does it: within 5 s, or by
        force. What it has said stays, and what waited for it is discarded. A message that was sent
        before interrupts nothing: it is answered with its own turn.
        """
        clock = self._services.clock
        again_until = clock.now() + _INTERRUPT_AGAIN_SECONDS
        for _ in range(_ATTEMPTS):
            try:
                return self._acceptance.submit(user_id, session_id, submission, policy, requester, before_sending)
            except TurnRunning as running:
                if policy != "interrupt":
                    raise
                if clock.now() > again_until:
                    break
                cancel_turn(self._services, user_id, session_id, only_task=running.task_id)
        raise Retryable("Others keep this session busy; send again.", code="session_busy")

    def find(self, user_id: str, session_id: str, message_id: str) -> Accepted:
        """The turn of a message that was sent before.

        Raises:
            NotFound: the session or the message does not exist for this user.
        """
        return self._acceptance.find(user_id, session_id, message_id)
