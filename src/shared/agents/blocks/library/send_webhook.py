"""A signed message to somebody else's server."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.accounts.credentials.providers import WEBHOOK_SIGNING
from shared.agents.blocks.contract import (
    Block,
    BlockContext,
    BlockInput,
    BlockOutput,
    BlockServices,
    Category,
    Example,
    Given,
)
from shared.agents.blocks.rules.credentials import opened
from shared.agents.blocks.rules.json_text import to_bytes
from shared.agents.blocks.rules.requests import MOST_BODY_BYTES, exchange, rehearsed
from shared.agents.blocks.rules.webhooks import signed_headers
from shared.kernel.errors import ToolError
from shared.kernel.ids import derived_id


class SendWebhookInput(BlockInput):
    """What to tell, and to whom."""

    url: str = Field(min_length=1, max_length=2_048, description="Full https URL on the public internet.")
    payload: Any = Field(description="Any JSON value; it is the request's body.")


class SendWebhookOutput(BlockOutput):
    """It has arrived."""

    status_code: int = 0
    webhook_id: str = Field(default="", description="The same for the same message, should it arrive twice.")
    payload: Any = Field(default=None, description="What was sent, as the user has approved it.")


class SendWebhook(Block[SendWebhookInput, SendWebhookOutput]):
    """Posts JSON with a signature."""

    id: ClassVar[str] = "390ab99e-2fbd-4653-b8e0-a031b64d2281"
    name: ClassVar[str] = "Send webhook"
    description: ClassVar[str] = (
        "Post a JSON value to an https URL, signed with the user's webhook_signing credential for that host, which the "
        "receiver knows too (Standard Webhooks, HMAC-SHA256)."
    )
    category: ClassVar[Category] = "web"
    side_effect: ClassVar[bool] = True
    needs_review: ClassVar[bool] = True
    credentials: ClassVar[Sequence[str]] = (WEBHOOK_SIGNING,)
    input_model: ClassVar[type[BlockInput]] = SendWebhookInput
    output_model: ClassVar[type[BlockOutput]] = SendWebhookOutput
    examples: ClassVar[Sequence[Example]] = (
        Example(
            {"url": "https://hooks.example.com/done", "payload": {"done": True}},
            {"status_code": [200], "webhook_id": ["CSNYPBXNPSM0Y5PADFEQW5D3XQ"], "payload": [{"done": True}]},
            Given(page="ok"),
        ),
    )

    def is_available(self, services: BlockServices) -> bool:
        """Only where credentials are kept."""
        return services.credentials is not None

    def run(self, context: BlockContext, inputs: SendWebhookInput) -> SendWebhookOutput:
        """Post it."""
        from shared.tools.web.hop import Outgoing  # brings httpcore

        body, webhook_id = _encoded(inputs), _webhook_id(context)
        secret = opened(context, WEBHOOK_SIGNING, context.services.network.read_url(inputs.url))
        signed = signed_headers(secret.signing_key, webhook_id, int(context.services.clock.now()), body)
        headers = {"Content-Type": "application/json", **signed}
        reply = exchange(context, inputs.url, Outgoing("POST", headers, body))
        if not 200 <= reply.status < 300:
            raise ToolError(f"The receiver answered {reply.status}.", code="webhook_refused")
        return SendWebhookOutput(status_code=reply.status, webhook_id=webhook_id, payload=inputs.payload)

    def rehearse(self, context: BlockContext, inputs: SendWebhookInput) -> SendWebhookOutput:
        """As if it had arrived."""
        _encoded(inputs)
        rehearsed(context, inputs.url, {}, WEBHOOK_SIGNING)
        return SendWebhookOutput(status_code=200, webhook_id=_webhook_id(context), payload=inputs.payload)


def _webhook_id(context: BlockContext) -> str:
    return derived_id("webhook", context.call.task_id, context.call.tool_call_id)


def _encoded(inputs: SendWebhookInput) -> bytes:
    """Always JSON, also a text."""
    return to_bytes(json.dumps(inputs.payload, ensure_ascii=False), MOST_BODY_BYTES)
