"""Routes under /api/chat: sessions, sending, resuming, stopping."""

from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from shared.accounts.permissions import BlockName
from shared.accounts.users import User
from shared.api.bodies import read_body
from shared.api.paging import session_page
from shared.api.parameters import MAX_ID_CHARACTERS, Cursor, Limit
from shared.api.threads import in_thread
from shared.chat.accept import Accepted
from shared.chat.answer_requests import answers_in
from shared.chat.answering import Answered, Answering
from shared.chat.cancel import cancel_turn
from shared.chat.deletion import delete_session
from shared.chat.pending import load_pending, public_pending
from shared.chat.requests import (
    NewSession,
    OwnSend,
    PendingSend,
    RenameSession,
    RunSend,
    is_cut_blind_client,
    parse_json,
    send_from,
    submission_from,
    validated,
)
from shared.chat.resume import Holding, behind, earlier_parts, owned_task, resumable_task
from shared.chat.run_and_wait import RunAndWait
from shared.chat.sending import Sending
from shared.chat.services import Services
from shared.chat.sessions import MAX_TITLE_CHARACTERS, create_session, list_sessions, owned_session, rename_session
from shared.kernel.clock import iso
from shared.kernel.errors import Conflict, Invalid, NotFound
from shared.stream import parts as wire
from shared.stream.older import for_clients_that_know_no_approvals, for_older_clients
from shared.stream.parts import Part
from shared.stream.replay import replay
from shared.stream.sse import HEADERS, segment
from shared.tasks.records import Task
from shared.tasks.run_state import RunState

POST_HOLD_SECONDS = 20.0
RESUME_HOLD_SECONDS = 25.0
POLL_HOLD_SECONDS = 20.0
MAX_SEQUENCE = 10**9
"""Beyond any row's; DynamoDB refuses a key that is longer than 1 KB."""
RUN_ID_HEADER = "x-workflow-run-id"

Compat = Annotated[Literal["5", "6", "7"], Query(description="major version of the client's `ai` package")]


def chat_router(services: Services, signed_in: Callable[..., User]) -> APIRouter:
    """The routes, built on `services`; `signed_in` finds the caller."""
    caller = Annotated[User, Depends(signed_in)]

    async def possible_ids(request: Request, _: caller) -> None:
        """An id longer than any of ours is not looked up: DynamoDB would refuse the key, not miss it."""
        if len(request.path_params.get("session_id", "")) > MAX_ID_CHARACTERS:
            raise NotFound("There is no such session.", code="SESSION_NOT_FOUND")
        if len(request.path_params.get("task_id", "")) > MAX_ID_CHARACTERS:
            raise NotFound("There is no such task.", code="TASK_NOT_FOUND")

    router = APIRouter(prefix="/api/chat", tags=["chat"], dependencies=[Depends(possible_ids)])
    sending = Sending(services)
    answering = Answering(services)
    running = RunAndWait(services, limited=True)
    holding = Holding(services)

    @router.post("/sessions", status_code=201)
    async def create(request: Request, user: caller) -> dict[str, Any]:
        """Create a session."""
        body: NewSession = validated(NewSession, parse_json(await read_body(request)))
        session = create_session(
            services.database,
            services.clock,
            services.ids,
            user.id,
            body.title,
            permissions=body.permissions.checked(_known_tools, _known_blocks).to_item(),
            dry_run=body.dry_run,
        )
        return session.head()

    @router.get("/sessions")
    def listing(
        user: caller,
        limit: Limit = 50,
        cursor: Cursor = None,
        search: Annotated[str, Query(max_length=MAX_TITLE_CHARACTERS)] = "",
        parent_session: Annotated[str | None, Query(min_length=1, max_length=MAX_ID_CHARACTERS)] = None,
    ) -> dict[str, Any]:
        """The caller's sessions, newest first, or the sub-sessions of one; with `search`, whose title contains it."""
        if parent_session is not None:
            owned_session(services.database, parent_session, user.id)
        rows, following = list_sessions(services.database, user.id, limit, cursor, search.strip(), parent_session)
        return {"sessions": rows, "next_cursor": following}

    @router.get("/sessions/{session_id}")
    def read(
        session_id: str,
        user: caller,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before_sequence: Annotated[int | None, Query(ge=0, le=MAX_SEQUENCE)] = None,
    ) -> dict[str, Any]:
        """A session with a page of its messages, and what streams right now."""
        session = owned_session(services.database, session_id, user.id)
        return session_page(services, session, limit, before_sequence)

    @router.patch("/sessions/{session_id}")
    async def rename(session_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Give a session a title."""
        body: RenameSession = validated(RenameSession, parse_json(await read_body(request)))
        renamed = await in_thread(lambda: rename_session(services.database, session_id, user.id, body.title))
        return renamed.head()

    @router.delete("/sessions/{session_id}", status_code=204)
    def delete(session_id: str, user: caller) -> None:
        """Delete a session for good."""
        delete_session(services, user.id, session_id)

    @router.post("/sessions/{session_id}/stream")
    async def send(
        session_id: str,
        request: Request,
        user: caller,
        accept: Annotated[str, Header()] = "*/*",
        compat: Compat = "7",
    ) -> Response:
        """Send a message, or answers: 202 for `Accept: application/json`, else the first segment of the stream."""
        body = parse_json(await read_body(request))
        wants_json = accept.split(",")[0].strip().startswith("application/json")
        if answers := answers_in(body.get("messages") if isinstance(body, dict) else None):
            answered = await in_thread(lambda: answering.answer_all(user.id, session_id, answers))
            if wants_json:
                return JSONResponse(_answer_accepted(answered), status_code=202)
            if answered.task is None:
                return Response(segment(_recorded(answered), done=True), headers=HEADERS)
            return await first_segment(answered.task, compat, is_cut_blind_client(body))
        sent, is_cut_blind = send_from(body)
        submission = submission_from(sent, services.ids)
        accepted = await in_thread(lambda: sending.submit(user.id, session_id, submission, sent.policy))
        if wants_json:
            status = "pending" if accepted.outcome == "pending" else accepted.task.status.value
            answer = {"task_id": accepted.task.id, "session_id": session_id, "status": status}
            return JSONResponse(answer, status_code=202)
        if accepted.outcome == "pending":
            return _stream(segment(_pending(accepted, sent), done=True), accepted.task)
        return await first_segment(accepted.task, compat, is_cut_blind)

    async def first_segment(task: Task, compat: str, is_cut_blind: bool) -> Response:
        held = await in_thread(lambda: holding.until_end(task, POST_HOLD_SECONDS))
        parts = _for_version(held.parts, compat)
        if not held.finished and is_cut_blind:
            parts.append(wire.error("still_running"))
        return _stream(segment(parts, 0, done=held.finished), task)

    @router.post("/sessions/{session_id}/run")
    async def run(session_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Send a message and wait for what it answers, without a stream."""
        sent: RunSend = validated(RunSend, parse_json(await read_body(request)))
        submission = submission_from(sent, services.ids)

        def begin_and_wait() -> RunState:
            followed = running.begin(user.id, session_id, submission)
            return running.wait(user.id, followed, sent.wait_seconds)

        return _public_run(await in_thread(begin_and_wait))

    @router.get("/sessions/{session_id}/stream")
    def resume(session_id: str, user: caller, compat: Compat = "7") -> Response:
        """Replay the turn that runs or has just ended, from its start; 204 when there is none."""
        task = resumable_task(services, user.id, session_id)
        if task is None:
            return Response(status_code=204)
        held = holding.until_end(task, RESUME_HOLD_SECONDS)
        if not held.parts and task.status.ended:
            return Response(status_code=204)
        parts = _for_version(replay(behind(earlier_parts(services, task), held.parts)), compat)
        if not held.finished:  # a cut without it would read as success
            parts.append(wire.error("still_running"))
        return _stream(segment(parts, done=held.finished), task)

    @router.get("/tasks/{task_id}")
    def task_status(task_id: str, user: caller) -> dict[str, Any]:
        """Where a task is."""
        return _public_task(owned_task(services, task_id, user.id))

    @router.get("/tasks/{task_id}/stream")
    def task_stream(
        task_id: str,
        user: caller,
        start_index: Annotated[int | None, Query(alias="startIndex")] = None,
        last_message_id: str | None = None,
        last_event_id: Annotated[str | None, Header()] = None,
        compat: Compat = "7",
    ) -> Response:
        """The parts after a cursor: at once when there are some, else as soon as they come."""
        task = owned_task(services, task_id, user.id)
        head = holding.head(task)
        start = _cursor(start_index, last_event_id or last_message_id, head)
        held = holding.first_news(task, start, POLL_HOLD_SECONDS)
        over = held.finished or (task.status.ended and not held.parts)
        response = _stream(segment(_for_version(held.parts, compat), start, done=over), task)
        response.headers["x-workflow-stream-tail-index"] = str(start + len(held.parts) - 1 if held.parts else head - 1)
        return response

    @router.get("/schema/tool-responses")
    def tool_responses() -> dict[str, Any]:
        """JSON schema of everything that a tool may answer, told apart by `type`."""
        from shared.api.tool_schema import tool_responses_schema  # brings every tool, which no cold start should pay

        return tool_responses_schema()

    @router.post("/sessions/{session_id}/messages/pending", status_code=202)
    async def add_pending(session_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Leave a message for the turn that runs; 409 when none does."""
        sent = validated(PendingSend, parse_json(await read_body(request)))
        if owned_session(services.database, session_id, user.id).active_task is None:
            raise Conflict("No turn is running in this session.", code="no_active_task")
        accepted = sending.submit(user.id, session_id, submission_from(sent, services.ids), "enqueue")
        return {"task_id": accepted.task.id, "session_id": session_id, "status": accepted.outcome}

    @router.get("/sessions/{session_id}/messages/pending")
    def peek_pending(session_id: str, user: caller) -> dict[str, Any]:
        """The messages that wait."""
        owned_session(services.database, session_id, user.id)
        return public_pending(load_pending(services.database, session_id))

    @router.post("/sessions/{session_id}/cancel")
    def cancel(session_id: str, user: caller) -> dict[str, Any]:
        """Stop the turn that runs."""
        return cancel_turn(services, user.id, session_id).public()

    return router


def _pending(accepted: Accepted, sent: OwnSend) -> list[Part]:
    """The stream of a message that waits for the turn that runs."""
    return [wire.data("pending", {"message_id": sent.message_id, "task_id": accepted.task.id}), wire.finish("other")]


def _answer_accepted(answered: Answered) -> dict[str, Any]:
    task_id = answered.task.id if answered.task else answered.approval.task_id
    status = answered.task.status.value if answered.task else "recorded"
    return {"task_id": task_id, "session_id": answered.approval.session_id, "status": status}


def _recorded(answered: Answered) -> list[Part]:
    """The stream of an answer while others are still open."""
    return [wire.data("approval-recorded", answered.public()), wire.finish("tool-calls")]


def _known_tools() -> Collection[str]:
    from shared.agents.catalogue import shipped_tools  # brings every tool, which no cold start should pay

    return {tool.name for tool in shipped_tools()}


def _known_blocks() -> Collection[BlockName]:
    from shared.agents.blocks.registry import known_blocks  # the same

    return known_blocks()


def _for_version(parts: list[Part], compat: str) -> list[Part]:
    """The parts as that major version of the client takes them."""
    if compat == "7":
        return list(parts)
    return for_clients_that_know_no_approvals(for_older_clients(parts)) if compat == "5" else for_older_clients(parts)


def _stream(text: str, task: Task) -> Response:
    return Response(text, headers={**HEADERS, RUN_ID_HEADER: task.id})


def _cursor(start_index: int | None, last_id: str | None, head: int) -> int:
    """The first seq that the client lacks. A negative index counts from the end; `0-0` means all."""
    if start_index is not None:
        return max(0, head + start_index) if start_index < 0 else start_index
    if last_id is None or last_id in {"", "0-0"}:
        return 0
    if not last_id.isascii() or not last_id.isdigit() or len(last_id) > 12:
        raise Invalid("The cursor must be an event id of this stream.", code="invalid_cursor")
    return int(last_id) + 1


def _public_run(state: RunState) -> dict[str, Any]:
    spend = state.spend
    return {
        "status": state.status,
        "session_id": state.session_id,
        "task_id": state.task_id,
        "response": state.response or None,
        "error": state.error or None,
        "tool_calls": [vars(call) for call in state.tool_calls],
        "usage": {
            "prompt_tokens": spend.prompt_tokens,
            "completion_tokens": spend.completion_tokens,
            "total_tokens": spend.tokens,
        },
    }


def _public_task(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "session_id": task.session_id,
        "kind": task.kind,
        "status": task.status.value,
        "tool_name": task.tool_name or None,
        "operation_id": task.operation_id,
        "created_at": iso(task.created_at),
        "ended_at": iso(task.ended_at) if task.ended_at else None,
        "error": task.error,
    }
