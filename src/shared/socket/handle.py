"""What each frame does. Every failure is answered with a typed frame, and the socket stays open.

API Gateway's own error frame has no `type` and makes the official client close the socket, so
nothing may raise here, whatever a client sends.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from shared.aws.sockets import ConnectionGone, ConnectionSlow
from shared.chat.accept import Requester
from shared.chat.answer_requests import answers_in
from shared.chat.answering import Answering, UserAnswer
from shared.chat.cancel import cancel_turn
from shared.chat.requests import TransportSend, own_send, parse_json, submission_from, validation_details
from shared.chat.resume import SocketReplay, resumable_task
from shared.chat.sending import Sending
from shared.chat.services import Services
from shared.kernel.errors import Invalid, ParleyError, Unauthenticated, UserInputError
from shared.kernel.telemetry import count, log_event, log_failure
from shared.socket.bodies import AbortFrame, Frame, ResumeFrame, SendFrame
from shared.socket.connections import user_of
from shared.stream import frames
from shared.stream import parts as wire
from shared.stream.parts import Part
from shared.stream.viewers import detach, find_view
from shared.tasks.records import Task
from shared.tasks.store import get_task

MAX_FRAME_BYTES = 131_072

FrameT = TypeVar("FrameT", bound=Frame)
BuiltT = TypeVar("BuiltT")


class SocketHandler:
    """Handles the frames of all connections."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sending = Sending(services)
        self._answering = Answering(services)

    def handle(self, connection_id: str, user_id: str | None, raw: str) -> None:
        """Do what the frame asks for; never raises."""
        request_id = frames.SYSTEM_REQUEST
        try:
            value = parse_json(raw, MAX_FRAME_BYTES)
            if not isinstance(value, dict):
                raise UserInputError("A frame is a JSON object.", code="invalid_frame")
            request_id = _request_id(value)
            self._dispatch(connection_id, user_id or self._known_user(connection_id), value)
        except UserInputError as error:
            self._answer_error(connection_id, request_id, error.code, error.message, error.details)
        except ParleyError as error:
            log_failure("frame.failed", error, code=error.code, user_id=user_id, connection_id=connection_id)
            count("WorkFailed")
            self._answer_error(connection_id, request_id, error.code, error.message)
        except Exception as error:  # noqa: BLE001 - the outermost frame: see above
            log_failure("frame.failed", error, user_id=user_id, connection_id=connection_id)
            count("WorkFailed")
            self._answer_error(connection_id, request_id, "internal_error", "Something went wrong on our side.")

    def _known_user(self, connection_id: str) -> str:
        user_id = user_of(self._services.database, connection_id)
        if user_id is None:
            raise Unauthenticated("This connection is not known.", code="connection_unknown")
        return user_id

    def _dispatch(self, connection_id: str, user_id: str, value: dict[str, Any]) -> None:
        match value.get("type"):
            case "send":
                self._send(connection_id, user_id, _parsed(SendFrame, value))
            case "resume":
                self._resume(connection_id, user_id, _parsed(ResumeFrame, value))
            case "abort":
                self._abort(connection_id, user_id, _parsed(AbortFrame, value))
            case "ping":
                self._post(connection_id, frames.pong())
            case _:
                raise UserInputError("There is no such frame type.", code="unknown_frame")

    def _send(self, connection_id: str, user_id: str, frame: SendFrame) -> None:
        requester = Requester(connection_id, frame.requestId)
        if not frame.messages and frame.messageId:
            accepted = self._sending.find(user_id, frame.id, frame.messageId)
            SocketReplay(self._services, requester).show(accepted.task)
            return
        if frame.trigger != "submit-message":
            raise Invalid("Only submit-message is supported: a session is not rewritten.", code="unsupported_trigger")
        if answers := answers_in(frame.messages):
            self._answer(user_id, requester, frame.id, answers)
            return
        sent = own_send(_as_transport(frame))
        accepted = self._sending.submit(
            user_id,
            frame.id,
            submission_from(sent, self._services.ids),
            sent.policy,
            requester,
            # Posted before a worker can hear of the turn, so that it precedes the first chunk.
            before_sending=lambda _: self._post(connection_id, frames.start(frame.requestId)),
        )
        if accepted.outcome == "repeated":
            SocketReplay(self._services, requester).show(accepted.task)
        elif accepted.outcome == "pending":
            self._answer_pending(requester, sent.message_id or "", accepted.task)

    def _answer(self, user_id: str, requester: Requester, session_id: str, answers: Sequence[UserAnswer]) -> None:
        """The answer to a request for approval, which the official client sends like a message."""
        answered = self._answering.answer_all(
            user_id,
            session_id,
            answers,
            requester,
            before_sending=lambda _: self._post(requester.connection_id, frames.start(requester.request_id)),
        )
        if answered.task is None:
            self._answer_at_once(requester, wire.data("approval-recorded", answered.public()))
        elif answered.outcome != "started":
            SocketReplay(self._services, requester).show(answered.task)

    def _answer_pending(self, requester: Requester, message_id: str, task: Task) -> None:
        self._answer_at_once(requester, wire.data("pending", {"message_id": message_id, "task_id": task.id}))

    def _answer_at_once(self, requester: Requester, part: Part) -> None:
        request_id = requester.request_id
        for frame in (frames.start(request_id), frames.chunk(request_id, 0, part), frames.end(request_id)):
            self._post(requester.connection_id, frame)

    def _resume(self, connection_id: str, user_id: str, frame: ResumeFrame) -> None:
        task = resumable_task(self._services, user_id, frame.id)
        if task is None:
            self._post(connection_id, frames.no_active(frame.requestId))
            return
        SocketReplay(self._services, Requester(connection_id, frame.requestId)).show(task, whole_message=True)

    def _abort(self, connection_id: str, user_id: str, frame: AbortFrame) -> None:
        viewer = find_view(self._services.database, connection_id, frame.requestId)
        if viewer is None:
            return
        detach(self._services.database, viewer)
        log_event("viewer.detached", task_id=viewer.task_id, user_id=user_id, connection_id=connection_id)
        if frame.cancel:
            task = get_task(self._services.database, viewer.task_id)
            if task is not None:
                cancel_turn(self._services, user_id, task.session_id, only_task=task.id)

    def _answer_error(
        self, connection_id: str, request_id: str, code: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        self._post(connection_id, frames.error(request_id, code, message, details))

    def _post(self, connection_id: str, frame: bytes) -> None:
        try:
            self._services.sockets.post(connection_id, frame)
        except (ConnectionGone, ConnectionSlow):
            return


def _request_id(value: dict[str, Any]) -> str:
    """The request that an error answers; ours, if the frame names none that could be meant."""
    given = value.get("requestId")
    usable = isinstance(given, str) and given.isascii() and 0 < len(given) <= 128
    return str(given) if usable else frames.SYSTEM_REQUEST


def _parsed(model: type[FrameT], value: dict[str, Any]) -> FrameT:
    return _valid(lambda: model.model_validate(value))


def _as_transport(frame: SendFrame) -> TransportSend:
    return _valid(frame.as_transport_send)


def _valid(build: Callable[[], BuiltT]) -> BuiltT:
    try:
        return build()
    except ValidationError as error:
        raise Invalid("The frame is not valid.", code="invalid_frame", details=validation_details(error)) from error
