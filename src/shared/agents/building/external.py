"""A generator outside: a service of the deployer's, which answers at once (200) or calls back (202)."""

from collections.abc import Callable
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from shared.agents.building.exchange import Exchange, Unreachable
from shared.agents.building.generator import INVALID_RESPONSE, Instructions, Order, Plan, Problems, plan_in
from shared.agents.building.json_answers import object_in
from shared.kernel.clock import Clock
from shared.kernel.errors import ConfigError, ToolError
from shared.tools.long_running import HandedOff, WorkContext

_ATTEMPTS = 3
_MOST_PAUSE_SECONDS = 8.0

ReadKey = Callable[[], str | None]
"""The key that the service wants; None: none."""


class _MayPass(ToolError):
    """The next attempt may do better."""


class ExternalGenerator:
    """Speaks to the service at `url`. A request that is repeated has the operation's id as its `Idempotency-Key`."""

    def __init__(self, url: str, read_key: ReadKey, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._read_key = read_key
        self._clock = clock

    def plan(self, context: WorkContext, order: Order) -> Plan:
        """`POST /api/decompose-description`.

        Raises:
            ToolError: the service can't be used; the code says why.
        """

        def ask() -> Any:
            told = {"description": order.goal, **order.told()}
            del told["goal"]
            status, answer = self._post(context, "decompose-description", told)
            if status != 200:
                raise ToolError(f"The generator planned with status {status}, not 200.", code=INVALID_RESPONSE)
            return answer

        try:
            return plan_in(context.journal.once("plan", ask))
        except ToolError as error:
            if error.code != "too_large":
                raise
            raise ToolError("The generator's plan is larger than can be kept.", code=INVALID_RESPONSE) from error

    def generate(
        self,
        context: WorkContext,
        order: Order,
        instructions: Instructions,
        problems: Problems,  # noqa: ARG002 - it repairs by itself
    ) -> Any | HandedOff:
        """`POST /api/generate-agent`, or `/api/update-agent` for one that is changed.

        Raises:
            ToolError: the service can't be used; the code says why.
        """
        asked: dict[str, Any] = {
            "instructions": instructions.model_dump(mode="json"),
            "library_agents": list(order.parts),
            "operation_id": context.operation_id,
            "task_id": context.task_id,
            "callback_url": context.callback_url,
        }
        if order.current is None:
            status, answer = self._post(context, "generate-agent", asked)
        else:
            changed = {"update_request": order.goal, "context": order.background, "current_agent": order.current}
            status, answer = self._post(context, "update-agent", {**asked, **changed})
        if status == 200:
            return answer
        if not context.callback_url:
            message = "The generator wants to call back, and this deployment has no key for that."
            raise ToolError(message, code="generator_not_configured")
        return HandedOff()

    def _post(self, context: WorkContext, action: str, told: dict[str, Any]) -> tuple[int, Any]:
        headers = {"idempotency-key": f"{context.operation_id}-{action}", **self._key()}
        exchange = Exchange(self._clock, context.cancellation)
        attempts = Retrying(
            retry=retry_if_exception_type((_MayPass, Unreachable)),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(max=_MOST_PAUSE_SECONDS),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return attempts(self._once, exchange, f"{self._url}/api/{action}", told, headers)

    def _once(self, exchange: Exchange, url: str, told: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        status, body = exchange.post(url, told, headers)
        if status in {200, 202}:
            return status, _answer(body) if status == 200 else None
        if status == 429:
            raise _MayPass("The generator has too much to do; try again later.", code="generator_rate_limited")
        if status >= 500:
            raise _MayPass(f"The generator fails with status {status}.", code="generator_unavailable")
        raise ToolError(f"The generator refuses the work with status {status}.", code="generator_refused")

    def _key(self) -> dict[str, str]:
        try:
            key = self._read_key()
        except ConfigError:
            raise ToolError("The generator's key can't be read.", code="generator_not_configured") from None
        return {"x-api-key": key} if key else {}


def _answer(body: bytes) -> Any:
    value = object_in(body.decode(errors="replace"))
    if value is None:
        raise ToolError("The generator's answer is not a JSON object.", code=INVALID_RESPONSE)
    return value
