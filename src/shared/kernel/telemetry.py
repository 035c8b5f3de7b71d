"""One structured log line for each change of state, and metrics with one fixed dimension.

Payloads and secrets are never logged: `events.py` has the words, `metrics.py` the numbers. Whatever goes
wrong here is swallowed here: a turn is worth more than the line about it.
"""

import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import PurePath
from typing import TypeVar, Unpack

from aws_lambda_powertools import Logger

from shared.kernel.events import Event, Fields
from shared.kernel.metrics import Counted, Measured, Metrics

EventT = TypeVar("EventT")
ContextT = TypeVar("ContextT")
ResultT = TypeVar("ResultT")

logger = Logger(log_uncaught_exceptions=False, location=None, utc=True)
_metrics = Metrics()
_MOST_FRAMES = 8


def _never_fails(write: Callable[[], object]) -> None:
    try:
        write()
    except Exception:  # noqa: BLE001 - see the module's docstring
        return


def log_event(name: Event, **fields: Unpack[Fields]) -> None:
    """Log that `name` (such as `turn.accepted`) happened."""
    _never_fails(lambda: logger.info(name, extra=_extra(name, fields)))


def log_problem(name: Event, **fields: Unpack[Fields]) -> None:
    """Log that `name` went wrong in a way that an operator may want to see."""
    _never_fails(lambda: logger.warning(name, extra=_extra(name, fields)))


def log_failure(name: Event, error: BaseException, /, **fields: Unpack[Fields]) -> None:
    """Log that our own code failed: the error's type and place, but not its words, which may quote what a user said."""
    fields["error"] = type(error).__name__
    fields["where"] = _frames(error)
    _never_fails(lambda: logger.error(name, extra=_extra(name, fields)))


def _extra(name: Event, fields: Fields) -> dict[str, object]:
    return {"event": name, **{key: value for key, value in fields.items() if value is not None}}


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    return [f"{'/'.join(PurePath(f.filename).parts[-3:])}:{f.lineno} {f.name}" for f in frames]


def count(name: Counted, value: float = 1) -> None:
    """Add to the counter `name`."""
    _never_fails(lambda: _metrics.add(name, value))


def measure_seconds(name: Measured, seconds: float) -> None:
    """Record one duration of `name`."""
    _never_fails(lambda: _metrics.measure(name, seconds))


def flush_metrics() -> None:
    """Let out what was counted and measured so far, for an invocation that may yet be killed."""
    _never_fails(_metrics.flush)


def observed(handler: Callable[[EventT, ContextT], ResultT]) -> Callable[[EventT, ContextT], ResultT]:
    """An entry point whose log lines name its invocation, and whose metrics leave when it returns."""

    @wraps(handler)
    def observing(event: EventT, context: ContextT) -> ResultT:
        _never_fails(lambda: logger.append_keys(invocation=getattr(context, "aws_request_id", None)))
        try:
            return handler(event, context)
        finally:
            flush_metrics()

    return observing


RecordT = TypeVar("RecordT")


def reporting_failures(handle: Callable[[RecordT], None]) -> Callable[[RecordT], None]:
    """A handler of a batch's records whose failure is told before the batch takes it in: to Lambda it is no error."""

    def reporting(record: RecordT) -> None:
        try:
            handle(record)
        except Exception as error:
            count("WorkFailed")
            code = getattr(error, "code", None)
            name = str(getattr(record, "message_id", "") or getattr(record, "event_id", ""))  # a queue's, or a stream's
            log_failure("message.failed", error, code=code, queue_message_id=name)
            raise

    return reporting
