"""The two demo users and their bearer tokens."""

import secrets
import time

import jwt

PEOPLE = {"ada": "Ada", "grace": "Grace"}
TOKEN_SECONDS = 30 * 24 * 3600


def new_secret() -> str:
    """A secret that tokens are signed with; every machine has its own."""
    return secrets.token_urlsafe(48)


def tokens(secret: str) -> dict[str, str]:
    """A token for each demo user, good for 30 days."""
    now = int(time.time())
    return {
        user: jwt.encode({"sub": user, "name": name, "iat": now, "exp": now + TOKEN_SECONDS}, secret, algorithm="HS256")
        for user, name in PEOPLE.items()
    }
