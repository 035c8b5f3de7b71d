"""Before and after each call of a model: reserve the most that it can cost, count what it has cost."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from shared.accounts.budgets.amounts import BudgetExhausted, CallSize, cost_micros
from shared.accounts.budgets.tab import Tab
from shared.chat.model import ModelFailed, ModelFinished, ModelRequest
from shared.kernel.settings import ModelPrice
from shared.kernel.telemetry import count, log_event
from shared.tasks.records import Spend, Task

OUTPUT_TOKENS = 16_384
"""The longest answer where a budget has to hold it and the deployment names no other length."""
_BYTES_PER_TOKEN = 3
"""For usage that a provider did not count; English has about four."""
_NOT_PROCESSED = frozenset(
    {
        "model_unreachable",
        "model_rate_limited",
        "model_unavailable",
        "model_unauthorized",
        "model_refused",
        "model_quota",
        "prompt_too_long",
    }
)
"""Failures before the model has begun: without any output they cost nothing."""


@dataclass(frozen=True)
class _Measured:
    """A prompt whose tokens the provider has counted."""

    sizes: tuple[int, ...]
    tools: int
    tokens: int


class MeteredCall:
    """One call under way: send `request`, then say how it `ended`."""

    def __init__(self, request: ModelRequest, price: ModelPrice | None, written: Callable[[], int]) -> None:
        self.request = request
        self.spend: Spend | None = None
        """What it has used, as soon as that is known."""
        self.prompt_tokens = 0
        """By the provider's count."""
        self._price = price
        self._written = written

    def ended(self, last: ModelFinished | ModelFailed) -> Spend:
        """Count it, by the provider's own numbers where there are any."""
        if isinstance(last, ModelFailed) and last.code in _NOT_PROCESSED and not self._written():
            self.spend = Spend()
        elif last.prompt_tokens or last.completion_tokens:
            self.prompt_tokens = last.prompt_tokens
            self.spend = self._spend(last.prompt_tokens, last.completion_tokens)
        else:
            self.spend = self.estimate()
        return self.spend

    def estimate(self) -> Spend:
        """What a call used that nobody has counted: three bytes a token, of what was sent and what came."""
        prompt = sum(_sizes(self.request.messages)) + _size(self.request.tools)
        return self._spend(-(-prompt // _BYTES_PER_TOKEN), -(-self._written() // _BYTES_PER_TOKEN))

    def _spend(self, prompt_tokens: int, completion_tokens: int) -> Spend:
        cost = cost_micros(self._price, prompt_tokens, completion_tokens)
        return Spend(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, cost_micros=cost)


class Metering:
    """Meters the calls that one owner makes for a task, one after another."""

    def __init__(self, tab: Tab, price: ModelPrice | None, max_output_tokens: int | None) -> None:
        self._tab = tab
        self._price = price
        self._max_output_tokens = max_output_tokens
        self._measured = _Measured((), 0, 0)

    @contextmanager
    def call(
        self,
        task: Task,
        name: str,
        request: ModelRequest,
        written: Callable[[], int],
        wait: Callable[[], bool] = lambda: False,
    ) -> Iterator[MeteredCall]:
        """A metered call; `name` tells the calls of a task apart, `written` is how many bytes have come so far.

        While other calls hold what this one needs, `wait` is called, until it answers False: then the call takes
        what is left.

        What it has used is on the task's tab when the block ends, however it ends. If that was by an
        exception, the usage is estimated.

        Raises:
            BudgetExhausted: there is no room for the call.
        """
        output = self._max_output_tokens
        if self._tab.limited:
            output = self._reserve(task, name, self._size(request), wait)
        metered = MeteredCall(replace(request, max_output_tokens=output), self._price, written)
        try:
            yield metered
        finally:
            spend = metered.spend if metered.spend is not None else metered.estimate()
            self._tab.use(spend, name)
            self._learn(request, metered.prompt_tokens)
            count("PromptTokens", spend.prompt_tokens)
            count("CompletionTokens", spend.completion_tokens)
            count("SpendMicros", spend.cost_micros)

    def _reserve(self, task: Task, name: str, size: CallSize, wait: Callable[[], bool]) -> int:
        patient = True
        while True:
            try:
                return self._tab.reserve(task, name, size, patient=patient)
            except BudgetExhausted as exhausted:
                if not (patient and exhausted.held_by_others):
                    log_event("budget.exhausted", **task.ids, code=exhausted.code, scope=exhausted.scope)
                    raise
                patient = wait()

    def _size(self, request: ModelRequest) -> CallSize:
        """A token is a byte at least; what the last call had as well is known by the provider's own count."""
        sizes, tools, known = tuple(_sizes(request.messages)), _size(request.tools), self._measured
        shared = len(known.sizes)
        if shared and sizes[:shared] == known.sizes:
            prompt = known.tokens + sum(sizes[shared:]) + max(0, tools - known.tools)
        else:
            prompt = sum(sizes) + tools
        return CallSize(prompt, self._max_output_tokens or OUTPUT_TOKENS, self._price)

    def _learn(self, request: ModelRequest, prompt_tokens: int) -> None:
        if self._tab.limited and prompt_tokens:
            self._measured = _Measured(tuple(_sizes(request.messages)), _size(request.tools), prompt_tokens)


def _sizes(messages: Sequence[dict[str, Any]]) -> list[int]:
    return [len(json.dumps(message, ensure_ascii=False).encode(errors="replace")) for message in messages]


def _size(tools: Sequence[dict[str, Any]]) -> int:
    return len(json.dumps(list(tools), ensure_ascii=False).encode(errors="replace")) if tools else 0
