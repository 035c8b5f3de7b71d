"""One structured log line for each change of state, and metrics with few, fixed dimensions.

Payloads and secrets are never logged: ids, codes, counts and durations only.
"""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

logger = Logger(log_uncaught_exceptions=False)


def log_event(name: str, **fields: object) -> None:
    """Log that `name` (such as `turn.accepted`) happened."""
    logger.info(name, extra={"event": name, **{key: value for key, value in fields.items() if value is not None}})


def log_problem(name: str, **fields: object) -> None:
    """Log that `name` went wrong in a way that an operator may want to see."""
    logger.warning(name, extra={"event": name, **{key: value for key, value in fields.items() if value is not None}})


def count(name: str, value: float = 1) -> None:
    """Add to the counter `name`."""
    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace="Parley"):
        pass


def measure_seconds(name: str, seconds: float) -> None:
    """Record one duration of `name`."""
    with single_metric(name=name, unit=MetricUnit.Seconds, value=seconds, namespace="Parley"):
        pass
