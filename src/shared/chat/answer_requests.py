"""Answers to requests for approval, as clients send them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.chat.answering import UserAnswer
from shared.chat.requests import Body, validated
from shared.kernel.errors import Invalid

Reason = Annotated[str, StringConstraints(max_length=2_000)]
_MOST_ANSWERS = 100


class ApprovalAnswer(Body):
    """POST /approvals/{id}."""

    approved: bool
    reason: Reason | None = None


class _GivenApproval(BaseModel):
    """`approval` of a tool part that the user has answered."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    approved: bool
    reason: Reason | None = None


class _AnsweredPart(BaseModel):
    model_config = ConfigDict(extra="ignore")

    approval: _GivenApproval


class _AnsweredParts(BaseModel):
    parts: list[_AnsweredPart] = Field(max_length=_MOST_ANSWERS)


def answer_of(approval_id: str, body: ApprovalAnswer) -> UserAnswer:
    """What the body says to a request."""
    return UserAnswer(approval_id, body.approved, body.reason or "")


def answers_in(messages: Any) -> list[UserAnswer]:
    """What the official clients answer: they send the assistant's message again, with answered tool parts.

    None, if the last message is not the assistant's. Of that message only the answered parts are read.

    Raises:
        Invalid: it is the assistant's, and answers nothing.
    """
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "assistant":
        return []
    parts = last.get("parts")
    answered = [part for part in parts if _is_answered(part)] if isinstance(parts, list) else []
    if not answered:
        raise Invalid("The last message must be the user's, or answer an approval.", code="validation_failed")
    read: _AnsweredParts = validated(_AnsweredParts, {"parts": answered})
    given = (part.approval for part in read.parts)
    return [UserAnswer(one.id, one.approved, one.reason or "") for one in given]


def _is_answered(part: Any) -> bool:
    return isinstance(part, dict) and part.get("state") == "approval-responded"
