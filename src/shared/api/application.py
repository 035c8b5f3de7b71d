"""The FastAPI application: identity, routes, errors, and the console's files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import FileResponse, Response

from shared.accounts.credentials.signing_in import SigningIn
from shared.accounts.identity import Identity
from shared.accounts.users import User
from shared.api import errors
from shared.api.accounts import accounts_router
from shared.api.agents import agents_router
from shared.api.approvals import approvals_router
from shared.api.blocks import blocks_router
from shared.api.chat import chat_router
from shared.api.credentials import credentials_router
from shared.api.operations import operations_router
from shared.api.reviews import reviews_router
from shared.api.runs import runs_router
from shared.api.schedules import schedules_router
from shared.api.store import store_router
from shared.chat.operations.callbacks import Callbacks
from shared.chat.services import Services
from shared.kernel.errors import NotFound

_CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Application(FastAPI):
    """FastAPI, with a description that is put together when somebody asks for it."""

    def openapi(self) -> dict[str, Any]:
        """The document at /openapi.json."""
        if self.openapi_schema is None:
            from shared.api.openapi.document import describe  # its many models would slow down each cold start

            self.openapi_schema = describe(self)
        return self.openapi_schema


def build_application(
    services: Services,
    identity: Identity,
    websocket_url: str,
    console: Path,
    completion_key: Callable[[], str | None] = lambda: None,
    signing_in: SigningIn | None = None,
) -> FastAPI:
    """All routes of the API; files of `console` are served at `/`.

    `completion_key` reads what others must know to complete operations; None: nobody can. Without `signing_in` no
    credentials are kept.
    """
    app = Application(title="Parley", version="0.1.0", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    errors.install(app)

    def signed_in(authorization: Annotated[str | None, Header()] = None) -> User:
        return identity.of(authorization)

    app.include_router(chat_router(services, signed_in))
    app.include_router(operations_router(services, Callbacks("", completion_key), signed_in))
    app.include_router(approvals_router(services, signed_in))
    app.include_router(blocks_router(signed_in))
    app.include_router(reviews_router(services, signed_in))
    app.include_router(schedules_router(services, signed_in, signing_in.vault if signing_in else None))
    app.include_router(agents_router(services, signed_in, signing_in.vault if signing_in else None))
    app.include_router(store_router(services, signed_in))
    app.include_router(credentials_router(signing_in, signed_in))
    app.include_router(runs_router(services, signed_in, signing_in.vault if signing_in else None))
    app.include_router(accounts_router(services, identity, signed_in, websocket_url))
    _add_health(app, services)
    _add_console(app, console, websocket_url)
    return app


def _add_health(app: FastAPI, services: Services) -> None:
    @app.get("/api/health", tags=["operation"])
    def health() -> dict[str, str]:
        """Whether the API can read its storage."""
        services.database.get({"pk": "HEALTH", "sk": "META"}, consistent=False)
        return {"status": "ok"}


def _add_console(app: FastAPI, console: Path, websocket_url: str) -> None:
    origin = "/".join(websocket_url.split("/")[:3])
    policy = (
        f"default-src 'self'; connect-src 'self' {origin}; img-src 'self' data:; base-uri 'none'; "
        "frame-ancestors 'none'"
    )

    @app.get("/{name:path}", include_in_schema=False)
    def file(name: str, request: Request) -> Response:
        """One of the console's files."""
        if name.startswith("api/"):
            raise NotFound(f"There is no route {request.method} /{name}.")
        path = console / (name or "index.html")
        known = path.suffix in _CONTENT_TYPES and path.resolve().is_relative_to(console.resolve())
        if not known or not path.is_file():
            raise NotFound("There is no such page.")
        headers = {"content-security-policy": policy, "x-content-type-options": "nosniff", "cache-control": "no-cache"}
        return FileResponse(path, media_type=_CONTENT_TYPES[path.suffix], headers=headers)
