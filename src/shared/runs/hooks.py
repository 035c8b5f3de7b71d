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


def check_hook(accounts: Accounts | None, user_id: str, url: str) -> None:
    """Whether messages to the address can be signed. Without `accounts` this deployment keeps none.

    Raises:
        Invalid: nobody could send anything there.
        Conflict: the user must connect a `webhook_signing` account for its host first.
    """
    from shared.tools.web.network import Network  # what only reads needs none of it

    try:
        host = Network().read_url(url).authority
    except ToolError as error:
        raise Invalid(error.message, code="invalid_webhook_url") from error
    if accounts is None or accounts.missing(user_id, [_SIGNING], host):
        links = {_SIGNING: connect_link(_SIGNING)}
        message = f"Nothing was changed: connect {_SIGNING} for {host} first."
        raise Conflict(message, code="credentials_missing", details={"missing": [_SIGNING], "connect_links": links})


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
