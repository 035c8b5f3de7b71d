"""What is left of an HTML page when only its words count."""

import time

import pytest

from shared.tools.web.html_text import PageText, read_html


def read(markup: str, characters: int = 40_000) -> PageText:
    """Extract without anybody watching."""
    return read_html(markup, characters, lambda: None)


def test_structure() -> None:
    """Headings, paragraphs, list items, links and cells keep their shape."""
    page = read(
        """<!doctype html><html><head><title> A &amp;
        B </title><style>p {}</style></head><body><h1>Fish &amp; <em>chips</em></h1>
        <p>One <a href="/two">two</a>,<br>three.</p>
        <ul><li>first</li><li><p>second</p></li><li></li></ul><h2> </h2>
        <table><tr><th>k</th><th>v</th></tr><tr><td>a</td><td>1</td></tr></table><div>end</div><div>more</div>"""
    )
    assert page.title == "A & B"
    assert page.text == ("# Fish & chips\n\nOne two,\nthree.\n\n- first\n\n- second\n\nk | v\na | 1\n\nend\nmore")
    assert page.complete


@pytest.mark.parametrize(
    "tag", ["script", "style", "noscript", "template", "svg", "iframe", "canvas", "object", "math"]
)
def test_dropped_elements(tag: str) -> None:
    """What a reader would not see as text is left out, and what follows it is not."""
    assert read(f"<p>a</p><{tag} x>hidden</{tag}><p>b</p>").text == "a\n\nb"


def test_nested_dropped_elements() -> None:
    """A dropped element ends where it ends, whatever is inside."""
    page = read("<svg><title>icon</title><g/><svg>x</svg>y</svg><title>Page</title><svg/>seen")
    assert (page.title, page.text) == ("Page", "seen")


def test_script_with_markup_inside() -> None:
    """Markup in a script is part of the script."""
    assert read("<script>if (a<b) document.write('<p>no</p>')</script>yes").text == "yes"


def test_preformatted_text() -> None:
    """Line breaks and indentation of `pre` stay."""
    assert read("<p>see</p><pre>if a:\n    b\n\n- c</pre><p>done  now</p>").text == (
        "see\n\nif a:\n    b\n\n- c\n\ndone now"
    )


def test_entities() -> None:
    """Entities become characters, broken ones included."""
    assert read("<p>&lt;b&gt; &eacute;&#8364;&#xD800; &nosuch; AT&T</p>").text == "<b> é€\ufffd &nosuch; AT&T"


def test_stops_when_it_has_enough() -> None:
    """A long page is not read to its end."""
    page = read("<p>" + "word " * 100_000, characters=1000)
    assert not page.complete
    assert len(page.text) < 100_000


def test_long_script_before_the_text() -> None:
    """A script longer than what is read at once does not hide the page."""
    page = read("<script>" + "a = '<b>';\n" * 100_000 + "</script><p>words</p>")
    assert page == PageText("", "words", True)


def test_words_cut_between_pieces() -> None:
    """Tags and entities may lie across the pieces in which a page is read."""
    for shift in range(12):
        filler = "<!--" + "x" * (65_536 - 20 - shift) + "-->"
        assert read(f"{filler}<p>fish &amp; chips</p>").text == "fish & chips"


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<", "<![CDATA[", "&", "</", "<a b=", "<a b='", "<script><", "<?"])
def test_hostile_markup_ends(piece: str) -> None:
    """Markup that never closes costs no more than its length: quadratic time would be minutes."""
    began = time.process_time()
    read(piece * (1_000_000 // len(piece)))
    read(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 20


def test_progress_may_stop_it() -> None:
    """Whoever watches is asked before each piece."""

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        read_html("<p>a</p>", 10, stop)
