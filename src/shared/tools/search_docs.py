"""`search_docs`: which sections of the product's documentation answer a question."""

from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.docs.library import Found, Library
from shared.tools.docs.ranking import words

MAX_RESULTS = 5
_EXCERPT_CHARACTERS = 600


class SearchDocsInput(ToolInput):
    """What is asked."""

    query: str = Field(min_length=1, max_length=400, description="A few words.")
    limit: int = Field(default=MAX_RESULTS, ge=1, le=MAX_RESULTS)


class DocsMatch(BaseModel):
    """A section that matches."""

    path: str
    """Page and section, for `get_doc_page`."""
    title: str
    section: str
    excerpt: str
    score: float


class DocsMatches(ToolResponse):
    """The best first."""

    type: Literal["docs_matches"] = "docs_matches"
    query: str
    results: list[DocsMatch]


class SearchDocs(Tool[SearchDocsInput]):
    """Ranks the sections of the shipped pages."""

    name: ClassVar[str] = "search_docs"
    description: ClassVar[str] = (
        "Search Parley's own documentation: how it works, its API, settings, tools, errors and operation. "
        "Read a result in full with get_doc_page."
    )
    input_model: ClassVar[type[ToolInput]] = SearchDocsInput

    def __init__(self, library: Library) -> None:
        self._library = library

    def run(self, context: ToolContext, arguments: SearchDocsInput) -> DocsMatches:  # noqa: ARG002 - the same for all
        """Search."""
        found = self._library.search(arguments.query, arguments.limit)
        results = [_match(hit, set(words(arguments.query))) for hit in found]
        message = "" if results else "Nothing matches; try other words."
        return DocsMatches(message=message, query=arguments.query, results=results)


def _match(hit: Found, asked: set[str]) -> DocsMatch:
    section = hit.section
    return DocsMatch(
        path=f"{section.path}#{section.anchor}" if section.anchor else section.path,
        title=section.title,
        section=section.heading,
        excerpt=_excerpt(section.body, asked),
        score=round(hit.score, 3),
    )


def _excerpt(body: str, asked: set[str]) -> str:
    """From the line on that has most of the asked words."""
    lines = body.splitlines()
    if len(body) <= _EXCERPT_CHARACTERS or not lines:
        return body
    best = max(range(len(lines)), key=lambda number: (len(asked & set(words(lines[number]))), -number))
    return "\n".join(lines[best:])[:_EXCERPT_CHARACTERS].strip()
