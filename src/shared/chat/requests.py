"""What clients send, over HTTP and the socket alike, validated. Lengths are in characters."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError, field_validator
from pydantic.fields import FieldInfo

from shared.accounts.permissions import BlockName, Permissions
from shared.chat.accept import Policy
from shared.chat.opening import Submission
from shared.chat.sessions import MAX_TITLE_CHARACTERS
from shared.kernel.errors import Invalid, TooLarge, UserInputError
from shared.kernel.ids import Ids
from shared.kernel.validating import problem_of

MAX_MESSAGE_CHARACTERS = 64_000
MAX_BODY_BYTES = 1_000_000
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x21-\x22\x24-\x7e]+$")]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARACTERS)]
MessageText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]


class Body(BaseModel):
    """Base of request bodies."""

    model_config = ConfigDict(extra="forbid")


Names = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]], Field(max_length=500)
]


class SessionPermissions(Body):
    """What a session may use. An empty list allows everything; with `..._exclude` the list is what is denied."""

    tools: Names = Field(default_factory=list)
    tools_exclude: bool = True
    blocks: Names = Field(default_factory=list)
    blocks_exclude: bool = True
    needs_approval: Names = Field(default_factory=list)

    def checked(
        self, known_tools: Callable[[], Collection[str]], known_blocks: Callable[[], Collection[BlockName]]
    ) -> Permissions:
        """The permissions, if every tool and block that they name exists.

        Raises:
            Invalid: with the names that mean nothing.
        """
        permissions = Permissions.of_lists(
            self.tools,
            self.blocks,
            self.needs_approval,
            tools_exclude=self.tools_exclude,
            blocks_exclude=self.blocks_exclude,
        )
        named = bool(self.tools or self.needs_approval)
        unknown = permissions.unknown_tools(known_tools()) if named else []
        if unknown:
            raise Invalid("There are no such tools.", code="unknown_tools", details={"tools": unknown[:20]})
        strange = permissions.unknown_blocks(known_blocks()) if self.blocks else []
        if strange:
            raise Invalid("There are no such blocks.", code="unknown_blocks", details={"blocks": strange[:20]})
        return permissions


class NewSession(Body):
    """POST /sessions."""

    title: Title | None = None
    permissions: SessionPermissions = Field(default_factory=lambda: SessionPermissions())
    dry_run: bool = False


class RenameSession(Body):
    """PATCH /sessions/{id}."""

    title: Title


class ClaimSession(Body):
    """PATCH /sessions/{id}/assign-user."""

    guest_token: Annotated[str, StringConstraints(min_length=1, max_length=8_000)]


class RequestContext(Body):
    """What the user is looking at while writing."""

    url: str = Field(default="", max_length=2_000)
    content: str = Field(default="", max_length=32_000)


class OwnSend(Body):
    """Parley's own form of a send."""

    message: MessageText
    message_id: MessageId | None = None
    is_user_message: Literal[True] = True
    context: RequestContext | None = None
    policy: Policy = "enqueue"

    @field_validator("message")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        return value


class PendingSend(OwnSend):
    """POST /messages/pending: only for a turn that runs."""

    policy: Literal["enqueue"] = "enqueue"


class RunSend(OwnSend):
    """POST /run: the answer is waited for."""

    policy: Literal["enqueue"] = "enqueue"
    wait_seconds: int = Field(default=20, ge=0, le=25)


class UIPart(BaseModel):
    """A part of a UI message; only text is read."""

    type: str
    text: str = ""


class UIMessage(BaseModel):
    """A message as the official transports send it."""

    id: MessageId
    role: str
    parts: list[UIPart] = Field(min_length=1, max_length=100)


class TransportSend(BaseModel):
    """What DefaultChatTransport, WorkflowChatTransport and WebSocketChatTransport send.

    Only the last message is read: what came before is in the session.
    """

    model_config = ConfigDict(extra="ignore")

    messages: list[Any] = Field(max_length=1_000)
    trigger: str = "submit-message"
    policy: Policy = "enqueue"
    context: RequestContext | None = None


def parse_json(raw: bytes | str, limit: int = MAX_BODY_BYTES) -> Any:
    """The JSON value, whatever its content type says.

    Raises:
        TooLarge: more than `limit` bytes.
        UserInputError: not JSON, or nested without end.
    """
    if len(raw) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    try:
        return json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise UserInputError("The body is not JSON.", code="invalid_json") from error


def validated(model: type[BaseModel], value: Any) -> Any:
    """`value` as an instance of `model`.

    Raises:
        Invalid: with what is wrong, field by field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = validation_details(error, model)
        raise Invalid("The request is not valid.", code="validation_failed", details=details) from error


def validation_details(error: ValidationError, model: type[BaseModel] | None = None) -> dict[str, Any]:
    """Where and why, without echoing what was sent. Of a `model` with unions: where in what was sent."""
    found = [(_place(one["loc"], model) if model else one["loc"], problem_of(one)) for one in error.errors()[:20]]
    return {"problems": [{"field": ".".join(map(str, place)), "problem": problem} for place, problem in found]}


Place = tuple[int | str, ...]


def _place(named: Place, model: type[BaseModel]) -> Place:
    """Where in what was sent: pydantic also names the variant of a union that it has tried."""
    if issubclass(model, RootModel):
        return _place_in(named, model.model_fields["root"])
    return (*named[:1], *_place_in(named[1:], model.model_fields.get(str(named[0])))) if named else ()


def _place_in(named: Place, field: FieldInfo | None) -> Place:
    if field is None or not named:
        return named
    options = get_args(field.annotation) or (field.annotation,)
    models = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
    if isinstance(field.discriminator, str):
        told_by, tag, named = field.discriminator, named[0], named[1:]
        models = [model for model in models if tag in get_args(model.model_fields[told_by].annotation)]
    return _place(named, models[0]) if len(models) == 1 else named


def send_from(value: Any) -> tuple[OwnSend, bool]:
    """A send in either form; and whether its client takes a stream without `finish` for a whole one.

    DefaultChatTransport does, and is known by what it always sends: `id` and `trigger`. The others send neither.
    """
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.", code="validation_failed")
    if "messages" not in value:
        return validated(OwnSend, value), False
    sent: TransportSend = validated(TransportSend, value)
    if sent.trigger != "submit-message":
        raise Invalid("Only submit-message is supported: a session is not rewritten.", code="unsupported_trigger")
    return own_send(sent), is_cut_blind_client(value)


def is_cut_blind_client(value: Mapping[str, Any]) -> bool:
    """Whether the client takes a stream without `finish` for a whole one; see `send_from`."""
    return "id" in value and "trigger" in value


def own_send(sent: TransportSend) -> OwnSend:
    """The last user message of an official transport, in Parley's form."""
    last: UIMessage = validated(UIMessage, sent.messages[-1] if sent.messages else None)
    if last.role != "user":
        raise Invalid("The last message must be the user's.", code="validation_failed")
    fields = {"message": text_of(last.parts), "message_id": last.id, "policy": sent.policy, "context": sent.context}
    result: OwnSend = validated(OwnSend, fields)
    return result


def text_of(parts: Sequence[UIPart]) -> str:
    """The text of a message's parts."""
    return "\n".join(part.text for part in parts if part.type == "text")


def submission_from(sent: OwnSend, ids: Ids) -> Submission:
    """What the chat is asked to take in; a message without an id can't be repeated safely, so it gets one."""
    context = sent.context
    shown = f"URL: {context.url}\n{context.content}".strip() if context and (context.url or context.content) else ""
    return Submission(sent.message_id or ids.new(), sent.message, shown)
