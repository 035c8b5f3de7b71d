"""The programs that the documentation prints, and running them."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.node import CLIENTS
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMANDS = {
    "js": ["node", "example.mjs"],
    "bash": ["bash", "example.sh"],
    "sh": ["bash", "example.sh"],
    "python": [sys.executable, "example.py"],
}


@dataclass(frozen=True)
class Example:
    """One fenced block; `name` is what its marker says: ```js example=name."""

    page: str
    language: str
    name: str | None
    code: str

    def run(self, folder: Path, *arguments: str, seconds: float = PATIENCE, **environment: str) -> str:
        """Run it exactly as printed, in `folder`, where the official packages are installed; what it prints."""
        command = _COMMANDS[self.language]
        (folder / command[-1]).write_text(self.code)
        packages = folder / "node_modules"
        if not packages.exists():
            packages.symlink_to(CLIENTS / "node_modules")
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{self.page}, {self.name}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout


def examples_in(page: str) -> list[Example]:
    """All fenced blocks of a page (its path from the repository's root)."""
    found = []
    for fence in _FENCE.finditer((ROOT / page).read_text()):
        language, _, marker = fence["info"].partition(" ")
        name = marker.removeprefix("example=") if marker.startswith("example=") else None
        found.append(Example(page, language, name, fence["code"]))
    return found
