"""`connect_integration`: asks the user to connect an account, and gives them the word."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from shared.accounts.credentials.providers import Provider
from shared.accounts.credentials.vault import Vault
from shared.agents.setup import SetupRequirements, SetupSubject, setup_needed
from shared.kernel.errors import ToolError
from shared.tools.contract import Tool, ToolContext, ToolInput

_Scope = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ConnectIntegrationInput(ToolInput):
    """Whose account, and what for."""

    provider: str = Field(min_length=1, max_length=100)
    reason: str = Field(default="", max_length=500, description="What for; the user reads it.")
    scopes: list[_Scope] = Field(default_factory=list, max_length=50, description="OAuth scopes that are needed.")


class ConnectIntegration(Tool[ConnectIntegrationInput]):
    """Shows a card; the secret goes from the user to the API, past every model."""

    name: ClassVar[str] = "connect_integration"
    description: ClassVar[str] = (
        "Ask the user to connect an account at a provider, such as http_bearer or webhook_signing. Ends your turn. "
        "Never ask for a secret in the chat; you can read none."
    )
    input_model: ClassVar[type[ToolInput]] = ConnectIntegrationInput
    requires_auth: ClassVar[bool] = True
    ends_turn_with: ClassVar[frozenset[str]] = frozenset({"setup_requirements"})

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def run(self, context: ToolContext, arguments: ConnectIntegrationInput) -> SetupRequirements:
        """The card, also if the user has an account there already: they may want another one."""
        provider = self._provider(arguments)
        scopes = arguments.scopes or list(provider.scopes)
        missing = self._vault.missing(context.user_id, [provider.name])
        why = f" {arguments.reason.strip()}" if arguments.reason.strip() else ""
        subject = SetupSubject(provider.name, provider.title, (provider.name,), {}, ("manual",))
        wanted = f" (scopes: {', '.join(scopes)})" if scopes else ""
        return setup_needed(subject, missing, f"Connect {provider.title}{wanted}.{why}", offer=(provider.name,))

    def _provider(self, arguments: ConnectIntegrationInput) -> Provider:
        provider = self._vault.providers.find(arguments.provider.strip())
        if provider is None:
            known = ", ".join(one.name for one in self._vault.providers.all())
            raise ToolError(f"There is no such provider. There are: {known}.", code="unknown_provider")
        beyond = [scope for scope in arguments.scopes if scope not in provider.scopes]
        if beyond:
            offered = ", ".join(provider.scopes) or "none"
            raise ToolError(f"{provider.name} is connected with these scopes only: {offered}.", code="unknown_scope")
        return provider
