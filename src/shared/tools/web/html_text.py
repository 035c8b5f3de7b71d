"""The words of an HTML page: headings, paragraphs, list items and cells, without scripts and decoration."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

_DROPPED = frozenset({"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas"})
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_SPACED = frozenset({"p", "blockquote", "pre", "table", "ul", "ol", "dl", "section", "article", "figure", "hr"})
_BLOCKS = frozenset(
    {
        "address", "aside", "body", "caption", "dd", "details", "dialog", "div", "dt", "fieldset", "figcaption",
        "footer", "form", "header", "html", "legend", "li", "main", "nav", "option", "summary", "tbody",
        "tfoot", "thead", "tr",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_SPACE = re.compile(r"\s+")
_FED_CHARACTERS = 65_536
_PENDING_CHARACTERS = 262_144
"""An unfinished tag or comment longer than this is no page; the parser would read it again and again."""

_TAIL_CHARACTERS = 4_096
"""What is left unfinished at the end of a page is shown as text only if it is short."""


@dataclass(frozen=True)
class PageText:
    """What a page says; `complete` is false if it was longer than asked for."""

    title: str
    text: str
    complete: bool


def read_html(markup: str, characters: int, on_progress: Callable[[], None]) -> PageText:
    """Extract up to about `characters`; `on_progress` is called between pieces and may raise to stop."""
    reader = _Reader(characters)
    for start in range(0, len(markup), _FED_CHARACTERS):
        on_progress()
        reader.feed(markup[start : start + _FED_CHARACTERS])
        if reader.is_full or reader.is_stuck:
            return reader.result(complete=False)
    complete = reader.finish()
    return reader.result(complete)


class _Reader(HTMLParser):
    def __init__(self, characters: int) -> None:
        super().__init__(convert_charrefs=True)
        self._wanted = characters
        self._written = 0
        self._lines: list[str] = []
        self._line: list[str] = []
        self._marker = ""
        self._title: list[str] = []
        self._in_title = False
        self._dropped: list[str] = []
        self._preformatted = 0

    @property
    def is_full(self) -> bool:
        return self._written > self._wanted

    @property
    def is_stuck(self) -> bool:
        # A script may be long; its end is searched for quickly.
        return len(self.rawdata) > _PENDING_CHARACTERS and self.cdata_elem is None

    def finish(self) -> bool:
        """Read the unfinished rest, if it is short: for a long one, closing takes quadratic time."""
        if self.cdata_elem is None and len(self.rawdata) > _TAIL_CHARACTERS:
            return False
        if self.cdata_elem is None:
            self.close()
        return not self.is_full

    def result(self, complete: bool) -> PageText:
        self._end_line()
        title = _SPACE.sub(" ", "".join(self._title)).strip()
        text = "\n".join(self._lines).strip("\n")
        return PageText(title, re.sub(r"\n{3,}", "\n\n", text), complete)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - only words count
        if self._dropped or tag in _DROPPED:
            if not self._dropped or tag == self._dropped[0]:
                self._dropped.append(tag)
            return
        self._in_title = tag == "title" and not self._title
        self._break(tag)
        if tag in _HEADINGS or tag == "li":
            self._marker = _HEADINGS.get(tag, "- ")
        elif tag == "pre":
            self._preformatted += 1

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag == self._dropped[-1]:
                self._dropped.pop()
            return
        self._in_title = False
        if tag == "pre":
            self._end_line()
            self._preformatted = max(0, self._preformatted - 1)
        if tag in _CELLS:
            self._line.append(" | ")
        elif tag != "br":
            self._break(tag)
        if tag in _HEADINGS or tag == "li":
            self._marker = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED:  # <svg/> is empty; nothing would close it
            self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._dropped or self.is_full:
            return
        if self._in_title:
            self._title.append(data)
        elif self._preformatted:
            first, *others = data.split("\n")
            self._write(first)
            for line in others:
                self._end_line()
                self._write(line)
        else:
            self._write(_SPACE.sub(" ", data))

    def _write(self, text: str) -> None:
        if not self._preformatted and (not self._line or self._line[-1].endswith(" ")):
            text = text.lstrip(" ")
        if text:
            self._line += (self._marker, text)
            self._marker = ""  # it waits for the first words: they may be in a paragraph of their own
            self._written += len(text)

    def _break(self, tag: str) -> None:
        if tag in _SPACED or tag in _HEADINGS:
            self._end_line()
            self._lines.append("")
        elif tag in _BLOCKS or tag == "br":
            self._end_line()

    def _end_line(self) -> None:
        line = "".join(self._line).rstrip().removesuffix(" |")
        if self._preformatted or line.strip(" |"):
            self._lines.append(line)
            self._written += 1
        self._line = []
