"""The model behind any OpenAI-compatible server, through the `openai` package."""

import json
import math
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk

from shared.chat.model import (
    PROMPT_TOO_LONG,
    ModelEvent,
    ModelFailed,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from shared.kernel.limits import STREAM_IDLE_TIMEOUT_SECONDS
from shared.kernel.mailbox import Mailbox, Workers

_CONNECT_SECONDS = 10.0
_RETRYABLE_STATUS = frozenset({408, 409, 425, 429})
_MAX_RETRY_AFTER_SECONDS = 8.0
_TOO_LONG_CODES = frozenset(
    {"context_length_exceeded", "context_window_exceeded", "exceed_context_size_error", "prompt_too_long"}
)
_TOO_LONG_WORDS = re.compile(
    r"maximum context length|context.?(length|window|size)|(prompt|input|request|conversation) (is )?too (long|large)"
    r"|too many (input |total )?tokens|(input|prompt) token count|reduce the length of|maximum number of tokens",
    re.IGNORECASE,
)
"""OpenAI, Azure, vLLM, llama.cpp, Ollama, Groq, Gemini, Anthropic and gateways before them each say it their way."""


class OpenAIModel:
    """Chat completions, streamed."""

    def __init__(self, name: str, base_url: str, api_key: Callable[[], str], workers: Workers) -> None:
        self.name = name
        self._workers = workers
        # No hidden second call: whether to repeat depends on what viewers have seen.
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            timeout=openai.Timeout(STREAM_IDLE_TIMEOUT_SECONDS, connect=_CONNECT_SECONDS),
        )

    def start(self, request: ModelRequest, mailbox: Mailbox[ModelEvent]) -> "_Call":
        """Begin a call in a thread of its own."""
        call = _Call(self._client, self.name, request, mailbox)
        self._workers.start("model-call", call.run)
        return call


class _Call:
    def __init__(self, client: openai.OpenAI, model: str, request: ModelRequest, mailbox: Mailbox[ModelEvent]) -> None:
        self._client = client
        self._model = model
        self._request = request
        self._mailbox = mailbox
        self._stream: openai.Stream[ChatCompletionChunk] | None = None
        self._closed = False

    def run(self) -> None:
        """Call, and report everything; the last event says how it ended."""
        try:
            self._stream = self._create()
            if self._closed:
                self.close()
            last = self._relay(self._stream)
        except openai.OpenAIError as error:
            last = _failure(error)
        except json.JSONDecodeError:
            last = ModelFailed("bad_stream", "The model sent something that is not JSON.", retryable=True)
        except Exception as error:  # noqa: BLE001 - outermost frame of the thread; silence would hang the turn
            last = ModelFailed("model_error", f"The model call broke: {type(error).__name__}.", retryable=True)
        self._mailbox.put(last)

    def close(self) -> None:
        """Break the connection, so that the thread that reads from it ends at once."""
        self._closed = True
        if self._stream is None:
            return
        network = self._stream.response.extensions.get("network_stream")
        connection = network.get_extra_info("socket") if network else None
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                return

    def _create(self) -> "openai.Stream[ChatCompletionChunk]":
        # Built by transcript.for_model and the tools' schemas; the package's own types are for literals.
        request: dict[str, Any] = {
            "model": self._model,
            "messages": list(self._request.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            "user": self._request.user_id,
        }
        if self._request.max_output_tokens is not None:
            request["max_completion_tokens"] = self._request.max_output_tokens
        if self._request.tools:
            request["tools"] = list(self._request.tools)
        stream: openai.Stream[ChatCompletionChunk] = self._client.chat.completions.create(**request)
        return stream

    def _relay(self, stream: "openai.Stream[ChatCompletionChunk]") -> ModelEvent:
        reason, prompt_tokens, completion_tokens = "", 0, 0
        for chunk in stream:
            if chunk.usage:
                prompt_tokens = _whole_number(chunk.usage.prompt_tokens)
                completion_tokens = _whole_number(chunk.usage.completion_tokens)
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                for event in _events(choice.delta):
                    self._mailbox.put(event)
        if not reason:
            broken = "The model's answer broke off."
            return ModelFailed("stream_cut", broken, True, 0.0, prompt_tokens, completion_tokens)
        return ModelFinished(reason, prompt_tokens, completion_tokens)


def _events(delta: Any) -> Iterator[ModelEvent]:
    if delta is None:
        return
    # Not in OpenAI's own types: DeepSeek and vLLM say reasoning_content, OpenRouter says reasoning.
    reasoning = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
    if isinstance(reasoning, str) and reasoning:
        yield ReasoningDelta(_whole(reasoning))
    if delta.content:
        yield TextDelta(_whole(delta.content))
    for call in delta.tool_calls or []:
        function = call.function
        name, arguments = (function.name, function.arguments) if function else (None, None)
        yield ToolCallDelta(call.index or 0, _whole(call.id or ""), _whole(name or ""), _whole(arguments or ""))


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which some servers send and UTF-8 can't hold."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _whole_number(count: object) -> int:
    """A count of tokens as it is stored; the package doesn't check what servers send. What makes no sense is 0."""
    return int(count) if isinstance(count, int | float) and math.isfinite(count) and count > 0 else 0


def _failure(error: openai.OpenAIError) -> ModelFailed:
    if isinstance(error, openai.APITimeoutError):
        return ModelFailed("model_timeout", "The model did not answer in time.", retryable=False)
    if isinstance(error, openai.APIConnectionError):
        return ModelFailed("model_unreachable", "The connection to the model broke.", retryable=True)
    if _is_too_long(error):
        return ModelFailed(PROMPT_TOO_LONG, "The conversation is too long for the model.", retryable=False)
    if not isinstance(error, openai.APIStatusError):
        return ModelFailed("model_error", "The model reported an error in its stream.", retryable=True)
    status = error.status_code
    if status == 429 and error.code == "insufficient_quota":
        return ModelFailed("model_quota", "The model's quota is used up.", retryable=False)
    if status >= 500 or status in _RETRYABLE_STATUS:
        code = "model_rate_limited" if status == 429 else "model_unavailable"
        message = f"The model's server answered {status}."
        return ModelFailed(code, message, retryable=True, retry_after_seconds=_retry_after(error))
    code = "model_unauthorized" if status in {401, 403} else "model_refused"
    return ModelFailed(code, f"The model's server refused the request ({status}).", retryable=False)


def _is_too_long(error: openai.OpenAIError) -> bool:
    """Whether the same conversation, shortened, might be taken."""
    if not isinstance(error, openai.APIError):
        return False
    if {str(error.code), str(error.type)} & _TOO_LONG_CODES:
        return True
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    if status == 429:  # more than a minute's quota at once: no pause makes room for it
        return "request too large" in error.message.lower()
    return status == 413 or (status in {None, 400, 422} and _TOO_LONG_WORDS.search(error.message) is not None)


def _retry_after(error: openai.APIStatusError) -> float:
    try:
        return min(float(error.response.headers.get("retry-after", 0)), _MAX_RETRY_AFTER_SECONDS)
    except ValueError:
        return 0.0
