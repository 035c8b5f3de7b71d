"""Bearer tokens: HS256 JWTs whose `sub` is the user."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import jwt

from shared.kernel.clock import Clock
from shared.kernel.errors import Unauthenticated
from shared.kernel.settings import IdentitySettings

MAX_TOKEN_CHARACTERS = 8_000
_USER_ID = re.compile(r"[\x21-\x22\x24-\x7e]{1,128}")
"""Visible ASCII without `#`, which separates the parts of a key."""


@dataclass(frozen=True)
class User:
    """The caller."""

    id: str
    name: str | None = None


class Identity:
    """Checks tokens."""

    def __init__(self, settings: IdentitySettings, secret: Callable[[], str], clock: Clock) -> None:
        self._settings = settings
        self._secret = secret
        self._clock = clock

    def of(self, authorization: str | None) -> User:
        """The user that an `Authorization` header stands for.

        Raises:
            Unauthenticated: no token, or one that doesn't hold; which of the two is all it says.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Send a bearer token in the Authorization header.", code="token_missing")
        return self._verified(token.strip())

    def _verified(self, token: str) -> User:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("The token is not valid.", code="token_invalid")
        try:
            claims = jwt.decode(
                token,
                self._secret(),
                algorithms=["HS256"],
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
                options={"require": ["exp", "sub"], "verify_aud": self._settings.jwt_audience is not None},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired.", code="token_expired") from error
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The token is not valid.", code="token_invalid") from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not _USER_ID.fullmatch(subject):
            raise Unauthenticated("The token names no user that can be served.", code="token_invalid")
        name = claims.get("name")
        return User(subject, name if isinstance(name, str) else None)
