"""The lease holder of a task: keeps the lease, stores parts before they are shown, and listens.

One thread owns a turn. Whatever takes long runs beside it and reports to a mailbox; while the owner
waits there, `next_event` does what is due: renew the lease, store what is buffered, post.
"""

from collections.abc import Sequence

from shared.accounts.budgets.reservations import Budgets
from shared.accounts.budgets.tab import Tab
from shared.aws.database import TransactionFailed
from shared.aws.writes import Item, Update, Write
from shared.chat.services import Services
from shared.kernel.clock import to_millis
from shared.kernel.mailbox import EventT, Mailbox
from shared.kernel.telemetry import count, measure_seconds
from shared.stream import parts as wire
from shared.stream.buffer import PartBuffer
from shared.stream.chunk_log import resolve_collision
from shared.stream.delivery import Delivery, PartList
from shared.stream.parts import VISIBLE, Part
from shared.stream.viewers import viewers_among, viewers_of
from shared.tasks.lease import LEASE_SECONDS, RENEW_UNWATCHED_SECONDS, RENEW_WATCHED_SECONDS, Lease, LeaseLost
from shared.tasks.records import Spend, Task, task_key
from shared.tasks.store import neighbours

_BUSY_POLL_SECONDS = 0.05
_DELIVER_END_SECONDS = 30.0
_SHOW_BEFORE_WAITING_SECONDS = 5.0


class TurnCancelled(Exception):
    """The user has stopped the turn."""


class InboxChanged(Exception):
    """Something arrived that the owner has not looked at; the write that would end its work was refused."""


class StreamMoved(Exception):
    """A predecessor's last words were stored after we had read; what builds on them must be built again."""


class WritesRefused(RuntimeError):
    """A condition of the rows that go with a commit did not hold; nothing was written."""


class TurnOwner:
    """Everything that one owner may write about its task.

    A stream without steps (`has_steps`) has nothing to withdraw: a predecessor's late row stays where it is.
    `lives_until`: how long the task may go on, in seconds since the epoch, if that is longer than parts are kept.
    """

    def __init__(
        self, services: Services, lease: Lease, task: Task, *, has_steps: bool = True, lives_until: float = 0.0
    ) -> None:
        self._lives_until = lives_until
        self._has_steps = has_steps
        self._services = services
        self._clock = services.clock
        self._lease = lease
        self.task = task
        self._spend = task.spend
        budgets = Budgets(services.database, services.clock, services.limits_of(task))
        self.tab = Tab(budgets, task.id, lease.epoch)
        """What the next transaction settles."""
        self.has_pending_news = task.inbox > 0 or lease.epoch > 1
        self.obeys_cancel = True
        self._owes_release = True
        self._handled_inbox = task.inbox
        self._renewed_at = self._clock.now()
        self._buffer = PartBuffer(self._clock)
        self._parts = PartList()
        self._settled_head = 0
        self._is_visible = False
        self._delivery = Delivery(services.sockets, self._clock, services.executor, self._parts)

    # -- taking over ---------------------------------------------------------------------------

    def open(self, *prefixes: str) -> list[Item]:
        """Read what is stored about the task: its parts and its viewers.

        Answers with its call journals and the records whose sort keys begin with one of `prefixes`.
        """
        records = list(neighbours(self._services.database, self.task.id))
        if self._lease.epoch > 1:
            for row in self._services.log.rows(self.task.id):
                self._parts.parts.extend(row.parts)
                if row.settled:
                    self._settled_head = row.end
            self._is_visible = any(part["type"] in VISIBLE for part in self._parts.parts)
        self._delivery.set_viewers(viewers_among(records))
        self.tab.inherit(records)
        return [record for record in records if record["sk"].startswith(("CALL#", *prefixes))]

    @property
    def total(self) -> Spend:
        """What the message has cost so far, with the turns that this one goes on with: the bounds are about it."""
        return self.task.carried.plus(self.spend)

    @property
    def spend(self) -> Spend:
        """What the turn has used so far, stored or not."""
        return self._spend.plus(self.tab.used)

    def was_spent(self, spend: Spend) -> None:
        """Something beside the owner has spent and stored it: the next write must not undo that."""
        self._spend = self._spend.plus(spend)

    @property
    def parts(self) -> Sequence[Part]:
        """All stored parts of the turn."""
        return self._parts.parts

    @property
    def unsettled(self) -> Sequence[Part]:
        """The stored parts that belong to a step which is not closed."""
        return self._parts.since(self._settled_head)

    # -- storing and showing -------------------------------------------------------------------

    def emit(self, part: Part) -> None:
        """Let viewers see `part` soon."""
        if self._buffer.full:
            self.flush()
        self._buffer.add(part)

    def new_step(self) -> None:
        """The next visible part goes out at once."""
        self._buffer.new_step()

    def drop_buffered(self) -> None:
        """Forget parts that nobody has seen."""
        self._buffer.take()

    def flush(self) -> None:
        """Store what is buffered, then post it."""
        parts = self._buffer.take()
        if parts:
            while (head := self._append(parts)) is not None:
                self._catch_up(head)
                parts = self._behind_a_late_row(parts)
            self._take_in(parts)
        self._delivery.pump()

    def _append(self, parts: Sequence[Part]) -> int | None:
        return self._services.log.append(self._lease, self._parts.head, parts, needed_until=self._lives_until)

    def _behind_a_late_row(self, parts: list[Part]) -> list[Part]:
        return [wire.reset_step(), *parts] if self._has_steps else parts

    def _take_in(self, stored: Sequence[Part]) -> None:
        """The parts are stored: from now on they are the turn's."""
        self._parts.parts.extend(stored)
        count("ChunkRows")
        if not self._is_visible and any(part["type"] in VISIBLE for part in stored):
            self._is_visible = True
            measure_seconds("TimeToFirstPart", self._clock.now() - self.task.ready_at / 1000)

    def commit(
        self,
        writes: Sequence[Write],
        parts: Sequence[Part] = (),
        *,
        also_set: str = "",
        values: dict[str, object] | None = None,
        requires_inbox: bool = False,
        keeps_shown: bool = False,
    ) -> None:
        """Store rows, the parts that go with them and the task's progress in one transaction.

        A predecessor that was not quite dead may have stored one more row of its half-written step
        where our first one belongs. It is withdrawn, unless `keeps_shown`: then the caller builds on
        what viewers have seen, and must look at it again.

        Raises:
            LeaseLost: another owner has taken over.
            InboxChanged: `requires_inbox`, and there is news; nothing was written.
            StreamMoved: `keeps_shown`, and there is a late row; nothing was written.
            WritesRefused: a condition of `writes` did not hold; nothing was written.
        """
        buffered = self._buffer.take()
        together = [*buffered, *parts]
        while True:
            update = self._progress(also_set, values or {}, requires_inbox)
            put = self._services.log.put(
                self._lease, self._parts.head, together, settled=True, needed_until=self._lives_until
            )
            chunk: list[Write] = [put] if together else []
            try:
                self._services.database.transact([update, *chunk, *writes, *self.tab.writes(self.task)])
            except TransactionFailed as failure:
                if requires_inbox and self._is_news(failure):
                    # With the reset-step of a late row that an earlier attempt has met.
                    self._restore(together[: len(together) - len(parts)])
                    raise InboxChanged from failure
                self._judge(failure, together)
                if keeps_shown:
                    self._restore(buffered)
                    raise StreamMoved from failure
                together = self._behind_a_late_row(together)
                continue
            break
        self._spend = self.spend
        self.tab.close()
        if together:
            self._take_in(together)
        self._settled_head = self._parts.head
        self._renewed_at = self._clock.now()
        self._delivery.pump()

    def _progress(self, also_set: str, values: dict[str, object], requires_inbox: bool) -> Update:
        condition = self._lease.condition + (" AND #inbox = :inbox" if requires_inbox else "")
        used: dict[str, object] = {
            **self._lease.values,
            **values,
            "spend": vars(self.spend),
            "zero": 0,
            "expiry": to_millis(self._clock.now() + LEASE_SECONDS),
        }
        if requires_inbox:
            used["inbox"] = self._handled_inbox
            if not self._delivery.watched:
                used["expiry"] = 0  # nobody is left to deliver to, and no newcomer can have slipped in
                self._owes_release = False
        adds, claims = self.tab.also()
        return Update(
            task_key(self.task.id),
            f"SET #spend = :spend, #takeovers = :zero, #lease_expires = :expiry{also_set} {adds}",
            condition=condition,
            values={**used, **claims},
        )

    def _is_news(self, failure: TransactionFailed) -> bool:
        found = failure.failed.get(0)
        return found is not None and found["epoch"] == self._lease.epoch

    def _judge(self, failure: TransactionFailed, together: Sequence[Part]) -> None:
        """Why a commit failed: raise, or return to try again behind a predecessor's late row."""
        if 0 in failure.failed:
            raise LeaseLost(self.task.id)
        if not (together and 1 in failure.failed):
            raise WritesRefused(f"A row of task {self.task.id} was already there: {sorted(failure.failed)}")
        seq = resolve_collision(self._lease, failure.failed[1], together)
        if seq is None:
            raise RuntimeError(f"Task {self.task.id} has committed the same step twice")
        self._catch_up(seq)

    def _restore(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self._buffer.add(part)

    def _catch_up(self, head: int) -> None:
        """Take in what a predecessor stored after we had read."""
        if head > self._parts.head:
            self._parts.parts.extend(
                self._services.log.parts(self.task.id, self._parts.head)[: head - self._parts.head]
            )

    # -- listening -----------------------------------------------------------------------------

    def next_event(self, mailbox: Mailbox[EventT], until: float) -> EventT | None:
        """The mailbox's next event, or None at the instant `until`; does what is due meanwhile.

        Raises:
            TurnCancelled: the user has stopped the turn.
            LeaseLost: another owner has taken over.
        """
        while True:
            self.attend()
            now = self._clock.now()
            event = mailbox.get(max(0.0, min(until, self._next_duty()) - now))
            if event is not None or self._clock.now() >= until:
                return event

    def attend(self) -> None:
        """Renew, store and post what is due now."""
        now = self._clock.now()
        if now >= self._renewed_at + self._renewal_seconds:
            self._hear(self._services.leases.renew(self._lease))
            self._renewed_at = now
        due = self._buffer.due_at(self._delivery.watched)
        if due is not None and now >= due:
            self.flush()
        else:
            self._delivery.pump()

    def look(self) -> None:
        """Read the news at once, instead of at the next renewal."""
        self._hear(self._services.leases.renew(self._lease))
        self._renewed_at = self._clock.now()

    def _hear(self, task: Task) -> None:
        self.task = task
        if task.inbox != self._handled_inbox:
            self._handled_inbox = task.inbox
            self.has_pending_news = True
            self._delivery.set_viewers(viewers_of(self._services.database, task.id))
            self._delivery.pump()
        if task.cancel_requested and self.obeys_cancel:
            raise TurnCancelled

    @property
    def _renewal_seconds(self) -> float:
        return RENEW_WATCHED_SECONDS if self._delivery.watched else RENEW_UNWATCHED_SECONDS

    def _next_duty(self) -> float:
        duties = [self._renewed_at + self._renewal_seconds]
        due = self._buffer.due_at(self._delivery.watched)
        if due is not None:
            duties.append(due)
        if self._delivery.busy:
            duties.append(self._clock.now() + _BUSY_POLL_SECONDS)
        return min(duties)

    # -- leaving -------------------------------------------------------------------------------

    def hand_on(self) -> bool:
        """Give the lease back, for another invocation to go on; False if there is news to see first."""
        self.flush()
        return self._services.leases.release_for_continuation(self._lease, self._handled_inbox)

    def park(self, until: int, *, asks: bool = False) -> bool:
        """Give the lease back until the task is woken, or `until` (ms); False if there is news to see first.

        Nobody posts while it waits, so whoever watches gets first what is stored. `asks`: what it waits for is up to
        its user; who waits for that hears of it.

        Raises:
            TurnCancelled: the user has stopped the turn.
            LeaseLost: another owner has taken over.
        """
        self.flush()
        limit = self._clock.now() + _SHOW_BEFORE_WAITING_SECONDS
        while not self._delivery.caught_up and self._clock.now() < limit:
            self._clock.sleep(_BUSY_POLL_SECONDS)
            self.attend()
        slots = self._services.slots
        suspension = slots.suspend(self.task)
        if not self._services.leases.release_to_wait(self._lease, self._handled_inbox, until, suspension, asks=asks):
            return False
        slots.promote_after(self.task)
        return True

    def deliver_end(self, seconds: float = _DELIVER_END_SECONDS) -> None:
        """After the task's end: post the rest and `end` to every viewer within `seconds`, then let go for good."""
        self.obeys_cancel = False
        if not self._delivery.watched and not self._owes_release:
            return
        self._delivery.close()
        limit = self._clock.now() + seconds
        while True:
            self.attend()
            if self._delivery.settled or self._clock.now() >= limit:
                break
            self._clock.sleep(_BUSY_POLL_SECONDS)
        self._delivery.give_up()
        self._services.leases.release_delivered(self._lease)
