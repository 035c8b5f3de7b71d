"""What a send, its turn and a page of messages cost in a session of 10 messages and in one of 10,000.

Counted calls, units and bytes, no times. The rows of the long session are put as its turns would have left them:
context_from is where its last compaction has moved it.

Run: python -m bench.session_age
"""

import io
import os
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass

from moto import mock_aws

from bench.meter import Meter
from shared.api.paging import session_page
from shared.aws.writes import Update
from shared.chat.compaction import ContextCompacted, call_at
from shared.chat.sessions import Session, owned_session, session_key
from shared.chat.transcript import Compaction, Message, put_message
from shared.kernel import telemetry
from shared.stream.parts import encode
from tests.support.mended_moto import mended_moto
from tests.support.model import says
from tests.support.region import Parley, build_parley

YOUNG, OLD = 10, 10_000
GOAL = 1.2
"""The most that anything may cost in the old session, times the young one."""
_PAGE = 5
_TEXT = "Some words of a conversation. " * 5
_SUMMARY = "They have spoken of this and that. " * 15


@dataclass(frozen=True)
class Cost:
    """What was counted for one thing that somebody does."""

    aws_calls: int
    write_units: int
    read_units: float
    bytes_sent: int
    bytes_read: int


def compare(young: int, old: int) -> tuple[dict[str, Cost], dict[str, Cost]]:
    """The costs in sessions of so many messages, in a deployment of their own."""
    with mended_moto(), mock_aws():
        parley = build_parley()
        meter = Meter(parley.database._client)
        meter.attach(parley.database._client, parley.services.queue._client)
        return _measure(parley, meter, young), _measure(parley, meter, old)


def _measure(parley: Parley, meter: Meter, messages: int) -> dict[str, Cost]:
    session = session_of(parley, messages)
    counted = _Counted(meter)
    accepted = parley.send(session)
    costs = {"send": counted.since_last()}
    first: list[Cost] = []
    parley.scripted([*says("First words")[:1], 0.3, lambda: first.append(counted.so_far()), *says(", last words")])
    parley.work(accepted.task.id)
    costs |= {"first part": first[0], "whole turn": counted.since_last()}
    pages: dict[str, int | None] = {"newest page": None, "older page": messages // 2 + 1}
    for name, before in pages.items():
        page = session_page(parley.services, owned_session(parley.database, session.id, "ada"), _PAGE, before)
        assert len(page["messages"]) >= _PAGE
        costs[name] = counted.since_last()
    return costs


class _Counted:
    """What a meter has seen since it was asked last."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._last = self._now()

    def _now(self) -> tuple[float, ...]:
        meter = self._meter
        return sum(meter.calls.values()), meter.write_units, meter.read_units, meter.bytes_sent, meter.bytes_read

    def so_far(self) -> Cost:
        """Without starting anew."""
        calls, writes, reads, sent, read = (now - last for now, last in zip(self._now(), self._last, strict=True))
        return Cost(int(calls), int(writes), reads, int(sent), int(read))

    def since_last(self) -> Cost:
        """And from now on anew."""
        cost = self.so_far()
        self._last = self._now()
        return cost


def session_of(parley: Parley, messages: int) -> Session:
    """A session as turns of one question and one answer have left it; one that is long has been compacted."""
    session = parley.new_session()
    rows = [_said(seq) for seq in range(messages)]
    context_from = 0
    if messages > YOUNG:
        at = messages - 7
        context_from = at - 2
        rows[at:] = [*_compaction(at, context_from), *(_said(seq, shifted=1) for seq in range(at + 2, messages))]
    for row in rows:
        parley.database.write(put_message(session.id, row))
    values = {"next": messages, "from": context_from}
    parley.database.write(
        Update(session_key(session.id), "SET #next_seq = :next, #context_from = :from", values=values)
    )
    return parley.session(session.id)


def _said(seq: int, shifted: int = 0) -> Message:
    role, tokens = ("user", 0) if (seq + shifted) % 2 == 0 else ("assistant", 1_000)
    return Message(seq, role, _TEXT, f"task{seq // 2:06d}", 1_750_000_000_000, tokens=tokens)  # type: ignore[arg-type]


def _compaction(seq: int, kept_from: int) -> list[Message]:
    call, task, now = call_at(seq), f"task{seq // 2:06d}", 1_750_000_000_000
    answer = encode(ContextCompacted().model_dump(mode="json"))
    return [
        Message(seq, "assistant", "", task, now, tool_calls=(call,), compaction=Compaction(_SUMMARY, kept_from)),
        Message(seq + 1, "tool", answer, task, now, tool_call_id=call.id, tool_name=call.name),
    ]


def ratio(old: float, young: float) -> float:
    """How many times as much; 1 where there is nothing to compare."""
    return old / young if young else float(old > 0) + 1.0


def main() -> int:
    """Print both sessions and their ratios, and hold those against the goal."""
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
    output = io.StringIO()
    telemetry.logger.registered_handler.setStream(output)  # type: ignore[attr-defined]
    with redirect_stdout(output):
        young, old = compare(YOUNG, OLD)
        telemetry.flush_metrics()
    missed = False
    print(f"{'':12} {'':12} {YOUNG:>10,} {OLD:>10,}   ratio")
    for what, cost in young.items():
        for name, value in asdict(cost).items():
            now = asdict(old[what])[name]
            times = ratio(now, value)
            missed |= times > GOAL
            print(f"{what:12} {name:12} {value:>10,} {now:>10,} {times:>7.2f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
