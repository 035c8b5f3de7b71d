"""Every error as `{code, message, details?}`: the one place where errors become HTTP answers."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from shared.kernel.errors import ConfigError, ParleyError, Retryable
from shared.kernel.telemetry import log_failure, log_problem
from shared.kernel.validating import problem_of


def error_body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """The body of every error answer."""
    return {"code": code, "message": message, **({"details": details} if details else {})}


class ErrorAnswer(JSONResponse):
    """An error that may quote what a client has sent, also halves of surrogate pairs, which no UTF-8 can hold."""

    def render(self, content: Any) -> bytes:
        """The body; what is no text is a question mark."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form, and never with a stack trace."""
    app.add_exception_handler(ParleyError, _parley)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _parley(request: Request, error: Exception) -> Response:
    assert isinstance(error, ParleyError)
    if isinstance(error, ConfigError):
        log_failure("api.misconfigured", error, code=error.code)
        return ErrorAnswer(error_body(error.code, "The deployment is not configured."), status_code=500)
    headers = {}
    if isinstance(error, Retryable):
        log_problem("api.unavailable", code=error.code, route=_route(request))
        headers["retry-after"] = "1"
    if error.details and "retry_after_seconds" in error.details:
        headers["retry-after"] = str(error.details["retry_after_seconds"])
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    body = error_body(error.code, error.message, error.details)
    return ErrorAnswer(body, status_code=error.status, headers=headers)


def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[:20]
    problems = [{"field": ".".join(map(str, one["loc"][1:])), "problem": problem_of(one)} for one in found]
    body = error_body("validation_failed", "The request is not valid.", {"problems": problems})
    return ErrorAnswer(body, status_code=422)


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "http_error")
    return ErrorAnswer(error_body(code, str(error.detail)), status_code=error.status_code)


def _unexpected(request: Request, error: Exception) -> Response:
    log_failure("api.failed", error, route=_route(request))
    return ErrorAnswer(error_body("internal_error", "Something went wrong on our side."), status_code=500)


def _route(request: Request) -> str:
    """The route's pattern: a path itself has ids in it, or whatever a caller has typed."""
    return f"{request.method} {getattr(request.scope.get('route'), 'path', '')}"
