"""A Markdown page as the sections that its headings make."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, up to the next heading."""

    path: str
    """The page, relative to the folder of all pages."""
    title: str
    heading: str
    anchor: str
    """As web pages name it; unique within the page, empty for what stands before the first heading."""
    level: int
    body: str


def split(path: str, text: str) -> list[Section]:
    """The page's sections in order. A page without headings is one."""
    parts = list(_parts(text))
    title = next((heading for level, heading, _ in parts if level == 1), path)
    anchors: dict[str, int] = {}
    sections = []
    for level, heading, body in parts:
        if level or body:
            sections.append(Section(path, title, heading or title, _anchor(heading, anchors), level, body))
    return sections


def _parts(text: str) -> Iterator[tuple[int, str, str]]:
    """Level, heading and text below; level 0 before the first heading."""
    level, heading, lines, fence = 0, "", list[str](), ""
    for line in text.splitlines():
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        found = None if fence or mark else _HEADING.fullmatch(line)
        if found:
            yield level, heading, "\n".join(lines).strip()
            level, heading, lines = len(found[1]), found[2], []
        else:
            lines.append(line)
    yield level, heading, "\n".join(lines).strip()


def _anchor(heading: str, taken: dict[str, int]) -> str:
    anchor = _NOT_IN_ANCHORS.sub("", heading.lower()).strip().replace(" ", "-")
    if not anchor:
        return ""
    count = taken.get(anchor, 0)
    taken[anchor] = count + 1
    return f"{anchor}-{count}" if count else anchor
