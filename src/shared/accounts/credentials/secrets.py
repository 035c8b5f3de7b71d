"""An opened secret: how it is sent, to whom, and how it is taken out of what comes back. Pure rules."""

import base64
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, quote_plus

Kind = Literal["api_key", "bearer", "basic", "oauth2"]
HIDDEN = "[hidden]"
_ESCAPED = re.compile(r"%[0-9A-F]{2}")


@dataclass(frozen=True)
class Secret:
    """One credential's, for the one use that it was opened for."""

    provider: str
    kind: Kind
    values: Mapping[str, str] = field(repr=False)
    """By kind: `key`; `token`; `username` and `password`; `access_token`."""
    header_name: str = "Authorization"

    @property
    def header(self) -> tuple[str, str]:
        """The request header that shows it to its provider."""
        match self.kind:
            case "api_key":
                return self.header_name, self.values["key"]
            case "basic":
                return "Authorization", f"Basic {_base64(self._pair)}"
            case "bearer":
                return "Authorization", f"Bearer {self.values['token']}"
            case "oauth2":
                return "Authorization", f"Bearer {self.values['access_token']}"

    @property
    def signing_key(self) -> str:
        """What messages are signed with."""
        return self.values["key"]

    def hidden_in(self, value: Any) -> Any:
        """A JSON value without the secret, however it is usually written: a server may send back what it was sent."""
        if isinstance(value, str):
            for form in self._forms:
                value = value.replace(form, HIDDEN)
            return value
        if isinstance(value, dict):
            return {self.hidden_in(key): self.hidden_in(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.hidden_in(inner) for inner in value]
        return value

    @property
    def _pair(self) -> str:
        return f"{self.values['username']}:{self.values['password']}"

    @property
    def _forms(self) -> list[str]:
        """The longest first, so that no rest of one is left when a shorter one is taken out."""
        whole = [value for name, value in self.values.items() if value and name != "username"]
        if self.kind == "basic":
            # Some services take a key as the name, with no password.
            whole += [self._pair, *([] if self.values["password"] else [self.values["username"]])]
        # With the word before it, base64 is another one.
        forms = {form for value in whole for form in _written(value)} | _base64_forms(self.header[1])
        return sorted(forms, key=len, reverse=True)


def _written(value: str) -> set[str]:
    in_json, in_hex = json.dumps(value)[1:-1], value.encode().hex()
    in_urls = {quote(value, safe=""), quote_plus(value)}
    return {
        value,
        html.escape(value),
        in_json,
        in_json.replace("/", "\\/"),
        *in_urls,
        *(_ESCAPED.sub(lambda found: found[0].lower(), form) for form in in_urls),
        in_hex,
        in_hex.upper(),
        *_base64_forms(value),
    }


def _base64_forms(value: str) -> set[str]:
    encoded = {_base64(value), base64.urlsafe_b64encode(value.encode()).decode()}
    return encoded | {form.rstrip("=") for form in encoded}


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
