"""Ends what could not be processed, so that no client waits for it."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared import wiring
from shared.kernel.errors import Terminal
from shared.kernel.settings import StorageSettings
from shared.kernel.telemetry import count, log_problem, observed, reporting_failures
from shared.runs.outside import fail_task
from shared.tasks.messages import TaskMessage
from shared.tasks.store import get_task

_services = wiring.services(StorageSettings.from_environment())
_processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@observed
def handler(event: dict[str, Any], context: Any) -> Any:
    """End the tasks that the messages name."""

    def end(record: SQSRecord) -> None:
        count("DeadLetter")
        try:
            message = TaskMessage.model_validate_json(record.body)
        except ValidationError:
            log_problem("dead_letter.unreadable", queue_message_id=record.message_id)
            return
        failed = Terminal("The work could not be processed.", code="not_processable")
        task = get_task(_services.database, message.task_id)
        ended = fail_task(_services, message.task_id, failed, context.aws_request_id)
        if task:
            log_problem("dead_letter.ended" if ended else "dead_letter.was_over", **task.ids)
        else:
            log_problem("dead_letter.was_over", task_id=message.task_id)

    return process_partial_response(event, reporting_failures(end), _processor)
