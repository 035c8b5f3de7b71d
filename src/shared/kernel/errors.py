"""Every error that Parley raises on purpose, split by who must react.

ParleyError
├── UserInputError        the caller sent something wrong          -> 4xx / typed error frame
│   ├── Unauthenticated   401
│   ├── Forbidden         403, for guests: signing in would help
│   ├── NotFound          404, also for what belongs to somebody else
│   ├── Conflict          409
│   ├── Gone              410
│   ├── TooLarge          413
│   ├── Invalid           422
│   └── LimitReached      429
├── Retryable             a dependency failed; the queue tries again -> 503
├── Terminal              the turn ends and the user is told why
├── ToolError             the model sees it and goes on
└── ConfigError           the deployment is wrong; refuses to start
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ParleyError(Exception):
    """Base of all: a stable `code` for programs, a `message` for people."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = details


class UserInputError(ParleyError):
    """The request cannot be served as it is; repeating it unchanged will not help."""

    status = 400
    default_code = "bad_request"


class Unauthenticated(UserInputError):
    """No identity, or one that does not hold."""

    status = 401
    default_code = "unauthenticated"


class Forbidden(UserInputError):
    """The caller is known, and may not do it as who they are now; nothing about others is told by this."""

    status = 403
    default_code = "forbidden"


class NotFound(UserInputError):
    """Does not exist, or not for this user: both look the same."""

    status = 404
    default_code = "not_found"


class Conflict(UserInputError):
    """The state of the thing forbids it right now."""

    status = 409
    default_code = "conflict"


class Gone(UserInputError):
    """It existed, and its time is over."""

    status = 410
    default_code = "gone"


class TooLarge(UserInputError):
    """The request exceeds a size limit."""

    status = 413
    default_code = "too_large"


class Invalid(UserInputError):
    """Well-formed, but a field has a value that is not allowed."""

    status = 422
    default_code = "invalid"


class LimitReached(UserInputError):
    """The user has used up an allowance; `details` may say when it returns."""

    status = 429
    default_code = "limit_reached"


class Retryable(ParleyError):
    """A dependency failed in a way that the next attempt may not."""

    status = 503
    default_code = "unavailable"


class Terminal(ParleyError):
    """The turn cannot go on; its `code` and message reach the user."""

    default_code = "turn_failed"


class ToolError(ParleyError):
    """A tool call failed; the model reads the message and decides what to do."""

    default_code = "tool_failed"


class ConfigError(ParleyError):
    """The deployment lacks something; nothing can be served until it is fixed."""

    default_code = "misconfigured"
