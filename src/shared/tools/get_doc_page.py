"""`get_doc_page`: a page of the product's documentation, or one section of it."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.docs.library import Library
from shared.tools.fitting import fitting

_MAX_JSON_BYTES = 56_000


class GetDocPageInput(ToolInput):
    """Which page."""

    path: str = Field(
        min_length=1, max_length=300, description="As search_docs gives it, such as tools.md or tools.md#web_fetch."
    )


class DocPage(ToolResponse):
    """The page's Markdown."""

    type: Literal["doc_page"] = "doc_page"
    path: str
    content: str
    truncated: bool


class GetDocPage(Tool[GetDocPageInput]):
    """Reads one of the shipped pages, never another file."""

    name: ClassVar[str] = "get_doc_page"
    description: ClassVar[str] = "Read a page of Parley's documentation, or one section of it, as Markdown."
    input_model: ClassVar[type[ToolInput]] = GetDocPageInput

    def __init__(self, library: Library) -> None:
        self._library = library

    def run(self, context: ToolContext, arguments: GetDocPageInput) -> DocPage:  # noqa: ARG002 - the same for all
        """Read it."""
        text = self._library.page(arguments.path)
        content = fitting(text, _MAX_JSON_BYTES)
        truncated = len(content) < len(text)
        message = "The page is longer; ask for its sections with #." if truncated else ""
        return DocPage(message=message, path=arguments.path, content=content, truncated=truncated)
