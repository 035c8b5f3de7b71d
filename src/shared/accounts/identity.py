"""Bearer tokens: JWTs whose `sub` is the user.

| signed by                                  | algorithm    | checked with                                  |
|--------------------------------------------|--------------|-----------------------------------------------|
| who shares the deployment's secret         | HS256        | the secret, and nothing else                  |
| a sign-in server with published keys       | RS256, ES256 | the key of that id, if its type fits          |
| Parley itself, for a guest                 | HS256        | the secret; carries our own issuer mark       |

The algorithm in a token chooses between these rows, and never what a key is used for.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jwt
from jwt import PyJWK

from shared.accounts.key_server import fetch_key_set
from shared.accounts.signing_keys import ALGORITHMS, SigningKeys
from shared.accounts.users import GUEST_PREFIX, User, is_guest
from shared.kernel.clock import Clock
from shared.kernel.errors import Invalid, NotFound, Unauthenticated
from shared.kernel.ids import Ids
from shared.kernel.settings import IdentitySettings

MAX_TOKEN_CHARACTERS = 8_000
GUEST_ISSUER = "urn:parley:guests"
"""Our own mark: the `iss` of the tokens that Parley issues."""
GUEST_SECONDS = 30 * 86_400
_USER_ID = re.compile(r"[\x21-\x22\x24-\x7e]{1,128}")
"""Visible ASCII without `#`, which separates the parts of a key."""
_UNREADABLE = (jwt.PyJWTError, ValueError, RecursionError)


class Identity:
    """Checks tokens, and issues those of guests."""

    def __init__(self, settings: IdentitySettings, secret: Callable[[], str], clock: Clock) -> None:
        self._settings = settings
        self._secret = secret
        self._clock = clock
        url = settings.jwt_jwks_url
        self._keys = SigningKeys(partial(fetch_key_set, url), clock) if url else None

    def of(self, authorization: str | None) -> User:
        """The user that an `Authorization` header stands for.

        Raises:
            Unauthenticated: no token, or one that doesn't hold; its code says which.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Send a bearer token in the Authorization header.", code="token_missing")
        user = self._user(token.strip())
        if user.is_guest and not self._settings.guests_enabled:
            raise Unauthenticated("Guests are not served any more; sign in.", code="guests_disabled")
        return user

    def guest_of(self, token: str) -> str:
        """The id of the guest whose token it is.

        Raises:
            Invalid: it is not a guest's token, or no longer one.
        """
        try:
            user = self._user(token)
        except Unauthenticated as error:
            raise Invalid("The guest token is not valid.", code="guest_token_invalid") from error
        if not user.is_guest:
            raise Invalid("The token is not a guest's.", code="guest_token_invalid")
        return user.id

    def new_guest(self, ids: Ids) -> tuple[str, User]:
        """A token for somebody who has not signed in, and who that is from now on.

        Raises:
            NotFound: this deployment serves no guests.
        """
        if not self._settings.guests_enabled:
            raise NotFound("This deployment serves no guests; sign in.", code="guests_disabled")
        now = int(self._clock.now())
        user = User(GUEST_PREFIX + ids.new())
        claims = {"iss": GUEST_ISSUER, "sub": user.id, "guest": True, "iat": now, "exp": now + GUEST_SECONDS}
        return jwt.encode(claims, self._secret(), algorithm="HS256"), user

    def _user(self, token: str) -> User:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise _not_valid()
        try:
            claims, is_ours = self._verified(token)
        except _UNREADABLE as error:
            raise _not_valid() from error
        _check_times(claims, self._clock.now())
        subject, name = claims["sub"], claims.get("name")
        if not _USER_ID.fullmatch(subject):
            raise Unauthenticated("The token names no user that can be served.", code="token_invalid")
        # Nobody but us may say that somebody is a guest, and we say nothing else.
        if is_guest(subject) != is_ours or (is_ours and claims.get("guest") is not True):
            raise _not_valid()
        return User(subject, name if isinstance(name, str) else None)

    def _verified(self, token: str) -> tuple[Mapping[str, Any], bool]:
        """The claims under a signature that holds, from the issuer and for the audience that are wanted; and
        whether we have issued the token ourselves. Times are not checked yet."""
        header = jwt.get_unverified_header(token)
        algorithm = str(header.get("alg"))
        key = self._key_for(algorithm, header.get("kid"))
        # Read before it is verified, but only to choose what is demanded of it.
        claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        is_ours = algorithm == "HS256" and claimed == GUEST_ISSUER
        audience = None if is_ours else self._settings.jwt_audience
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=GUEST_ISSUER if is_ours else self._settings.jwt_issuer,
            audience=audience,
            # Times are compared with our own clock, see below.
            options={
                "require": ["exp", "sub"],
                "verify_aud": audience is not None,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        return claims, is_ours

    def _key_for(self, algorithm: str, key_id: object) -> str | PyJWK:
        if algorithm == "HS256" and self._settings.jwt_secret_parameter:
            return self._secret()
        if algorithm in ALGORITHMS and self._keys is not None:
            return self._keys.find(key_id, algorithm)
        raise _not_valid()


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Not expired, and already valid. Written so that NaN, which JSON parsers let through, fails both."""
    expires, begins = claims["exp"], claims.get("nbf", 0)
    if not (_is_number(expires) and _is_number(begins)):
        raise _not_valid()
    if not expires > now:
        raise Unauthenticated("The token has expired.", code="token_expired")
    if not begins <= now:
        raise _not_valid()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _not_valid() -> Unauthenticated:
    return Unauthenticated("The token is not valid.", code="token_invalid")
