"""What may be read as text, and in which character set."""

import pytest

from shared.kernel.errors import ToolError
from shared.tools.web.content_types import ContentType, decode_text, parse_content_type, recognise

HTML = ContentType("text/html", None)


@pytest.mark.parametrize(
    "header",
    [
        "text/html; charset=utf-8", "TEXT/PLAIN", "text/markdown", "text/csv", "text/xml", "application/json",
        "application/ld+json", "application/problem+json; charset=x", "application/xml", "application/rss+xml",
        "application/xhtml+xml", "application/yaml", "",
    ],
)  # fmt: skip
def test_text(header: str) -> None:
    """Textual documents are read, and those whose kind is not told."""
    assert parse_content_type(header).is_text


@pytest.mark.parametrize(
    "header",
    ["image/png", "image/svg+xml", "application/pdf", "application/zip", "application/octet-stream", "video/mp4", "x"],
)
def test_not_text(header: str) -> None:
    """Everything else is not."""
    assert not parse_content_type(header).is_text


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("é€".encode(), ContentType("text/plain", "utf-8"), "é€"),
        ("é€".encode("cp1252"), ContentType("text/plain", "ISO-8859-1"), "é€"),
        ("жж".encode("koi8-r"), ContentType("text/plain", "KOI8-R"), "жж"),
        ("日本".encode("shift_jis"), ContentType("text/plain", "Shift_JIS"), "日本"),
        ("中文".encode("gbk"), ContentType("text/plain", "gb2312"), "中文"),
        (b"\xef\xbb\xbf\xc3\xa9", ContentType("text/plain", "iso-8859-1"), "é"),
        ("é".encode("utf-16"), ContentType("text/plain", None), "é"),
        (b"\xfe\xff\x00\xe9", ContentType("text/plain", None), "é"),
        ("é".encode(), ContentType("text/plain", None), "é"),
        (b"\xe9\x80", ContentType("text/plain", None), "é€"),
        (b"\xe9", ContentType("text/plain", "no-such-set"), "é"),
        (b"\xe9x", ContentType("text/plain", "utf-8"), "\ufffdx"),
        (b"a-b", ContentType("text/plain", "punycode"), "a-b"),
        (rb"\x41", ContentType("text/plain", "unicode_escape"), r"\x41"),
        (b"789c", ContentType("text/plain", "zlib"), "789c"),
        (b"<meta charset='windows-1251'>\xe6", HTML, "<meta charset='windows-1251'>ж"),
        (b'<META http-equiv=x content="text/html; charset=koi8-r">\xd6', HTML,
         '<META http-equiv=x content="text/html; charset=koi8-r">ж'),
        (b"<meta charset=utf-16>\xc3\xa9", HTML, "<meta charset=utf-16>é"),
        (b"<meta charset=koi8-r>\xc3\xa9", ContentType("text/html", "utf-8"), "<meta charset=koi8-r>é"),
        (b"<meta charset=koi8-r>\xc3\xa9", ContentType("text/plain", None), "<meta charset=koi8-r>é"),
        (b"<?xml version='1.0' encoding='koi8-r'?>\xd6", ContentType("application/xml", None),
         "<?xml version='1.0' encoding='koi8-r'?>ж"),
    ],
)  # fmt: skip
def test_character_sets(body: bytes, content_type: ContentType, text: str) -> None:
    """Byte order mark, header, the document's own word, UTF-8, Windows-1252: the first that is known wins."""
    assert decode_text(body, content_type) == text


def test_charset_in_quotes() -> None:
    """The parameter is found however it is written."""
    assert parse_content_type('text/html; a=b; Charset = "UTF-8"') == ContentType("text/html", "UTF-8")


def test_unlabelled_answers_are_recognised() -> None:
    """Without a label, HTML is seen by its start, and other text is plain."""
    assert recognise(ContentType("", None), b" \n<!DOCTYPE html><p>").media_type == "text/html"
    assert recognise(ContentType("", None), b"hello").media_type == "text/plain"


def test_unlabelled_binary_is_refused() -> None:
    """Without a label, bytes that no text has are not shown."""
    with pytest.raises(ToolError) as refused:
        recognise(ContentType("", None), b"\x89PNG\x00\x00")
    assert refused.value.code == "unsupported_content"
