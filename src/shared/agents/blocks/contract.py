"""What a block is: an input model, an output model, flags, and one function.

A block is a `Block` subclass in a module of its own in `library/`; being there is all it takes. It knows neither
chats nor runs: what it may use is in its context.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from shared.accounts.credentials.secrets import Secret
from shared.accounts.permissions import BlockName, Permissions
from shared.agents.reviews.records import Asking, Review
from shared.agents.running import ChildRuns
from shared.kernel.clock import Clock
from shared.tasks.wait import Wait
from shared.tools.contract import ToolContext
from shared.tools.sub_sessions.contract import SubSessions
from shared.tools.web.network import Network
from shared.tools.workspace.store import Workspace

Category = Literal["agent", "text", "data", "logic", "model", "web", "files", "time"]


class BlockInput(BaseModel):
    """Base of every block's inputs: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class BlockOutput(BaseModel):
    """Base of every block's outputs: each field is one, and what is not set is not emitted."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Prompt:
    """What a model is asked."""

    text: str
    system: str = ""
    max_output_tokens: int = 2_000


class TextModel(Protocol):
    """The deployment's model; its tokens count against the budgets of the task that asks."""

    def ask(self, call: ToolContext, name: str, prompt: Prompt) -> str:
        """What it answers; `name` tells the questions of a block apart.

        Raises:
            ToolError: there is no answer; the code says why.
        """


class AskedReviews(Protocol):
    """What users are asked to review; what belongs to somebody else does not exist."""

    def request(self, asking: Asking) -> Review:
        """Ask; the same execution again gets what it has asked."""

    def get(self, user_id: str, review_id: str) -> Review:
        """The review.

        Raises:
            NotFound: there is none.
        """


class CredentialSource(Protocol):
    """The accounts that users have connected."""

    def missing(self, user_id: str, providers: Iterable[str]) -> list[str]:
        """Those of the providers of which the user has no account that works."""

    def secret(self, user_id: str, provider: str, host: str) -> Secret:
        """The secret of the user's account, for the one request to `host` (with its port, unless it is HTTPS's own).

        Raises:
            ToolError: there is none for this host (`credentials_missing`, `credential_not_for_this_host`), or it
                can't be used (`credential_expired` and others).
        """


@dataclass(frozen=True)
class BlockServices:
    """What blocks are made to work with."""

    clock: Clock
    model: TextModel
    sub_sessions: SubSessions
    files: Workspace | None = None
    """None: this deployment keeps no files."""
    network: Network = field(default_factory=Network)
    reviews: AskedReviews | None = None
    """None: nobody can be asked."""
    credentials: CredentialSource | None = None
    """None: this deployment keeps none."""
    runs: ChildRuns | None = None
    """None: no other agent can be run."""


@dataclass(frozen=True)
class BlockContext:
    """Whose block it is, which run of it, and what it may use."""

    call: ToolContext
    """The task that runs it (a chat's turn, an agent's run), the id of this one execution, the time it has, and
    whether nothing may take effect."""
    services: BlockServices
    permissions: Permissions = field(default_factory=Permissions)


@dataclass(frozen=True)
class Given:
    """The world in which an example holds."""

    page: str = ""
    """What each web address answers, as JSON or text."""
    says: Sequence[str] = ()
    """What the model answers, call by call."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The workspace before."""
    approved: bool | None = None
    """What the user says when they are asked to review something."""


@dataclass(frozen=True)
class Example:
    """Inputs, and what comes out. Shown to whoever uses the block, and run as a test."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Sequence[Any]]
    given: Given = field(default_factory=Given)


InputT = TypeVar("InputT", bound=BlockInput)
OutputT = TypeVar("OutputT", bound=BlockOutput)


class Block(ABC, Generic[InputT, OutputT]):
    """One piece of work."""

    id: ClassVar[str]
    """A UUID that never changes: agents name blocks by it."""
    name: ClassVar[str]
    description: ClassVar[str]
    category: ClassVar[Category]
    input_model: ClassVar[type[BlockInput]]
    output_model: ClassVar[type[BlockOutput]]
    examples: ClassVar[Sequence[Example]]
    price_credits: ClassVar[int] = 0
    """What an execution costs its user when it brings something; never in a dry run. What a model's tokens cost is
    counted in budgets, and not here again."""
    side_effect: ClassVar[bool] = False
    """It changes something outside Parley: never repeated after a kill, and not done in a dry run."""
    needs_review: ClassVar[bool] = False
    """The user is asked before each execution."""
    credentials: ClassVar[Sequence[str]] = ()
    """The providers of which the user must always have connected an account."""
    is_loop: ClassVar[bool] = False
    """It emits several values, and what follows it runs for each."""
    gathers: ClassVar[Mapping[str, Literal["all", "each"]]] = {}
    """Inputs that take any number of links in an agent: `all` of their values at once, as a list, when no more can
    come; or one execution for `each`."""
    is_trigger: ClassVar[bool] = False
    """An agent with it starts when a request comes from outside; neither by hand nor on a schedule."""
    disabled: ClassVar[bool] = False
    """Listed nowhere, and not run."""
    in_chat: ClassVar[bool] = True
    """Whether a chat may run it by itself; False where a chat has a tool for the same."""

    @classmethod
    def named(cls) -> BlockName:
        """How permissions name it."""
        return BlockName(cls.id, cls.name)

    def is_available(self, services: BlockServices) -> bool:  # noqa: ARG002 - most need nothing special
        """Whether this deployment has what it needs."""
        return True

    def takes_effect(self, inputs: InputT) -> bool:  # noqa: ARG002 - for those where it depends
        """Whether this execution changes something outside Parley."""
        return self.side_effect

    def asks_first(self, inputs: InputT) -> bool:  # noqa: ARG002 - for those where it depends
        """Whether the user is asked before this execution, whoever has made the agent."""
        return self.needs_review

    def must_ask(self, call: ToolContext, inputs: InputT) -> bool:
        """Whether the user is asked by this call: the block wants it, or what another user has made uses an account."""
        return not call.dry_run and (self.asks_first(inputs) or self.lacks_trust(call, inputs))

    def lacks_trust(self, call: ToolContext, inputs: InputT) -> bool:
        """Whether what another user has made would use an account here: after a question only, in a dry run never."""
        return call.is_foreign and bool(self.credentials_for(inputs.model_dump()))

    def credentials_for(self, given: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002 - for those where it depends
        """The providers that it needs with these inputs, which need be neither whole nor valid."""
        return self.credentials

    def wrong_texts(self, given: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG002 - for those that know a language
        """What is wrong with texts that a graph has for inputs and that fit the schema: input to words."""
        return {}

    @abstractmethod
    def run(self, context: BlockContext, inputs: InputT) -> OutputT | Sequence[OutputT] | Wait:
        """Do it; several outputs are emitted one after another. Raise `ToolError` for what its user should read.

        It runs in a thread of its own, and ends soon after `context.call.cancellation` is set. What takes longer
        than seconds answers with a `Wait`, and goes on in `resume`. After a kill it runs again, unless it
        `takes_effect`: what it does to our own records must be the same for the same `context.call.tool_call_id`.
        """

    def resume(
        self,
        context: BlockContext,  # noqa: ARG002 - for those that wait
        inputs: InputT,  # noqa: ARG002
        note: Mapping[str, Any],  # noqa: ARG002
    ) -> OutputT | Sequence[OutputT] | Wait:
        """Go on after a `Wait`, whose note this is: it is settled, or its time is over."""
        raise AssertionError(f"{self.name} never waits")

    def rehearse(self, context: BlockContext, inputs: InputT) -> OutputT | Sequence[OutputT] | Wait:
        """What a dry run shows in place of `run`: nothing takes effect, nothing costs, nothing that the user would
        have to be asked about is read. By default it has no effect.
        """
        shows_itself = not self.takes_effect(inputs) and not self.lacks_trust(context.call, inputs)
        assert shows_itself, f"{self.name} must say what a dry run shows"
        return self.run(context, inputs)


def emitted(outcome: BlockOutput | Sequence[BlockOutput]) -> dict[str, list[Any]]:
    """All values by output, in the order in which they were emitted, as JSON."""
    values: dict[str, list[Any]] = {}
    for one in [outcome] if isinstance(outcome, BlockOutput) else outcome:
        for name, value in one.model_dump(mode="json", exclude_unset=True).items():
            values.setdefault(name, []).append(value)
    return values
