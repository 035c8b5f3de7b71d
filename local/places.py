"""Where things are: the repository, what machines share, and what one region keeps."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".local"


@dataclass(frozen=True)
class Places:
    """The folders and files of one region on this machine."""

    state: Path
    """Everything that the region keeps; PARLEY_LOCAL_DIR, or `.local`."""

    @classmethod
    def from_environment(cls) -> "Places":
        """The region that PARLEY_LOCAL_DIR names; relative names are the repository's."""
        return cls(ROOT / os.environ.get("PARLEY_LOCAL_DIR", ".local"))

    @property
    def is_default(self) -> bool:
        """Whether this is the developer's own region, which has the well-known port."""
        return self.state == HOME

    @property
    def description(self) -> Path:
        """`region.json`: addresses and tokens, for tests, clients and scripts; there while the region is up."""
        return self.state / "region.json"

    @property
    def started(self) -> Path:
        """Processes that were started and not yet stopped."""
        return self.state / "started.json"

    @property
    def settings(self) -> Path:
        """Ports and secret, kept between runs."""
        return self.state / "settings.json"

    @property
    def data(self) -> Path:
        """What the emulated services store."""
        return self.state / "data"

    @property
    def scratch(self) -> Path:
        """Unpacked functions; emptied at start and stop."""
        return self.state / "tmp"

    @property
    def logs(self) -> Path:
        """Output of the processes and of sam."""
        return self.state / "logs"

    @property
    def lock(self) -> Path:
        """Held while the region goes up or down."""
        return self.state / "lock"

    @property
    def region_python(self) -> Path:
        """The interpreter that runs the emulator and, in it, the functions."""
        return HOME / "region-venv" / "bin" / "python"

    @property
    def sam(self) -> Path:
        """AWS SAM's command line."""
        return HOME / "sam-venv" / "bin" / "sam"
