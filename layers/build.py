"""Builds the artifacts of the template's layers and functions; run by layers/Makefile, with the standard library only.

    python layers/build.py dependencies|shared|function NAME  ARTIFACTS_DIR

The target is Lambda's python3.13 on arm64, or with PARLEY_BUILD=local the interpreter that runs this script.
"""

# ruff: noqa: S603, T201 - a build script: it starts pip and prints

import argparse
import compileall
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
SERVICES = ROOT / "layers" / "dependencies" / "services.txt"
RUNTIME = (3, 13)
# Amazon Linux 2023 has glibc 2.34: both of these run there.
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
UNUSED_FOLDERS = frozenset({"tests", "test", "__pycache__"})
LOCAL = os.environ.get("PARLEY_BUILD") == "local"


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description="Build one artifact.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("dependencies").add_argument("artifacts", type=Path)
    kinds.add_parser("shared").add_argument("artifacts", type=Path)
    function = kinds.add_parser("function")
    function.add_argument("name")
    function.add_argument("artifacts", type=Path)
    function.add_argument("--with", dest="extra", metavar="FOLDER=NAME", help="a folder to put beside the code")
    arguments = parser.parse_args()
    if arguments.kind == "dependencies":
        build_dependencies(arguments.artifacts)
    elif arguments.kind == "shared":
        build_shared(arguments.artifacts)
    else:
        build_function(arguments.name, arguments.artifacts, arguments.extra)


def build_dependencies(artifacts: Path) -> None:
    """Install the locked packages, pruned and compiled; locally, point to the place where that was done once."""
    if not LOCAL:
        install_packages(artifacts / "python", for_lambda=True)
        return
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = artifacts / "python" / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    # Like a layer's own packages, these go before what the interpreter itself has installed.
    packages = local_packages()
    (site / "parley.pth").write_text(f"import sys; sys.path.insert(0, {str(packages)!r})\n")


def local_packages() -> Path:
    """The packages for this machine's Python, installed when the lock or the interpreter changed."""
    fingerprint = hashlib.sha256()
    for part in (LOCK.read_bytes(), SERVICES.read_bytes(), Path(__file__).read_bytes(), sys.version.encode()):
        fingerprint.update(part)
    store = ROOT / ".local" / "packages"
    target = store / fingerprint.hexdigest()[:16]
    if not target.exists():
        store.mkdir(parents=True, exist_ok=True)
        building = store / f"{target.name}.{os.getpid()}"
        install_packages(building, for_lambda=False)
        try:
            building.rename(target)
        except OSError:  # somebody else was faster
            shutil.rmtree(building)
    return target


def install_packages(target: Path, *, for_lambda: bool) -> None:
    """Install requirements.lock into a folder, without what no function reads, with bytecode."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(LOCK), "--target", str(target)]
    if for_lambda:
        version = ".".join(map(str, RUNTIME))
        command += ["--implementation", "cp", "--python-version", version]
        command += [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    subprocess.run(command, check=True)
    prune(target)
    compile_bytecode(target, "/opt/python", for_lambda=for_lambda)


def prune(packages: Path) -> None:
    """Remove tests, scripts, and the data of AWS services that Parley doesn't call."""
    lines = SERVICES.read_text().splitlines()
    services = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    for folder in (packages / "botocore" / "data").iterdir():
        if folder.is_dir() and folder.name not in services:
            shutil.rmtree(folder)
    for folder in sorted(packages.rglob("*"), reverse=True):
        if folder.is_dir() and folder.name in UNUSED_FOLDERS:
            shutil.rmtree(folder)
    shutil.rmtree(packages / "bin", ignore_errors=True)


def build_shared(artifacts: Path) -> None:
    """Parley's own code, importable as `shared`, and beside it the documentation that tools search."""
    target = artifacts / "python" / "shared"
    shutil.copytree(ROOT / "src" / "shared", target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    pages = artifacts / "python" / "shared_docs"
    for page in sorted((ROOT / "docs").rglob("*.md")):
        copy = pages / page.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, copy)
    compile_bytecode(target, "/opt/python/shared", for_lambda=not LOCAL)


def build_function(name: str, artifacts: Path, extra: str | None) -> None:
    """One entry point, with the folder it serves, if any."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules")
    shutil.copytree(ROOT / "functions" / name, artifacts, dirs_exist_ok=True, ignore=ignored)
    if extra:
        folder, _, place = extra.partition("=")
        shutil.copytree(ROOT / folder, artifacts / place, ignore=ignored)
    compile_bytecode(artifacts, "/var/task", for_lambda=not LOCAL)


def compile_bytecode(folder: Path, runs_in: str, *, for_lambda: bool) -> None:
    """Compile, never to be checked against the sources, whose times an archive doesn't keep.

    Tracebacks of Lambda name the place where it runs, not the one where it was built.
    """
    if not for_lambda:
        compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        return
    interpreter = runtime_interpreter()
    if interpreter is None:
        print(
            f"WARNING: {folder.name} is not precompiled: no python3.13 on PATH, and bytecode can only be compiled by"
            " the runtime's own version. It works, but every cold start compiles what it imports."
        )  # to stdout: sam shows nothing else of a build that succeeds
        return
    paths = ["-s", str(folder), "-p", runs_in, str(folder)]
    subprocess.run(
        [interpreter, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", *paths], check=False
    )


def runtime_interpreter() -> str | None:
    """A python3.13 that really is one: version managers put names on PATH that only print a message."""
    candidates = (sys.executable, shutil.which("python3.13"))
    return next((found for found in candidates if found and _is_runtime(found)), None)


def _is_runtime(interpreter: str) -> bool:
    probe = [interpreter, "-c", "import sys; print(*sys.version_info[:2])"]
    answer = subprocess.run(probe, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.split() == [str(part) for part in RUNTIME]


if __name__ == "__main__":
    main()
