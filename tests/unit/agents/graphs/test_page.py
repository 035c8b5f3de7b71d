"""docs/agents.md: its example is a sound graph, and its table has every code."""

import json
import re
from pathlib import Path

from shared.agents.graphs import validation
from shared.agents.graphs.fixes import fixed

PAGE = (Path(__file__).parents[4] / "docs" / "agents.md").read_text()


def test_the_example_on_the_page_is_a_sound_graph() -> None:
    example = PAGE.partition("```json\n")[2].partition("```")[0]

    result = fixed(json.loads(example))

    assert result.sound
    assert result.applied == []


def test_the_page_has_every_code() -> None:
    """Those that stand in the sources, and no others."""
    sources = "".join(path.read_text() for path in Path(validation.__file__).parent.glob("*.py"))
    written = re.findall(r'Problem\.at\(\s*[^,"]*(?:""|), "(\w+)"', sources) + re.findall(
        r'Problem\(\s*"(\w+)"', sources
    )
    table = PAGE.partition("### Validation")[2].partition("### Repairs")[0]
    told = {code for row in re.findall(r"^\| (`.*?) \|", table, re.M) for code in re.findall(r"`(\w+)`", row)}

    assert set(written) == told
