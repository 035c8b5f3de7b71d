"""Where users want to be told of an agent's runs (`deliveries` tells it).

| record   | pk                | sk             | notes                                        |
|----------|-------------------|----------------|----------------------------------------------|
| hook     | `LIBRARY#{user}`  | `HOOK#{agent}` | where the states of an agent's runs are told |
"""

from shared.agents.setup import Accounts, connect_link
from shared.aws.database import Database
from shared.aws.writes import Delete, Key, Put, Write
from shared.kernel.errors import Conflict, Invalid, NotFound, ToolError

RECORD_VERSION = 1
_SIGNING = "webhook_signing"
_HTTPS = "Give an https address on the public internet, such as https://hooks.example.com/runs"


def check_hook(accounts: Accounts | None, user_id: str, url: str) -> None:
    """Whether messages to the address can be signed. Without `accounts` this deployment keeps none.

    Raises:
        Invalid: nobody could send anything there.
        Conflict: the user must connect a `webhook_signing` account for its host first.
    """
    host = _public_host(url)
    if accounts is None or accounts.missing(user_id, [_SIGNING], host):
        links = {_SIGNING: connect_link(_SIGNING)}
        message = f"Nothing was changed: connect {_SIGNING} for {host} first."
        raise Conflict(message, code="credentials_missing", details={"missing": [_SIGNING], "connect_links": links})


def _public_host(url: str) -> str:
    """Whose address it is, as far as its text tells.

    Raises:
        Invalid: it is not an https address on the public internet.
    """
    from shared.tools.web.network import Network  # what only reads needs none of it

    network = Network()
    try:
        target = network.read_url(url)
    except ToolError as error:
        raise Invalid(error.message, code="invalid_webhook_url") from error
    if target.scheme != "https":
        raise Invalid(f"{_HTTPS}.", code="invalid_webhook_url")
    if target.literal is not None:
        raise Invalid(f"{_HTTPS}, with a name, not an IP address.", code="invalid_webhook_url")
    return target.authority


def load_hook(database: Database, user_id: str, agent_id: str) -> str | None:
    """Where the states of the agent's runs are told."""
    item = database.get(_hook_key(user_id, agent_id))
    return str(item["url"]) if item else None


def put_hook(database: Database, user_id: str, agent_id: str, url: str) -> None:
    """Tell them there from now on."""
    database.write(Put({**_hook_key(user_id, agent_id), "v": RECORD_VERSION, "url": url}))


def delete_hook(database: Database, user_id: str, agent_id: str) -> None:
    """Tell nobody, also not what waits to be told.

    Raises:
        NotFound: nobody was told before.
    """
    if not database.write(Delete(_hook_key(user_id, agent_id))):
        raise NotFound("The agent has no webhook.", code="WEBHOOK_NOT_FOUND")


def forget_hook(user_id: str, agent_id: str) -> Write:
    """The same for an agent that is deleted, whether somebody was told or not."""
    return Delete(_hook_key(user_id, agent_id))


def _hook_key(user_id: str, agent_id: str) -> Key:
    return {"pk": f"LIBRARY#{user_id}", "sk": f"HOOK#{agent_id}"}
