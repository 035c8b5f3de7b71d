"""Advances what takes longer than a turn: one message, one task, as far as this invocation's time allows."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared import wiring
from shared.aws.secrets import read_secret
from shared.chat.operations.callbacks import Callbacks
from shared.chat.operations.work import Workbench, advance_operation
from shared.kernel.deadline import Deadline, LambdaContext
from shared.kernel.settings import OperationSettings, StorageSettings
from shared.kernel.telemetry import logger, observed, reporting_failures
from shared.runs.deliveries import advance_delivery
from shared.runs.work import advance_run
from shared.tasks.messages import TaskMessage
from shared.tasks.store import get_task

_services = wiring.services(StorageSettings.from_environment())
_operations = OperationSettings.from_environment()
_bench = Workbench(
    wiring.turn_engine(_services, read_secret),
    Callbacks(
        _operations.http_url, wiring.optional_secret(_operations.operations_api_key_parameter, read_secret)
    ).address_of,
)
_runs = wiring.run_bench(_services, _bench.engine, read_secret)
_processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Advance the runs, operations and deliveries that the messages name; a failed one comes again."""
    deadline = Deadline.of(context, _services.clock)

    def advance(record: SQSRecord) -> None:
        message = TaskMessage.model_validate_json(record.body)
        logger.set_correlation_id(message.task_id)
        task = get_task(_services.database, message.task_id)
        if task is not None and task.kind == "run":
            advance_run(_services, _runs, task.id, context.aws_request_id, deadline)
        elif task is not None and task.kind == "delivery":
            advance_delivery(_services, _runs.blocks, task.id, context.aws_request_id)
        else:
            advance_operation(_services, _bench, message.task_id, context.aws_request_id, deadline)

    return process_partial_response(event, reporting_failures(advance), _processor)
