"""What a user gives to connect an account by a secret of their own. Pure rules."""

import re
from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)

from shared.kernel.validating import saying

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = rf"^(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?(?::[1-9][0-9]{{1,4}})?$"
MOST_HOSTS = 10
_SHORTEST = 8
"""A secret as short as a word would be taken out of every text that a server sends."""
_PRINTABLE = r"^[\x21-\x7e]+$"


def _plain(host: object) -> object:
    return host.strip().lower().removesuffix(":443") if isinstance(host, str) else host


def _some(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Asked when each is right: one that is wrong is not told of as none."""
    if not 1 <= len(hosts) <= MOST_HOSTS:
        raise ValueError(f"must be 1 to {MOST_HOSTS} host names, such as ['api.example.com']")
    return hosts


Host = Annotated[
    str,
    BeforeValidator(_plain),
    StringConstraints(max_length=260, pattern=HOST),
    saying("must be a host name without https:// and path, such as 'api.example.com' or 'api.example.com:8443'"),
]
_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=100, pattern=_ONE_LINE),
    saying("must be one line of at most 100 characters, such as 'Rivers, read only'"),
]
NewTitle = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_ONE_LINE),
    saying("must be one line of 1 to 100 characters, such as 'Rivers, read only'"),
]
Hosts = Annotated[
    tuple[Host, ...],
    Field(json_schema_extra={"minItems": 1, "maxItems": MOST_HOSTS}),
    AfterValidator(_some),
]
SecretText = Annotated[
    str,
    StringConstraints(min_length=_SHORTEST, max_length=4_000, pattern=_PRINTABLE),
    saying(f"must be {_SHORTEST} to 4000 ASCII characters without spaces, such as 'k3y-5f2a9c'"),
]
_MESSAGE_HEADERS = re.compile(
    r"host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|accept.*|proxy-.*|cookie",
    re.IGNORECASE,
)


def _shows_a_key(name: str) -> str:
    if _MESSAGE_HEADERS.fullmatch(name):
        raise ValueError("is not a header for keys; give one such as 'X-API-Key'")
    return name


HeaderName = Annotated[
    str,
    StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
    saying("must be the name of a request header, such as 'X-API-Key'"),
    AfterValidator(_shows_a_key),
]


class GivenCredential(BaseModel):
    """What each brings."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: str
    title: Title = ""
    hosts: Hosts = Field(description="where the secret may be sent, over HTTPS: host names, exactly")

    @property
    def header(self) -> str:
        """The request header that shows it."""
        return "Authorization"

    @abstractmethod
    def values(self) -> dict[str, str]:
        """What is sealed."""


class NewApiKey(GivenCredential):
    """A key for a request header."""

    provider: Literal["http_api_key"]
    key: SecretText
    header_name: HeaderName = "X-API-Key"

    @property
    def header(self) -> str:
        """The request header that shows it."""
        return self.header_name

    def values(self) -> dict[str, str]:
        """What is sealed."""
        return {"key": self.key}


class NewBearerToken(GivenCredential):
    """A token for the Authorization header."""

    provider: Literal["http_bearer"]
    token: SecretText

    def values(self) -> dict[str, str]:
        """What is sealed."""
        return {"token": self.token}


class NewBasic(GivenCredential):
    """A name and a password, either of which may be the secret."""

    provider: Literal["http_basic"]
    username: Annotated[
        str,
        StringConstraints(min_length=1, max_length=500, pattern=r"^[\x21-\x39\x3b-\x7e]+$"),
        saying("must be 1 to 500 ASCII characters without spaces and colons, such as 'ada'"),
    ]
    password: Annotated[
        str,
        StringConstraints(max_length=1_000, pattern=r"^[\x20-\x7e]*$"),
        saying("must be at most 1000 ASCII characters, such as 'three words here'"),
    ]

    @model_validator(mode="after")
    def _is_a_secret(self) -> Self:
        if len(self.username) + len(self.password) < _SHORTEST:
            raise ValueError(f"name and password must have {_SHORTEST} characters together, or more")
        return self

    def values(self) -> dict[str, str]:
        """What is sealed."""
        return {"username": self.username, "password": self.password}


class NewSigningSecret(GivenCredential):
    """What the receivers of webhooks check signatures with."""

    provider: Literal["webhook_signing"]
    key: Annotated[
        str,
        StringConstraints(min_length=24, max_length=200, pattern=_PRINTABLE),
        saying("must be 24 to 200 ASCII characters without spaces, such as 'whsec_' and 32 characters of base64"),
    ]

    def values(self) -> dict[str, str]:
        """What is sealed."""
        return {"key": self.key}


class NewCredential(RootModel[NewApiKey | NewBearerToken | NewBasic | NewSigningSecret]):
    """Any of them, told apart by `provider`."""

    model_config = ConfigDict(hide_input_in_errors=True)
    root: NewApiKey | NewBearerToken | NewBasic | NewSigningSecret = Field(discriminator="provider")


class RenameCredential(BaseModel):
    """PATCH /api/credentials/{id}."""

    model_config = ConfigDict(extra="forbid")

    title: NewTitle
