"""Makes the virtual environments from their lock files, and makes them again when those change.

    python3 local/environments.py dev region sam

Runs before anything is installed, so: the standard library only, and nothing that Python 3.8 cannot parse.
"""

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = {
    "dev": (ROOT / ".venv", "requirements-dev.lock"),
    "region": (ROOT / ".local" / "region-venv", "requirements-region.lock"),
    "sam": (ROOT / ".local" / "sam-venv", "requirements-sam.lock"),
}
OLDEST_PYTHON = (3, 11)


def main(names: "list[str]") -> int:
    """Make the named environments, two at a time."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return refuse(
            f"Parley needs Python {wanted} or newer; {sys.executable} is {found}. Try: make PYTHON=python3.12"
        )
    missing = [name for name in ("venv", "ensurepip") if not importable(name)]
    if missing:
        return refuse(f"This Python lacks the module {missing[0]}. On Debian and Ubuntu: apt-get install python3-venv")
    stale = [name for name in names if not is_current(name)]
    with ThreadPoolExecutor(2) as pool:
        return max(pool.map(make, stale), default=0)


def importable(module: str) -> bool:
    """Whether a module of the standard library is there: distributions split some of them off."""
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def fingerprint(name: str) -> str:
    """What the environment was made of: the interpreter and the lock file."""
    lock = ROOT / ENVIRONMENTS[name][1]
    return hashlib.sha256(sys.version.encode() + sys.prefix.encode() + lock.read_bytes()).hexdigest()


def is_current(name: str) -> bool:
    """Whether the environment was completed from this lock file, and is still where it was made."""
    folder = ENVIRONMENTS[name][0]
    stamp = folder / "parley-stamp"
    return (
        (folder / "bin" / "python").exists()
        and stamp.exists()
        and stamp.read_text() == f"{folder}\n{fingerprint(name)}"
    )


def make(name: str) -> int:
    """Make one environment anew."""
    folder, lock = ENVIRONMENTS[name]
    print(f"Installing {lock} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if venv.returncode:
        return refuse(f"The virtual environment {folder} could not be made:\n{venv.stdout}{venv.stderr}")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install = subprocess.run(
        [*pip, "--require-hashes", "--no-deps", "-r", str(ROOT / lock)], capture_output=True, text=True, check=False
    )
    if install.returncode:
        return refuse(f"{lock} could not be installed:\n{install.stdout}{install.stderr}")
    (folder / "parley-stamp").write_text(f"{folder}\n{fingerprint(name)}")
    return 0


def refuse(message: str) -> int:
    """Say what is wrong; the exit code says that nothing was made."""
    print(message, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(ENVIRONMENTS)))
