"""Using a connected account in one request: only over HTTPS, and only where its user has said."""

from shared.accounts.credentials.secrets import Secret
from shared.agents.blocks.contract import BlockContext
from shared.kernel.errors import ToolError
from shared.tools.web.url_rules import Target, not_allowed

PROVIDER_NAME = r"^([a-z][a-z0-9_]{0,49})?$"


def opened(context: BlockContext, provider: str, target: Target) -> Secret:
    """The secret of the user's account, for a request to `target` and nothing else.

    Raises:
        ToolError: `url_not_allowed`, `credentials_not_configured`, `credential_needs_https`, or those of
            `CredentialSource.secret`.
    """
    credentials = context.services.credentials
    if target.literal is not None and not context.services.network.is_allowed(target.literal):
        raise not_allowed("The host is not on the public internet.")
    if credentials is None:
        raise ToolError("This deployment keeps no credentials.", code="credentials_not_configured")
    if target.scheme != "https":
        raise ToolError("Credentials are sent over HTTPS only; use an https URL.", code="credential_needs_https")
    return credentials.secret(context.call.user_id, provider, target.authority)
