"""Advances turns: one message, one task, as far as this invocation's time allows."""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared import wiring
from shared.aws.secrets import read_secret
from shared.chat.openai_model import OpenAIModel
from shared.chat.services import TurnEngine
from shared.chat.sub_sessions import SubSessionTurns
from shared.chat.turn.advance import advance_turn
from shared.kernel.deadline import Deadline, LambdaContext
from shared.kernel.mailbox import ThreadWorkers
from shared.kernel.settings import ModelSettings, StorageSettings, ToolSettings, TurnBounds
from shared.kernel.telemetry import logger, observed, reporting_failures
from shared.tasks.messages import TaskMessage
from shared.tools.catalogue import ToolDependencies, all_tools
from shared.tools.registry import Toolbox
from shared.tools.workspace.outputs import NoSpill, ToolOutputs

_services = wiring.services(StorageSettings.from_environment())
_settings = ModelSettings.from_environment()
_tool_settings = ToolSettings.from_environment()
_objects = wiring.workspace_objects(_tool_settings.workspace_bucket)
_workers = ThreadWorkers()


def _model(name: str) -> OpenAIModel:
    return OpenAIModel(name, _settings.model_base_url, lambda: read_secret(_settings.model_api_key_parameter), _workers)


_answering = _model(_settings.model_name)
_dependencies = ToolDependencies(
    _tool_settings, _services.database, _services.clock, read_secret, _objects, SubSessionTurns(_services)
)
_engine = TurnEngine(
    model=_answering,
    title_model=_model(_settings.model_title_name) if _settings.model_title_name else _answering,
    toolbox=Toolbox(all_tools(_dependencies)),
    workers=_workers,
    bounds=TurnBounds.from_environment(),
    prices=_settings.model_prices,
    max_attempts=_settings.model_max_attempts,
    context_tokens=_settings.model_context_tokens,
    max_output_tokens=_settings.model_max_output_tokens,
    spill=ToolOutputs(_objects) if _objects else NoSpill(),
    tools_needing_approval=_tool_settings.tools_needing_approval,
    approval_seconds=_tool_settings.approval_seconds,
)
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
