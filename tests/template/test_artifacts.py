"""What `sam build` makes; slow, about half a minute, because it installs the packages for Lambda."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.template.conftest import ROOT, run_sam

X86_64, ARM64 = 62, 183  # e_machine of an ELF file
UNZIPPED_LIMIT = 250 * 1024 * 1024  # a function with its layers
SERVICES = {"apigatewaymanagementapi", "dynamodb", "kms", "s3", "secretsmanager", "sqs", "ssm", "sts"}
SAMPLE_VALUES = {
    "STAGE": "test",
    "RETENTION_DAYS": "7",
    "MODEL_PRICES": "",
    "MODEL_CONTEXT_TOKENS": "128000",
    "LOG_LEVEL": "INFO",
    "GUESTS_ENABLED": "false",
    "SENDS_PER_MINUTE": "30",
    "MAX_RUNNING_TURNS": "5",
    "MAX_TURNS_IN_FLIGHT": "15",
    "MAX_RUNNING_SUB_SESSIONS": "10",
    "MAX_RUNNING_RUNS": "5",
    "MAX_RUNS_IN_FLIGHT": "1000",
    "RUN_MAX_DAYS": "31",
    "RUN_RETENTION_DAYS": "90",
    "RUN_MAX_TOKENS": "",
    "RUN_MAX_COST_USD": "1.5",
    "MODEL_MAX_OUTPUT_TOKENS": "",
    "TURN_MAX_TOKENS": "",
    "TURN_MAX_COST_USD": "1.5",
    "TREE_MAX_TOKENS": "",
    "TREE_MAX_COST_USD": "",
    "USER_DAY_MAX_TOKENS": "0",
    "USER_DAY_MAX_COST_USD": "",
    "USER_WEEK_MAX_TOKENS": "",
    "USER_WEEK_MAX_COST_USD": "",
    "WORKSPACE_QUOTA_MB": "250",
    "MCP_SERVERS": "[]",
    "OPERATION_SERVICES": "[]",
    "AGENT_GENERATOR_URL": "",
    "TOOLS_NEEDING_APPROVAL": "",
    "APPROVAL_DAYS": "30",
    "OAUTH_PROVIDERS": "{}",
}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, built for AWS on this machine, whatever its Python."""
    folder = tmp_path_factory.mktemp("build")
    answer = run_sam("build", "--build-dir", str(folder), PARLEY_PYTHON=sys.executable)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


@pytest.fixture(scope="module")
def packages(artifacts: Path) -> Path:
    """The packages of the dependency layer."""
    return artifacts / "DependenciesLayer" / "python"


def _shared_objects(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*.so*"):
        if path.read_bytes()[:4] == b"\x7fELF":
            yield path


def test_binaries_are_for_lambda_on_arm(packages: Path) -> None:
    """Each shared object is for arm64 and, if it is bound to a Python, to 3.13."""
    found = list(_shared_objects(packages))
    assert len(found) >= 3
    for path in found:
        assert int.from_bytes(path.read_bytes()[18:20], "little") == ARM64, path.name
        assert "cpython-3" not in path.name or "cpython-313" in path.name, path.name


def test_the_layer_holds_what_is_called_and_little_else(packages: Path) -> None:
    """botocore keeps the services that Parley calls and what it needs to find them; no tests are shipped."""
    data = packages / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES
    assert {"endpoints.json", "partitions.json", "sdk-default-configuration.json"} <= set(os.listdir(data))
    assert not [path for path in packages.rglob("tests") if path.is_dir()]
    assert not (packages / "bin").exists()


def test_artifacts_fit_into_lambda(artifacts: Path) -> None:
    """A function and both layers stay far below 250 MB."""
    size = sum(path.stat().st_size for path in artifacts.rglob("*") if path.is_file())
    assert size < UNZIPPED_LIMIT / 2


def test_the_shared_layer_is_importable_as_shared(artifacts: Path) -> None:
    """It has the product, the pages that `search_docs` searches, and only that."""
    layer = artifacts / "SharedLayer" / "python"
    assert sorted(os.listdir(layer)) == ["shared", "shared_docs"]
    pages = {path.relative_to(layer / "shared_docs") for path in (layer / "shared_docs").rglob("*") if path.is_file()}
    assert pages == {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    shipped_agents = Path("agents") / "library" / "seeds"
    agents = sorted(os.listdir(layer / "shared" / shipped_agents))
    assert agents == sorted(os.listdir(ROOT / "src" / "shared" / shipped_agents))
    assert len(agents) == 5


def test_the_api_serves_the_console_from_its_artifact(artifacts: Path) -> None:
    """clients/web is beside the code as `console`; nothing of a test or a package manager is."""
    names = set(os.listdir(artifacts / "ApiFunction" / "console"))
    assert "index.html" in names
    assert "node_modules" not in names


def test_no_artifact_knows_where_it_was_built(artifacts: Path) -> None:
    """Bytecode names the places where it runs."""
    here = str(ROOT).encode()
    for path in artifacts.rglob("*.pyc"):
        assert here not in path.read_bytes(), path


def test_functions_start_with_their_layers_and_environment_alone(
    template: dict[str, Any], functions: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Each entry point is imported with the locked packages, the standard library and the template's variables."""
    make = [sys.executable, str(ROOT / "layers" / "build.py"), "dependencies", str(tmp_path)]
    subprocess.run(make, check=True, env={**os.environ, "PARLEY_BUILD": "local"}, cwd=ROOT)
    (pointer,) = tmp_path.rglob("parley.pth")
    for properties in functions.values():
        code = ROOT / properties["CodeUri"]
        names = _variables(template["Globals"]["Function"]) | _variables(properties)
        environment = {name: SAMPLE_VALUES.get(name, "https://example.org/x") for name in names}
        program = f"{pointer.read_text()}sys.path[:0] = [{str(ROOT / 'src')!r}, {str(code)!r}]\nimport app; app.handler"
        answer = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", program],
            env={**environment, "AWS_DEFAULT_REGION": "us-east-1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, f"{properties['CodeUri']}: {answer.stderr}"


def _variables(properties: dict[str, Any]) -> set[str]:
    return set(properties.get("Environment", {}).get("Variables", {}))
