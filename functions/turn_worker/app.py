"""Advances turns: one message, one task, as far as this invocation's time allows."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared import wiring
from shared.aws.secrets import read_secret
from shared.chat.turn.advance import advance_turn
from shared.kernel.deadline import Deadline, LambdaContext
from shared.kernel.settings import StorageSettings
from shared.kernel.telemetry import logger, observed, reporting_failures
from shared.tasks.messages import TaskMessage

_services = wiring.services(StorageSettings.from_environment())
_engine = wiring.turn_engine(_services, read_secret)
_processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Advance the tasks that the messages name; a failed one comes again."""
    deadline = Deadline.of(context, _services.clock)

    def advance(record: SQSRecord) -> None:
        message = TaskMessage.model_validate_json(record.body)
        logger.set_correlation_id(message.task_id)
        advance_turn(_services, _engine, message.task_id, context.aws_request_id, deadline)

    return process_partial_response(event, reporting_failures(advance), _processor)
