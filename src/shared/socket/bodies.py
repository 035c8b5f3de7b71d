"""The frames that clients send, validated. They are those of the official WebSocketChatTransport."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.chat.requests import MessageId, TransportSend

RequestId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x22\x24-\x7e]+$")]
SessionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Frame(BaseModel):
    """Base of frames; a transport of tomorrow may add fields."""

    model_config = ConfigDict(extra="ignore")

    requestId: RequestId


class SendFrame(Frame):
    """A new message, or (without messages) the stream of one that was sent before."""

    type: Literal["send"]
    id: SessionId
    trigger: str = "submit-message"
    messageId: MessageId | None = None
    messages: list[Any] = Field(default_factory=list, max_length=1_000)
    body: dict[str, Any] = Field(default_factory=dict)

    def as_transport_send(self) -> TransportSend:
        """The same in the form that HTTP shares; `body` may name a policy and a context."""
        options = {key: self.body[key] for key in ("policy", "context") if key in self.body}
        return TransportSend.model_validate({"messages": self.messages, "trigger": self.trigger, **options})


class ResumeFrame(Frame):
    """Show the session's running (or just ended) turn from its start."""

    type: Literal["resume"]
    id: SessionId


class AbortFrame(Frame):
    """Stop showing; with `cancel`, stop the turn too."""

    type: Literal["abort"]
    cancel: bool = False
