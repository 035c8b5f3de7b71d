"""What tools answer when a user must connect accounts before something can run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from shared.tools.contract import ToolResponse


class SetupRequirement(BaseModel):
    """What is needed, and how it may be run."""

    credentials: list[str]
    inputs: dict[str, Any]
    execution_modes: list[str]


class Readiness(BaseModel):
    """What of it is there."""

    has_all_credentials: bool
    missing_credentials: list[str]
    ready_to_run: bool


class SetupInfo(BaseModel):
    """What has to be set up for whom."""

    agent_id: str
    """The agent's id, the block's, or the provider's name."""
    agent_name: str
    requirements: SetupRequirement
    user_readiness: Readiness


class SetupRequirements(ToolResponse):
    """Nothing was run: the user must connect something first."""

    type: Literal["setup_requirements"] = "setup_requirements"
    setup_info: SetupInfo
    connect_links: dict[str, str]
    """Where the user connects each provider, by name: within the console."""
    library_agent_id: str | None = None
    """Of an agent; nothing else has one."""
    library_agent_link: str | None = None


class Accounts(Protocol):
    """The accounts that users have connected; no secret of them."""

    def missing(self, user_id: str, providers: Iterable[str], host: str = "") -> list[str]:
        """Those of the providers of which the user has no account that works, for `host` if it is named."""


@dataclass(frozen=True)
class SetupSubject:
    """What was to be run."""

    id: str
    name: str
    providers: Sequence[str]
    inputs: Mapping[str, Any]
    """JSON schema."""
    execution_modes: Sequence[str]


def setup_needed(
    subject: SetupSubject, missing: Sequence[str], message: str = "", *, offer: Sequence[str] = ()
) -> SetupRequirements:
    """The card that asks the user to connect what is missing; links are there for that, or for what is on `offer`."""
    return SetupRequirements(
        message=message or f"Nothing was run: the user has to connect {', '.join(missing)} first. Tell them.",
        setup_info=SetupInfo(
            agent_id=subject.id,
            agent_name=subject.name,
            requirements=SetupRequirement(
                credentials=list(subject.providers),
                inputs=dict(subject.inputs),
                execution_modes=list(subject.execution_modes),
            ),
            user_readiness=Readiness(
                has_all_credentials=not missing, missing_credentials=list(missing), ready_to_run=not missing
            ),
        ),
        connect_links={name: connect_link(name) for name in (offer or missing)},
    )


def connect_link(provider: str) -> str:
    """Where a user connects an account, within the console."""
    return f"/#connect={provider}"
