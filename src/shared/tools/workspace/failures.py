"""How a storage that doesn't answer is told to the model."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.kernel.errors import Retryable, ToolError


@contextmanager
def told_to_the_model() -> Iterator[None]:
    """Turn a storage failure into one that the model can react to."""
    try:
        yield
    except Retryable as error:
        raise ToolError(
            "The workspace did not answer. Look at what is there before you try again.", code="workspace_unavailable"
        ) from error
