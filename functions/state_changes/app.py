"""Hears from the State table's stream what has ended, stopped or is asked: wakes who waits, stops children, tells."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from shared import wiring
from shared.chat.operations.telling import tell_operation_ended
from shared.chat.review_news import review_changed
from shared.chat.stopping import stop_children
from shared.kernel.settings import StorageSettings
from shared.kernel.telemetry import observed, reporting_failures
from shared.runs.telling import run_has_ended
from shared.schedules.outcomes import settle_fire, tell_stopped
from shared.tasks.wait import pause_awaited, review_of
from shared.tasks.waits import wake_waiters

_services = wiring.services(StorageSettings.from_environment())
_processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@observed
def handler(event: dict[str, Any], _context: Any) -> Any:
    """Look at the changes that the mapping's filter lets through; a failed one comes again."""

    def notice(record: DynamoDBRecord) -> None:
        assert record.dynamodb is not None, "a stream's record describes a change"
        awaited: str = record.dynamodb.keys["pk"]
        if review_id := review_of(awaited):
            review_changed(_services, review_id)
            return
        if awaited.startswith("SCHEDULES#"):
            schedule_id: str = record.dynamodb.keys["sk"]
            tell_stopped(_services, awaited.removeprefix("SCHEDULES#"), schedule_id.removeprefix("SCHEDULE#"))
            return
        if record.dynamodb.new_image.get("status") == "waiting":
            awaited = pause_awaited(awaited.removeprefix("TASK#"))
            wake_waiters(_services.database, _services.queue, _services.clock, awaited)
            return
        wake_waiters(_services.database, _services.queue, _services.clock, awaited)
        stop_children(_services, awaited.removeprefix("TASK#"))
        if record.dynamodb.new_image.get("kind") == "operation":
            tell_operation_ended(_services, awaited.removeprefix("TASK#"))
        if record.dynamodb.new_image.get("kind") == "run":
            run_has_ended(_services, awaited.removeprefix("TASK#"))
        if record.dynamodb.new_image.get("schedule_id"):
            settle_fire(_services, awaited.removeprefix("TASK#"))

    return process_partial_response(event, reporting_failures(notice), _processor)
