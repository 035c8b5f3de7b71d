"""Routes about users' accounts elsewhere. A secret comes in here, and never goes out."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from shared.accounts.credentials.new_credentials import NewCredential, RenameCredential
from shared.accounts.credentials.signing_in import (
    MAX_CODE_CHARACTERS,
    MAX_STATE_CHARACTERS,
    SIGN_IN_SECONDS,
    CameBack,
    SigningIn,
)
from shared.accounts.users import User
from shared.api.bodies import read_body
from shared.api.callers import not_a_guest
from shared.chat.requests import parse_json, validated
from shared.kernel.errors import Retryable

COOKIE = "parley-sign-in"
_MAX_COOKIE_CHARACTERS = 100


def credentials_router(signing_in: SigningIn | None, signed_in: Callable[..., User]) -> APIRouter:
    """The routes; `signing_in` is None where no credentials are kept, `signed_in` finds the caller."""
    router = APIRouter(prefix="/api/credentials", tags=["account"])
    caller = Annotated[User, Depends(signed_in)]

    def kept(user: User | None) -> SigningIn:
        if user:
            not_a_guest(user)
        if signing_in is None:
            raise Retryable("This deployment keeps no credentials.", code="CREDENTIALS_NOT_CONFIGURED")
        return signing_in

    @router.get("")
    def list_credentials(user: caller) -> dict[str, Any]:
        """The caller's accounts, the newest first, and the providers that there are."""
        vault = kept(user).vault
        return {
            "credentials": [one.public() for one in vault.all_of(user.id)],
            "providers": [one.public() for one in vault.providers.all()],
        }

    @router.post("", status_code=201)
    async def create_credential(request: Request, user: caller) -> dict[str, Any]:
        """Connect an account by a secret; it is never shown again."""
        vault = kept(user).vault
        body: NewCredential = validated(NewCredential, parse_json(await read_body(request)))
        return vault.connect(user.id, body.root).public()

    @router.patch("/{credential_id}")
    async def rename_credential(credential_id: str, request: Request, user: caller) -> dict[str, Any]:
        """Give an account another title."""
        vault = kept(user).vault
        body: RenameCredential = validated(RenameCredential, parse_json(await read_body(request)))
        return vault.rename(user.id, credential_id, body.title).public()

    @router.delete("/{credential_id}", status_code=204)
    def delete_credential(credential_id: str, user: caller) -> Response:
        """Forget an account and its secret; what uses it fails from now on."""
        kept(user).vault.forget(user.id, credential_id)
        return Response(status_code=204)

    _add_sign_in_routes(router, kept, caller)
    return router


def _add_sign_in_routes(router: APIRouter, kept: Callable[[User | None], SigningIn], caller: Any) -> None:
    @router.get("/oauth/{provider}/start")
    def start_sign_in(provider: str, request: Request, response: Response, user: caller) -> dict[str, str]:
        """Where the caller's browser goes to connect an account; the same browser must come back, by its cookie."""
        signing_in = kept(user)
        begun = signing_in.begin(user.id, provider, request.cookies.get(COOKIE, "")[:_MAX_COOKIE_CHARACTERS])
        response.set_cookie(
            COOKIE,
            begun.browser,
            max_age=SIGN_IN_SECONDS,
            httponly=True,
            samesite="lax",
            secure=signing_in.http_url.startswith("https:"),
        )
        response.headers["cache-control"] = "no-store"
        return {"url": begun.url}

    @router.get("/oauth/callback")
    def finish_sign_in(
        request: Request,
        state: Annotated[str, Query(max_length=MAX_STATE_CHARACTERS)] = "",
        code: Annotated[str, Query(max_length=MAX_CODE_CHARACTERS)] = "",
    ) -> Response:
        """Where providers send browsers back to; it leads on to the console."""
        signing_in = kept(None)
        browser = request.cookies.get(COOKIE, "")[:_MAX_COOKIE_CHARACTERS]
        ended = signing_in.finish(CameBack(state, code, browser))
        fragment = f"connect_error={ended}" if isinstance(ended, str) else f"connected={ended.provider}"
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        return RedirectResponse(f"{signing_in.http_url}/#{fragment}", status_code=303, headers=headers)
