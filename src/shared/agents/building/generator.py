"""Who makes agents of words: the deployment's own model, or a service outside. Both plan in the same words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from shared.kernel.errors import ToolError
from shared.tools.long_running import HandedOff, WorkContext

INVALID_RESPONSE = "generator_invalid_response"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]


@dataclass(frozen=True)
class Order:
    """What is to be built."""

    goal: str
    """What a new agent is to do, or what is to change in `current`."""
    background: str
    parts: Sequence[Mapping[str, Any]]
    """Agents of the user's, and published ones, that it may be built from."""
    current: Mapping[str, Any] | None = None
    """The graph that is changed, or copied and changed."""

    def told(self) -> dict[str, Any]:
        """All of it, as JSON."""
        told: dict[str, Any] = {"goal": self.goal, "context": self.background, "library_agents": list(self.parts)}
        return told if self.current is None else {**told, "current_agent": dict(self.current)}


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Question(_Said):
    """Something that only the user knows."""

    question: Text
    keyword: str = Field(default="", max_length=200)
    example: str = Field(default="", max_length=1_000)


class Questions(_Said):
    """It takes more to know."""

    type: Literal["clarifying_questions"]
    questions: list[Question] = Field(min_length=1, max_length=20)


class Vague(_Said):
    """Nobody could say when the goal is reached."""

    type: Literal["vague_goal"]
    suggested_goal: Text
    reason: str = Field(default="", max_length=4_000)


class Unachievable(_Said):
    """What there is can't do it."""

    type: Literal["unachievable_goal"]
    suggested_goal: Text
    reason: str = Field(default="", max_length=4_000)


class Instructions(_Said):
    """How it is built, step by step; whoever wrote them may have put more in than we read."""

    model_config = ConfigDict(extra="allow")

    type: Literal["instructions"]
    steps: list[Any] = Field(min_length=1, max_length=200)


Plan = Questions | Vague | Unachievable | Instructions
_PLANS: TypeAdapter[Plan] = TypeAdapter(Annotated[Plan, Field(discriminator="type")])

Problems = Callable[[Mapping[str, Any]], list[str]]
"""What is wrong with a graph, when all that can be repaired by rule is; empty: nothing."""


class Generator(Protocol):
    """Makes a graph in two steps. What each has brought is kept in the context's journal."""

    def plan(self, context: WorkContext, order: Order) -> Plan:
        """What it takes. Raises `ToolError`."""

    def generate(
        self, context: WorkContext, order: Order, instructions: Instructions, problems: Problems
    ) -> Any | HandedOff:
        """The graph as JSON, to be read by `graph_in`; or somebody outside brings it. Raises `ToolError`."""


def plan_in(said: Any) -> Plan:
    """A plan as it was written.

    Raises:
        ToolError: it is none.
    """
    try:
        return _PLANS.validate_python(said)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:5])
        raise ToolError(f"The generator's plan is none that we know: {wrong}"[:1_000], code=INVALID_RESPONSE) from None
