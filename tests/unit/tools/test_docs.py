"""Searching and reading the documentation."""

from pathlib import Path

import pytest

from shared.kernel.errors import ToolError
from shared.tools.docs.library import Library, shipped_folder
from shared.tools.docs.ranking import Ranking, words
from shared.tools.docs.sections import split
from shared.tools.get_doc_page import DocPage, GetDocPage, GetDocPageInput
from shared.tools.search_docs import DocsMatches, SearchDocs, SearchDocsInput
from tests.unit.tools.loopback import context

PAGE = """\
A word before everything.

# Cooking

How it is done.

## Soups ##

Water and salt.

```sh
# not a heading
```

### Cold soups

Gazpacho.

## Soups

Again.

## Pies & Tarts

Flour.
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Three pages, and a file that is none."""
    (tmp_path / "cooking.md").write_text(PAGE)
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "0001-salt.md").write_text("# Salt\n\nSalt is mined. Salt is white.\n")
    (tmp_path / "plain.md").write_text("No heading, only flour.\n")
    (tmp_path / "secret.txt").write_text("secret")
    return Library(tmp_path)


def search(library: Library, query: str, limit: int = 5) -> DocsMatches:
    return SearchDocs(library).run(context(), SearchDocsInput(query=query, limit=limit))


def read(library: Library, path: str) -> DocPage:
    return GetDocPage(library).run(context(), GetDocPageInput(path=path))


def test_a_page_is_its_sections() -> None:
    """Headings divide, but not those within code; anchors are those of web pages, and unique."""
    sections = split("cooking.md", PAGE)

    assert [(s.heading, s.anchor, s.level) for s in sections] == [
        ("Cooking", "", 0),
        ("Cooking", "cooking", 1),
        ("Soups", "soups", 2),
        ("Cold soups", "cold-soups", 3),
        ("Soups", "soups-1", 2),
        ("Pies & Tarts", "pies--tarts", 2),
    ]
    assert "# not a heading" in sections[2].body
    assert {section.title for section in sections} == {"Cooking"}


def test_words_are_compared_in_one_form() -> None:
    """Case, plurals, joined words and punctuation don't matter; the commonest words don't count."""
    assert words("What are the TURN_MAX_STEPS?") == ["turn", "max", "step"]
    assert words("TurnMaxSteps policies class status") == ["turn", "max", "step", "policy", "class", "status"]


def test_rare_words_weigh_more_than_frequent_ones() -> None:
    """A text with the rare word of a question is before one that repeats the common one."""
    ranking = Ranking(["salt salt salt", "salt pepper", "salt", "water"])

    assert ranking.best("salt pepper", 9)[0].position == 1
    assert 3 not in [hit.position for hit in ranking.best("salt pepper", 9)]
    assert ranking.best("nothing", 9) == []
    assert ranking.best("", 9) == []
    assert Ranking([]).best("salt", 9) == []


def test_a_longer_text_must_say_it_more_often() -> None:
    """Of two texts that say a word once, the shorter is about it; equals keep their order."""
    ranking = Ranking(["salt " + "water " * 50, "salt water", "salt water"])

    assert [hit.position for hit in ranking.best("salt", 9)] == [1, 2, 0]


def test_a_search_finds_sections(library: Library) -> None:
    """The section that is named after the question comes first, with the path that reads it."""
    found = search(library, "cold soup")

    assert found.results[0].path == "cooking.md#cold-soups"
    assert found.results[0].excerpt == "Gazpacho."
    assert [match.score for match in found.results] == sorted((m.score for m in found.results), reverse=True)
    assert {match.path for match in search(library, "flour").results} == {"plain.md", "cooking.md#pies--tarts"}
    assert len(search(library, "salt", limit=1).results) == 1
    assert search(library, "helicopter").message == "Nothing matches; try other words."


def test_a_page_is_read_whole_or_by_section(library: Library) -> None:
    """A section comes with what is below it; docs/ and ./ before the path don't matter."""
    assert read(library, "cooking.md").content == PAGE
    assert read(library, "docs/cooking.md").content == read(library, "./cooking.md").content == PAGE
    section = read(library, "cooking.md#soups").content
    assert section.startswith("## Soups\n\nWater and salt.")
    assert section.endswith("Gazpacho.")
    assert read(library, "decisions/0001-salt.md").content.startswith("# Salt")


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "secret.txt", "/etc/passwd", "decisions", "docs/../../x.md", "a\x00.md", "nothing.md", "."],
)
def test_only_pages_can_be_read(library: Library, path: str) -> None:
    """Whatever else is on the disk is no page; the error says which there are."""
    with pytest.raises(ToolError, match=r"decisions/0001-salt\.md") as refused:
        read(library, path)
    assert refused.value.code == "page_not_found"


def test_an_unknown_section_names_the_known_ones(library: Library) -> None:
    """So that the model need not guess."""
    with pytest.raises(ToolError, match="#soups-1") as refused:
        read(library, "cooking.md#dessert")
    assert refused.value.code == "section_not_found"


def test_a_long_page_is_cut_below_what_a_row_holds(tmp_path: Path) -> None:
    """And says so."""
    (tmp_path / "long.md").write_text('"quoted"\n' * 20_000)

    page = read(Library(tmp_path), "long.md")

    assert page.truncated
    assert len(page.model_dump_json().encode()) < 64_000


def test_nothing_is_read_before_the_first_question(tmp_path: Path) -> None:
    """The index costs a cold start nothing, and a missing folder breaks no turn."""
    library = Library(tmp_path / "missing")

    assert search(library, "anything").results == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("how do I add a tool", "tools.md"),
        ("TURN_MAX_STEPS", "configuration.md"),
        ("what happens when a worker dies", "architecture.md"),
        ("workspace quota", "tools.md"),
        ("MCP_SERVERS", "configuration.md"),
    ],
)
def test_our_own_pages_answer_questions_about_us(query: str, expected: str) -> None:
    """The pages in the repository, found as they are in a deployment."""
    results = search(Library(shipped_folder()), query).results

    assert expected in [match.path.partition("#")[0] for match in results[:3]]


def test_the_folder_of_the_pages_can_be_set(tmp_path: Path) -> None:
    """Else it is beside the code in a layer, or in the repository."""
    assert shipped_folder(str(tmp_path)) == tmp_path
    assert (shipped_folder() / "architecture.md").is_file()
