"""What kind of document an answer is, and how its bytes become characters."""

import codecs
import re
from dataclasses import dataclass

from shared.kernel.errors import ToolError

_TEXT_APPLICATIONS = frozenset(
    "application/" + name
    for name in (
        "json", "ld+json", "jsonl", "ndjson", "x-ndjson", "xml", "xhtml+xml",
        "javascript", "yaml", "x-yaml", "toml", "sql", "graphql",
    )
)  # fmt: skip
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MAX_TYPE_CHARACTERS = 100
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.ASCII | re.IGNORECASE)
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)|^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Only these: Python also knows codecs that are no character sets, some of them slow on hostile input.
_CHARSETS = frozenset(
    {
        "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "big5", "big5hkscs", "cp932",
        "euc_jp", "iso2022_jp", "cp949", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp866", "cp874",
        "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859-2",
        "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-10",
        "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16", "tis-620",
    }
)  # fmt: skip
_MEANT = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
"""What browsers read instead (WHATWG Encoding): the names on the left are used for texts in the wider set."""


@dataclass(frozen=True)
class ContentType:
    """The media type of an answer in lower case, empty if the server told none, and its character set."""

    media_type: str
    charset: str | None

    @property
    def is_html(self) -> bool:
        """Whether the text is markup to be read by its words."""
        return self.media_type in _HTML

    @property
    def is_text(self) -> bool:
        """Whether a model can read it; unlabelled answers get the benefit of the doubt."""
        kind = self.media_type
        if not kind or kind.startswith("text/") or kind in _TEXT_APPLICATIONS:
            return True
        return kind.startswith("application/") and kind.endswith(("+json", "+xml", "+yaml"))


def parse_content_type(header: str) -> ContentType:
    """Read a `Content-Type` header, however badly written."""
    media_type, _, parameters = header.partition(";")
    charset = _CHARSET.search(parameters)
    return ContentType(media_type.strip().lower()[:_MAX_TYPE_CHARACTERS], charset[1] if charset else None)


def unsupported(content_type: ContentType) -> ToolError:
    """The answer is a document that cannot be read as text."""
    kind = content_type.media_type or "binary data"
    return ToolError(f"The page is {kind}, not text; only text documents can be read.", code="unsupported_content")


def recognise(content_type: ContentType, body: bytes) -> ContentType:
    """Give an unlabelled answer the type that its first bytes show."""
    if content_type.media_type:
        return content_type
    start = body[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return ContentType("text/html", content_type.charset)
    if b"\x00" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise unsupported(content_type)
    return ContentType("text/plain", content_type.charset)


def decode_text(body: bytes, content_type: ContentType) -> str:
    """Characters by byte order mark, header, the document's own word, UTF-8 or Windows-1252, in this order."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    known = _known(content_type.charset) or _known(_declared(body, content_type))
    if known is not None:
        return body.decode(known, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _declared(body: bytes, content_type: ContentType) -> str | None:
    if not content_type.is_html and not content_type.media_type.endswith("xml"):
        return None
    found = _DECLARED.search(body[:2048])
    label = found[1] or found[2] if found else None
    if label is None:
        return None
    # A document that could be searched as ASCII is not UTF-16, whatever it says.
    return "utf-8" if label.lower().startswith(b"utf-16") else label.decode("ascii", "replace")


def _known(label: str | None) -> str | None:
    if label is None:
        return None
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    name = _MEANT.get(name, name)
    return name if name in _CHARSETS else None
