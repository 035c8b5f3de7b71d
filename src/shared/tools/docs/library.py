"""The pages that are shipped beside the code, read and indexed at the first question."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.kernel.errors import ToolError
from shared.tools.docs.ranking import Ranking
from shared.tools.docs.sections import Section, split

_HEADING_WEIGHT = 3
"""A word in a heading or a title counts as if the text said it so often."""


@dataclass(frozen=True)
class Found:
    """A section that matches."""

    section: Section
    score: float


class Library:
    """All Markdown pages below a folder, by their path relative to it. No path that is asked for reaches the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @functools.cached_property
    def pages(self) -> Mapping[str, str]:
        """Path to text."""
        files = sorted(self._folder.rglob("*.md"))
        return {file.relative_to(self._folder).as_posix(): file.read_text(encoding="utf-8") for file in files}

    def search(self, query: str, limit: int) -> list[Found]:
        """The sections that match best."""
        sections, ranking = self._index
        return [Found(sections[hit.position], hit.score) for hit in ranking.best(query, limit)]

    def page(self, path: str) -> str:
        """The text of a page, or with `#anchor` of one of its sections and what is below it.

        Raises:
            ToolError: `page_not_found` or `section_not_found`, with what there is.
        """
        name, _, anchor = path.partition("#")
        text = self.pages.get(_relative(name))
        if text is None:
            raise ToolError(f"There is no such page. There are: {', '.join(self.pages)}.", code="page_not_found")
        if not anchor:
            return text
        sections = split(name, text)
        start = next((place for place, section in enumerate(sections) if section.anchor == anchor), None)
        if start is None:
            known = ", ".join(f"#{section.anchor}" for section in sections if section.anchor)
            raise ToolError(f"The page has no section #{anchor}. It has: {known}.", code="section_not_found")
        return "\n\n".join(_written(section) for section in _with_what_is_below(sections[start:]))

    @functools.cached_property
    def _index(self) -> tuple[list[Section], Ranking]:
        sections = [section for path, text in self.pages.items() for section in split(path, text)]
        return sections, Ranking([_indexed(section) for section in sections])


def shipped_folder(configured: str = "") -> Path:
    """Where the pages are: where `DOCS_DIR` says, beside the package (in a layer), or in the repository."""
    if configured:
        return Path(configured)
    code = Path(__file__).resolve().parents[3]  # the folder that holds `shared`
    layer = code / "shared_docs"
    return layer if layer.is_dir() else code.parent / "docs"


def _relative(name: str) -> str:
    """The page's name as the library lists it; `docs/tools.md` and `./tools.md` are common ways to write it."""
    path = PurePosixPath(name.strip())
    parts = path.parts[1:] if path.parts[:1] == ("docs",) else path.parts
    return "/".join(parts)


def _indexed(section: Section) -> str:
    return "\n".join([f"{section.title} {section.heading}"] * _HEADING_WEIGHT + [section.body])


def _with_what_is_below(sections: list[Section]) -> list[Section]:
    level = sections[0].level
    end = next((place for place, section in enumerate(sections[1:], 1) if section.level <= level), len(sections))
    return sections[:end]


def _written(section: Section) -> str:
    heading = f"{'#' * section.level} {section.heading}\n\n" if section.level else ""
    return heading + section.body
